//! Embedded DynamoDB engine that keeps the table in a local file.
//!
//! The SDK client that talks to Amazon's service reaches the engine through a channel instead of a socket: no other
//! process and no web page can send a request. The engine runs on its own thread, because file access is synchronous.
//! When dropping [`Embedded`] returns, the file is closed and the lock is free.
//!
//! The file is an SQLite database with a write-ahead log, readable by its owner only. A write survives the death of the
//! process, and the file opens again after a kill. After a power failure the last moments may be missing, as if the run
//! had been killed a little earlier; an fsync after each of some hundred thousand small writes would make a first load
//! take hours.
//!
//! SQLite's settings (exclusive locking, no fsync per commit, a large cache) are compile-time defaults in the
//! workspace's `.cargo/config.toml`: dynoxide's `Database` keeps its connection private and can't be made from a
//! `Storage`, the only type with `conn()`, so no PRAGMA can be set in code. A build outside the workspace uses SQLite's
//! own defaults: the same results, but slower.
//!
//! [`Embedded::endpoint`] opens an HTTP port for tests and tools. The engine authenticates no request on it and answers
//! every web origin, so it is opened only on demand.

mod client;
mod listener;
mod lock;
mod operations;

use std::fs::File;
use std::path::Path;
use std::sync::{OnceLock, mpsc};
use std::thread::JoinHandle;

use dynoxide::Database;
use model::UnixSeconds;

use self::client::{EngineCall, client};
use self::listener::EnginePort;
use self::lock::{keep_private, lock};
use crate::errors::Result;
use crate::item::{ItemReader, number};
use crate::keys::ItemKey;
use crate::write::ItemWrite;
use crate::{StoreError, Table};

/// Name of the table in the file.
const TABLE: &str = "provisioner";

/// Time of the last expiry run.
const SWEPT_AT: &str = "at";
/// Seconds between two expiry runs; each examines all items.
const DAY: i64 = 24 * 3600;

/// The running engine. Dropping it stops the engine.
#[derive(Debug)]
pub struct Embedded {
    calls: Option<mpsc::Sender<EngineMessage>>,
    thread: Option<JoinHandle<()>>,
    listener: OnceLock<EnginePort>,
    database: EmbeddedDatabase,
    /// Dropped last, so that the lock is freed after the file is closed.
    _lock: Option<File>,
}

/// Handle of the engine, for the HTTP port.
struct EmbeddedDatabase(Database);

impl std::fmt::Debug for EmbeddedDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmbeddedDatabase")
    }
}

/// Message to the engine's thread.
enum EngineMessage {
    EngineCall(EngineCall),
    Stop,
}

impl Embedded {
    /// Opens or creates the state file with the table in it. One process at a time can have it open.
    pub async fn open(path: &Path) -> Result<(Self, Table)> {
        let lock = lock(path)?;
        keep_private(path)?;
        let text = path.to_str().ok_or_else(|| engine("the path of the state file is not Unicode text"))?;
        Self::start(open_database(Some(text))?, Some(lock)).await
    }

    /// A table in memory, gone when the engine is dropped.
    pub async fn in_memory() -> Result<(Self, Table)> {
        Self::start(open_database(None)?, None).await
    }

    /// URL of the engine's HTTP port; the first call opens the port.
    ///
    /// # Panics
    ///
    /// Where no program may listen on loopback.
    pub fn endpoint(&self) -> String {
        let listen = || EnginePort::open(self.database.0.clone()).expect("nothing can listen on loopback");
        self.listener.get_or_init(listen).endpoint()
    }

    /// Deletes expired items, at most once a day: the engine does not do it by itself. It reads the whole file, so call
    /// it before a sync and not before a read of the state.
    pub async fn delete_expired(&self, table: &Table, now: UnixSeconds) -> Result<()> {
        let key = ItemKey { pk: "engine".to_owned(), sk: "swept".to_owned() };
        let store = table.connection("engine");
        let found = store.get(&key).await?.unwrap_or_default();
        let last: Option<i64> = ItemReader::new(&found).number(SWEPT_AT)?;
        if last.is_some_and(|at| now.0.saturating_sub(at) < DAY) {
            return Ok(());
        }
        self.database.0.sweep_ttl().map_err(|error| engine(&error.to_string()))?;
        store.commit(&[ItemWrite::put(key).set(SWEPT_AT, number(now.0))]).await.map(drop)
    }

    async fn start(database: Database, lock: Option<File>) -> Result<(Self, Table)> {
        let (calls, called) = mpsc::channel();
        let for_calls = database.clone();
        let thread = std::thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || {
                while let Ok(EngineMessage::EngineCall(call)) = called.recv() {
                    call.answer(&for_calls);
                }
            })
            .map_err(|error| engine(&format!("no thread could be started ({error})")))?;
        let table = Table::new(client(calls.clone()), TABLE);
        let embedded = Self {
            calls: Some(calls),
            thread: Some(thread),
            listener: OnceLock::new(),
            database: EmbeddedDatabase(database),
            _lock: lock,
        };
        // DescribeTable counts all items; the existence of the table does not need that.
        let there =
            embedded.database.0.get_table_metadata(TABLE).map_err(|error| engine(&error.to_string()))?;
        if there.is_none() {
            table.create_if_missing().await?;
        }
        Ok((embedded, table))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Clients may still hold the channel, so closing this end is not enough.
        if let Some(calls) = self.calls.take() {
            let _ = calls.send(EngineMessage::Stop);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the local state's engine did not end well");
        }
        drop(self.listener.take());
    }
}

fn open_database(path: Option<&str>) -> Result<Database> {
    let opened = match path {
        Some(path) => Database::new(path),
        None => Database::memory(),
    };
    opened.map_err(|error| engine(&error.to_string()))
}

fn engine(detail: &str) -> StoreError {
    StoreError::Engine(detail.to_owned())
}
