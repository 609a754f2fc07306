//! Everything that a command works with, opened.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use directory::Directory;
use operate::Explaining;
use provision::{Health, Provisioner};
use runtime::{CallLimits, Connection, Secrets};
use scan::ScanContext;
use scim::Target;
use store::{Embedded, Store, StoreError, Table};

use crate::args::{Place, StatePlace};
use crate::exit::Usage;

/// The owner of every lease that the terminal takes in a state file. The file's lock lets one terminal in at a time, so a
/// lease of this name was left by one that died, and may be taken over.
const OWNER: &str = "terminal";

/// How long one user may be worked on before another run may try.
const LEASE_SECONDS: i64 = 300;

/// How often a state file is asked for that another process has, and how long is waited in between: two seconds in all.
const ASKED: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens a state file. Another command, or the console for a page, may have it for a moment; a sync has it for longer, and
/// then the error names it.
async fn open_file(file: &Path) -> Result<(Embedded, Table), StoreError> {
    for _ in 0..ASKED {
        match Embedded::open(file).await {
            Err(StoreError::Locked { .. }) => tokio::time::sleep(PAUSE).await,
            opened => return opened,
        }
    }
    Embedded::open(file).await
}

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
        self.connection
            .target
            .open(&self.secrets, CallLimits::default())
            .await
            .context("can't use the target")
    }
}

/// A connection with its state.
pub struct Session {
    /// Directory and target.
    pub ends: Ends,
    /// The state.
    pub store: Store,
    health: Health,
    owner: String,
    /// What keeps a state file open; the deployed state needs nothing of that kind.
    _engine: Option<Embedded>,
}

impl Session {
    /// Opens the state to work with it, and makes a new file where there is none. What has expired is forgotten by this.
    pub async fn open(ends: Ends, state: &StatePlace) -> Result<Self> {
        match state {
            StatePlace::File(file) => {
                let (engine, table) = open_file(file).await?;
                engine.delete_expired(&table, runtime::now()).await?;
                Ok(Self::with_table(ends, Some(engine), &table))
            }
            StatePlace::DynamoDb(table) => Err(Usage(format!(
                "the state in the table {table} belongs to the deployed functions, and the terminal does not synchronise it; \
to synchronise now, invoke the scan function"
            ))
            .into()),
        }
    }

    /// Opens the state to look at it. Where there is none, nothing is made.
    pub async fn open_to_read(ends: Ends, state: &StatePlace) -> Result<Self> {
        match state {
            StatePlace::File(file) if file.exists() => {
                let (engine, table) = open_file(file).await?;
                Ok(Self::with_table(ends, Some(engine), &table))
            }
            StatePlace::File(_) => {
                let (engine, table) = Embedded::in_memory().await?;
                Ok(Self::with_table(ends, Some(engine), &table))
            }
            StatePlace::DynamoDb(table) => {
                Ok(Self::with_table(ends, None, &runtime::deployed_table(table).await))
            }
        }
    }

    /// Opens the state to change something in it by hand: a file that is there, or the deployed state. Nothing is
    /// synchronised by that.
    pub async fn open_to_act(ends: Ends, state: &StatePlace) -> Result<Self> {
        match state {
            StatePlace::File(file) if !file.exists() => {
                let text = format!("there is no state in {}; run sync first", file.display());
                Err(Usage(text).into())
            }
            state => Self::open_to_read(ends, state).await,
        }
    }

    fn with_table(ends: Ends, engine: Option<Embedded>, table: &Table) -> Self {
        let store = ends.connection.store(table);
        let owner = match engine {
            Some(_) => OWNER.to_owned(),
            None => format!("{OWNER} {} at {}", std::process::id(), runtime::now().0),
        };
        Self { ends, store, health: Health::default(), owner, _engine: engine }
    }

    /// The configuration.
    pub fn connection(&self) -> &Connection {
        &self.ends.connection
    }

    /// Makes a client for the target that keeps to the budget of calls.
    pub async fn target(&self) -> Result<Target> {
        self.ends.target().await
    }

    /// The name under which this terminal holds leases. In a table that others write too, no two are alike: a lease of
    /// one's own may be taken over.
    fn owner(&self) -> &str {
        &self.owner
    }

    /// What a scan works with.
    pub fn scan_context(&self) -> ScanContext<'_> {
        ScanContext {
            policy: &self.connection().policy,
            store: &self.store,
            queue: None,
            owner: self.owner(),
            stop_at: None,
            clock: runtime::now,
        }
    }

    /// What provisioning works with.
    pub fn provisioner<'a>(&'a self, target: &'a Target) -> Provisioner<'a> {
        Provisioner {
            store: &self.store,
            target,
            health: &self.health,
            options: &self.connection().policy.options,
            max_attempts: self.connection().target.max_attempts,
            requests: None,
            owner: self.owner(),
            lease_seconds: LEASE_SECONDS,
            clock: runtime::now,
        }
    }

    /// What explanations are made from.
    pub fn explaining<'a>(&'a self, target: &'a Target) -> Explaining<'a> {
        Explaining { policy: &self.connection().policy, store: &self.store, target, clock: runtime::now }
    }
}
