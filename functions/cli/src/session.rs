//! An open connection: configuration, state, and clients for directory and target.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use directory::Directory;
use model::TargetIdentity;
use provision::{AccountContext, Health, Provisioner};
use runtime::{CallLimits, Connection, Secrets};
use scan::ScanContext;
use scim::Target;
use store::{Embedded, Store, StoreError, Table};

use crate::args::{ConnectionArgs, StateLocation};
use crate::exit::UsageError;

/// Owner of every lease that the terminal takes in a state file. Only one process can open the file, so a lease of this
/// name was left by a process that died, and may be taken over.
const OWNER: &str = "terminal";

/// Lease duration for one user.
const LEASE_SECONDS: i64 = 300;

/// Attempts to open a locked state file, and the pause between two of them: two seconds in total.
const OPEN_ATTEMPTS: usize = 40;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// Opens a state file. Another command, or a page of the console, holds it for a moment; a `sync` holds it for longer, and
/// then the error names it.
async fn open_file(file: &Path) -> Result<(Embedded, Table), StoreError> {
    for _ in 0..OPEN_ATTEMPTS {
        match Embedded::open(file).await {
            Err(StoreError::Locked { .. }) => tokio::time::sleep(OPEN_PAUSE).await,
            opened => return opened,
        }
    }
    Embedded::open(file).await
}

/// The configuration of a connection, and the secrets that open its directory and target.
pub struct Connections {
    /// The configuration.
    pub connection: Connection,
    secrets: Secrets,
}

impl Connections {
    /// Reads the configuration file.
    pub fn read(arguments: &ConnectionArgs) -> Result<Self> {
        Ok(Self::of(runtime::config::read(&arguments.config)?))
    }

    /// Uses a configuration that is read already.
    pub fn of(connection: Connection) -> Self {
        Self { connection, secrets: Secrets::default() }
    }

    /// Connects to the directory.
    pub async fn directory(&self) -> Result<Directory> {
        self.connection.directory.open(&self.secrets).await.context("can't use the directory")
    }

    /// Creates a client for the target.
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
    pub connections: Connections,
    /// The state.
    pub store: Store,
    health: Health,
    owner: String,
    /// Keeps the state file open; `None` for the deployed state.
    _engine: Option<Embedded>,
}

/// Refuses a configured target that the state does not belong to.
async fn check_target(store: &Store, configured: &TargetIdentity) -> Result<()> {
    match store.check_target(configured).await {
        Err(other @ (StoreError::OtherTarget { .. } | StoreError::TargetResetUnfinished)) => {
            Err(UsageError(other.to_string()).into())
        }
        checked => Ok(checked?),
    }
}

impl Session {
    /// Opens the state to synchronise. A missing file is created, and expired items are deleted.
    pub async fn open(connections: Connections, state: &StateLocation) -> Result<Self> {
        match state {
            StateLocation::File(file) => {
                let (engine, table) = open_file(file).await?;
                let connection = &connections.connection;
                check_target(&connection.store(&table), &connection.policy.target).await?;
                engine.delete_expired(&table, runtime::now()).await?;
                Ok(Self::with_table(connections, Some(engine), &table))
            }
            StateLocation::DynamoDb(table) => Err(UsageError(format!(
                "the state in the table {table} belongs to the deployed functions, and the terminal does not synchronise it; \
to synchronise now, invoke the scan function"
            ))
            .into()),
        }
    }

    /// Opens the state to read it. A missing file is not created.
    pub async fn open_to_read(connections: Connections, state: &StateLocation) -> Result<Self> {
        match state {
            StateLocation::File(file) if file.exists() => {
                let (engine, table) = open_file(file).await?;
                Ok(Self::with_table(connections, Some(engine), &table))
            }
            StateLocation::File(_) => {
                let (engine, table) = Embedded::in_memory().await?;
                Ok(Self::with_table(connections, Some(engine), &table))
            }
            StateLocation::DynamoDb(table) => {
                Ok(Self::with_table(connections, None, &runtime::deployed_table(table).await))
            }
        }
    }

    /// Opens the state to change it by hand: an existing file, or the deployed state. Nothing is synchronised.
    pub async fn open_to_act(connections: Connections, state: &StateLocation) -> Result<Self> {
        let session = Self::open_existing(connections, state).await?;
        session.check_target().await?;
        Ok(session)
    }

    /// Opens an existing state, whichever target it belongs to.
    pub async fn open_existing(connections: Connections, state: &StateLocation) -> Result<Self> {
        match state {
            StateLocation::File(file) if !file.exists() => {
                let text = format!("there is no state in {}; run provisioner sync first", file.display());
                Err(UsageError(text).into())
            }
            state => Self::open_to_read(connections, state).await,
        }
    }

    fn with_table(connections: Connections, engine: Option<Embedded>, table: &Table) -> Self {
        let store = connections.connection.store(table);
        // In a shared table every process needs its own name, because an owner may take over its own lease.
        let owner = match engine {
            Some(_) => OWNER.to_owned(),
            None => format!("{OWNER} {} at {}", std::process::id(), runtime::now().0),
        };
        Self { connections, store, health: Health::default(), owner, _engine: engine }
    }

    /// Refuses a configured target that the state does not belong to.
    pub async fn check_target(&self) -> Result<()> {
        check_target(&self.store, &self.connection().policy.target).await
    }

    /// Owner of the leases that this terminal takes.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The configuration.
    pub fn connection(&self) -> &Connection {
        &self.connections.connection
    }

    /// Creates a client for the target that keeps to the configured call budget.
    pub async fn target(&self) -> Result<Target> {
        self.connections.target().await
    }

    /// Context of a scan.
    pub fn scan_context(&self) -> ScanContext<'_> {
        ScanContext {
            policy: &self.connection().policy,
            store: &self.store,
            queue: None,
            owner: &self.owner,
            stop_at: None,
            clock: runtime::now,
        }
    }

    /// Context of provisioning.
    pub fn provisioner<'a>(&'a self, target: &'a Target) -> Provisioner<'a> {
        Provisioner {
            store: &self.store,
            target,
            health: &self.health,
            options: &self.connection().policy.options,
            max_attempts: self.connection().target.max_attempts,
            requests: None,
            owner: &self.owner,
            lease_seconds: LEASE_SECONDS,
            clock: runtime::now,
        }
    }

    /// Context of an explanation.
    pub fn account_context<'a>(&'a self, target: &'a Target) -> AccountContext<'a> {
        AccountContext { policy: &self.connection().policy, store: &self.store, target, clock: runtime::now }
    }
}
