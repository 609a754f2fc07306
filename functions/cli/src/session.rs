//! Everything that a command works with, opened.

use std::path::Path;

use anyhow::{Context, Result};
use directory::Directory;
use provision::Provisioner;
use runtime::{Connection, Secrets};
use scan::ScanContext;
use store::{Embedded, Store, Table};
use target::Target;

use crate::args::Place;

/// The owner of every lease that the terminal takes. The state file's lock lets one terminal in at a time, so a
/// lease of this name was left by one that died, and may be taken over.
const OWNER: &str = "terminal";

/// A connection and the means to open both of its ends.
pub struct Ends {
    /// The configuration.
    pub connection: Connection,
    secrets: Secrets,
}

impl Ends {
    /// Reads the configuration.
    pub fn read(place: &Place) -> Result<Self> {
        Ok(Self::of(runtime::config::read(&place.config)?))
    }

    /// The ends of a connection.
    pub fn of(connection: Connection) -> Self {
        Self { connection, secrets: Secrets::default() }
    }

    /// Connects to the directory.
    pub async fn directory(&self) -> Result<Directory> {
        self.connection.directory.open(&self.secrets).await.context("can't use the directory")
    }

    /// Makes a client for the target.
    pub async fn target(&self) -> Result<Target> {
        self.connection.target.open(&self.secrets).await.context("can't use the target")
    }
}

/// A connection with its state.
pub struct Session {
    /// Directory and target.
    pub ends: Ends,
    /// The state.
    pub store: Store,
    _engine: Embedded,
}

impl Session {
    /// Opens the state, and makes a new one where there is none.
    pub async fn open(ends: Ends, state: &Path) -> Result<Self> {
        let (engine, table) = Embedded::open(state).await?;
        Ok(Self::with_table(ends, engine, &table))
    }

    /// Opens the state to look at it. Where there is none, nothing is made.
    pub async fn open_to_read(ends: Ends, state: &Path) -> Result<Self> {
        if state.exists() {
            return Self::open(ends, state).await;
        }
        let (engine, table) = Embedded::in_memory().await?;
        Ok(Self::with_table(ends, engine, &table))
    }

    fn with_table(ends: Ends, engine: Embedded, table: &Table) -> Self {
        let store = table.connection(&ends.connection.name);
        Self { ends, store, _engine: engine }
    }

    /// The configuration.
    pub fn connection(&self) -> &Connection {
        &self.ends.connection
    }

    /// What a scan works with.
    pub fn scan_context(&self) -> ScanContext<'_> {
        ScanContext { connection: self.connection(), store: &self.store, owner: OWNER, clock: runtime::now }
    }

    /// What provisioning works with.
    pub fn provisioner<'a>(&'a self, target: &'a Target) -> Provisioner<'a> {
        Provisioner {
            store: &self.store,
            target,
            options: &self.connection().options,
            owner: OWNER,
            clock: runtime::now,
        }
    }
}
