//! Everything that a command works with, opened.

use std::path::Path;

use anyhow::{Context, Result};
use directory::Directory;
use provision::Provisioner;
use runtime::{Connection, Secrets};
use scan::ScanContext;
use store::{Embedded, Store};
use target::Target;

use crate::args::Place;

/// The owner of every lease that the terminal takes. The state file's lock lets one terminal in at a time, so a
/// lease of this name was left by one that died, and may be taken over.
const OWNER: &str = "terminal";

/// One connection with its state.
pub struct Session {
    /// The configuration.
    pub connection: Connection,
    /// The state.
    pub store: Store,
    secrets: Secrets,
    _engine: Embedded,
}

impl Session {
    /// Reads the configuration and opens the state beside it.
    pub async fn open(place: &Place) -> Result<Self> {
        let connection = runtime::config::read(&place.config)?;
        Self::with_state(connection, &place.state_file()).await
    }

    /// Opens the state of a connection.
    pub async fn with_state(connection: Connection, state: &Path) -> Result<Self> {
        let (engine, table) = Embedded::open(state).await?;
        let store = table.connection(&connection.name);
        Ok(Self { connection, store, secrets: Secrets::default(), _engine: engine })
    }

    /// Connects to the directory.
    pub async fn directory(&self) -> Result<Directory> {
        self.connection.directory.open(&self.secrets).await.context("can't use the directory")
    }

    /// Makes a client for the target.
    pub async fn target(&self) -> Result<Target> {
        self.connection.target.open(&self.secrets).await.context("can't use the target")
    }

    /// What a scan works with.
    pub fn scan_context(&self) -> ScanContext<'_> {
        ScanContext { connection: &self.connection, store: &self.store, owner: OWNER, clock: runtime::now }
    }

    /// What provisioning works with.
    pub fn provisioner<'a>(&'a self, target: &'a Target) -> Provisioner<'a> {
        Provisioner {
            store: &self.store,
            target,
            options: &self.connection.options,
            owner: OWNER,
            clock: runtime::now,
        }
    }
}
