//! DynamoDB on one machine: an engine within this process that keeps the table in a file.
//!
//! The same client as for Amazon's service reaches it, through a channel instead of a socket: nobody else on the
//! machine, and no web page, can ask for anything. The engine runs on a thread of its own, because it works on its
//! file synchronously, and so that dropping [`Embedded`] ends it for good: when `drop` returns, the file is
//! closed and the lock is free.
//!
//! The file is an SQLite database with a write-ahead log: what a call has written survives the death of the process, and a
//! process that is killed leaves a file that opens again. When the machine itself loses its power, the last moments may
//! be missing, as if the run had been killed a little earlier; waiting for the disk after each of some hundred thousand
//! small writes would make a first load take hours. It is readable by its owner only.
//!
//! For tools and tests that speak HTTP there is [`Embedded::endpoint`]. Whoever finds that port can do everything, a web
//! page too: the engine checks nobody and answers every origin. So it is opened only for those who ask for it.

mod client;
mod listener;
mod lock;
mod operations;

use std::fs::File;
use std::path::Path;
use std::sync::{OnceLock, mpsc};
use std::thread::JoinHandle;

use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::Database;
use model::UnixSeconds;

use self::client::{EngineCall, client};
use self::listener::EnginePort;
use self::lock::{keep_private, lock};
use crate::errors::classify;
use crate::item::{ItemReader, TableItem, number};
use crate::keys::{PK, SK};
use crate::{StoreError, Table};

/// The table's name within the file.
const TABLE: &str = "provisioner";

/// The item that says when expired items were deleted last.
const SWEPT: [(&str, &str); 2] = [(PK, "engine"), (SK, "swept")];
const SWEPT_AT: &str = "at";
const GET: &str = "read an item (GetItem)";
const PUT: &str = "write an item (PutItem)";
/// How often that is done. The engine looks at every item for it.
const DAY: i64 = 24 * 3600;

/// The running engine. It stops when this is dropped.
#[derive(Debug)]
pub struct Embedded {
    calls: Option<mpsc::Sender<EngineMessage>>,
    thread: Option<JoinHandle<()>>,
    listener: OnceLock<EnginePort>,
    database: EmbeddedDatabase,
    /// Dropped last: the lock is free when the file is closed.
    _lock: Option<File>,
}

/// The engine, for whoever opens a port to it.
struct EmbeddedDatabase(Database);

impl std::fmt::Debug for EmbeddedDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmbeddedDatabase")
    }
}

/// What the engine's thread is told.
enum EngineMessage {
    EngineCall(EngineCall),
    Stop,
}

impl Embedded {
    /// Opens the state file, or creates it, with the table in it. Only one process at a time can have it open.
    pub async fn open(path: &Path) -> Result<(Self, Table), StoreError> {
        let lock = lock(path)?;
        keep_private(path)?;
        let text = path.to_str().ok_or_else(|| engine("the path of the state file is not Unicode text"))?;
        Self::start(open_database(Some(text))?, Some(lock)).await
    }

    /// A table that is gone when this is dropped.
    pub async fn in_memory() -> Result<(Self, Table), StoreError> {
        Self::start(open_database(None)?, None).await
    }

    /// Where the engine listens from now on, for those who don't have its table from here.
    ///
    /// # Panics
    ///
    /// Where no program may listen on loopback.
    pub fn endpoint(&self) -> String {
        let listen = || EnginePort::open(self.database.0.clone()).expect("nothing can listen on loopback");
        self.listener.get_or_init(listen).endpoint()
    }

    /// Deletes what has expired, once a day: the engine does nothing by itself. It reads the whole file for that, so it is for
    /// whoever is about to work for longer, and not for whoever takes a look.
    pub async fn delete_expired(&self, table: &Table, now: UnixSeconds) -> Result<(), StoreError> {
        if table.swept_at().await?.is_some_and(|at| now.0.saturating_sub(at) < DAY) {
            return Ok(());
        }
        self.database.0.sweep_ttl().map_err(|error| engine(&error.to_string()))?;
        table.note_swept(now).await
    }

    async fn start(database: Database, lock: Option<File>) -> Result<(Self, Table), StoreError> {
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
        // To describe a table, the engine counts everything in it, and to see that there is one nobody needs that.
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
        // Clients may be left that have the channel too, so its end alone would not do.
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

fn open_database(path: Option<&str>) -> Result<Database, StoreError> {
    let opened = match path {
        Some(path) => Database::new(path),
        None => Database::memory(),
    };
    opened.map_err(|error| engine(&error.to_string()))
}

impl Table {
    async fn swept_at(&self) -> Result<Option<i64>, StoreError> {
        let sent = self.client.get_item().table_name(&self.name).set_key(Some(swept())).send().await;
        let found = sent.map_err(|error| classify(GET, &self.name, &error))?;
        found.item.map_or(Ok(None), |item| ItemReader::new(&item).number(SWEPT_AT))
    }

    async fn note_swept(&self, now: UnixSeconds) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(swept()));
        let sent = put.item(SWEPT_AT, number(now.0)).send().await;
        sent.map(|_| ()).map_err(|error| classify(PUT, &self.name, &error))
    }
}

fn swept() -> TableItem {
    SWEPT.into_iter().map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).collect()
}

fn engine(detail: &str) -> StoreError {
    StoreError::Engine { detail: detail.to_owned() }
}
