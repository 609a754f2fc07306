//! Embedded DynamoDB engine that keeps the table in a local file.
//!
//! The SDK client that talks to Amazon's service calls the engine instead of a socket: no other process and no web page
//! can send a request. When dropping [`Embedded`] returns, the file is closed and the lock is free.
//!
//! One process at a time writes, and holds the lock file meanwhile. Other processes read at the same time: SQLite shows
//! them the last commit. SQLite's shared memory needs a local disk, so the state file can't be in a network folder.
//!
//! The file is an SQLite database with a write-ahead log, readable by its owner only. A write survives the death of the
//! process, and the file opens again after a kill. After a power failure the last moments may be missing, as if the run
//! had been killed a little earlier; an fsync after each of some hundred thousand small writes would make a first load
//! take hours.
//!
//! SQLite's settings (no fsync per commit, a large cache) are compile-time defaults in the
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
use std::io::Read as _;
use std::path::Path;
use std::sync::OnceLock;

use dynoxide::Database;
use model::UnixSeconds;

use self::client::{EngineHandle, client};
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
    engine: EngineHandle,
    listener: OnceLock<EnginePort>,
    /// Dropped last, so that the lock is freed after the file is closed.
    _lock: Option<File>,
}

impl Embedded {
    /// Opens or creates the state file with the table in it, to read and write it. One process at a time can.
    pub async fn open(path: &Path) -> Result<(Self, Table)> {
        let lock = lock(path)?;
        Self::start(open_file(path)?, Some(lock)).await
    }

    /// Opens the state file to read it, also while another process writes. The caller writes nothing.
    pub async fn open_to_read(path: &Path) -> Result<(Self, Table)> {
        Self::start(open_file(path)?, None).await
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
        let database = || self.engine.with(Database::clone).expect("the engine runs until it is dropped");
        let listen = || EnginePort::open(database()).expect("nothing can listen on loopback");
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
        if let Some(Err(error)) = self.engine.with(Database::sweep_ttl) {
            return Err(engine(&error.to_string()));
        }
        store.commit(&[ItemWrite::put(key).set(SWEPT_AT, number(now.0))]).await.map(drop)
    }

    async fn start(database: Database, lock: Option<File>) -> Result<(Self, Table)> {
        // DescribeTable counts all items; the existence of the table does not need that.
        let found = database.get_table_metadata(TABLE).map_err(|error| engine(&error.to_string()))?;
        let handle = EngineHandle::new(database);
        let table = Table::new(client(handle.clone()), TABLE);
        let embedded = Self { engine: handle, listener: OnceLock::new(), _lock: lock };
        if found.is_none() {
            table.create_if_missing().await?;
        }
        Ok((embedded, table))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Clients may still hold the handle.
        self.engine.stop();
        drop(self.listener.take());
    }
}

fn open_file(path: &Path) -> Result<Database> {
    keep_private(path)?;
    let text = path.to_str().ok_or_else(|| engine("the path of the state file is not Unicode text"))?;
    if !is_database(path) {
        let text = format!("{} is no state file; name another file with --state", path.display());
        return Err(engine(&text));
    }
    open_database(Some(text))
}

/// Whether a file is empty or begins as an `SQLite` database does. The engine's own message names its build options.
fn is_database(path: &Path) -> bool {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut begin));
    read.is_err() || begin.is_empty() || begin == MAGIC
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
