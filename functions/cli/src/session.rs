//! An open connection: configuration, state, and clients for directory and target.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use directory::Directory;
use explain::Explanation;
use model::ScanVersion;
use operate::OperatorContext;
use provision::{Health, Provisioner};
use runtime::{CallLimits, Connection, SecretRef, Secrets};
use scan::ScanContext;
use scim::Target;
use store::{Embedded, Store, StoreError, Table};

use crate::args::{ConnectionArgs, StateLocation};
use crate::exit::UsageError;
use crate::next::{next_command, with_command};
use crate::progress::Progress;

/// Owner of every lease that the terminal takes in a state file. Only one process can open the file to write, so a lease
/// of this name was left by a process that died, and may be taken over.
const OWNER: &str = "terminal";

/// Lease duration for one user.
const LEASE_SECONDS: i64 = 300;

/// Attempts to open a locked state file, and the pause between two of them: two seconds in total.
const OPEN_ATTEMPTS: usize = 40;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// Opens a state file to write. Most commands hold it briefly; a `sync` holds it longer, and then opening fails.
async fn open_to_write(file: &Path) -> Result<(Embedded, Table), StoreError> {
    for _ in 0..OPEN_ATTEMPTS {
        match Embedded::open(file).await {
            Err(StoreError::Locked { .. }) => tokio::time::sleep(OPEN_PAUSE).await,
            opened => return opened,
        }
    }
    Embedded::open(file).await
}

/// The configuration of a connection, and the secrets of its directory and target.
pub struct Connections {
    /// The configuration.
    pub connection: Connection,
    /// Fetches the secrets.
    pub secrets: Secrets,
    arguments: ConnectionArgs,
    has_warned: AtomicBool,
}

impl Connections {
    /// Reads the configuration file.
    pub fn read(arguments: &ConnectionArgs) -> Result<Self> {
        if let Some(missing) = arguments.missing_config() {
            return Err(UsageError(missing).into());
        }
        Ok(Self::of(runtime::config::read(&arguments.config)?, arguments.clone()))
    }

    /// Takes a configuration, which these arguments name.
    pub fn of(connection: Connection, arguments: ConnectionArgs) -> Self {
        Self { connection, secrets: Secrets::default(), arguments, has_warned: AtomicBool::new(false) }
    }

    /// A warning for each secret file that other users of this machine can read; none if it was taken before.
    pub fn take_exposed_secrets(&self) -> Vec<String> {
        if self.has_warned.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        let secrets = self.connection.directory.secret().into_iter().chain([self.connection.target.secret()]);
        let warning = |file: &Path| {
            let file = file.display();
            format!("{file} can be read by other users of this machine; restrict it: chmod 600 {file}")
        };
        secrets.filter_map(SecretRef::exposed_file).map(warning).collect()
    }

    fn warn_about_secrets(&self) {
        self.take_exposed_secrets().iter().for_each(|warning| tracing::warn!("{warning}"));
    }

    /// Connects to the directory.
    pub async fn directory(&self) -> Result<Directory> {
        self.warn_about_secrets();
        self.connection.directory.open(&self.secrets).await.context("can't use the directory")
    }

    /// Creates a client for the target that keeps to the configured call budget.
    pub async fn target(&self) -> Result<Target> {
        self.warn_about_secrets();
        let target = self.connection.target.open(&self.secrets, CallLimits::default()).await;
        target.context("can't use the target")
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
    engine: Option<Embedded>,
    /// The named state file, where there is none.
    missing_state: Option<PathBuf>,
}

impl Session {
    /// Opens the state to synchronise. A missing file is created, and expired items are deleted.
    pub async fn open(connections: Connections, state: &StateLocation) -> Result<Self> {
        match state {
            StateLocation::File(file) => {
                let (engine, table) = open_to_write(file).await?;
                let session = Self::with_table(connections, Some(engine), &table);
                session.check_target().await?;
                if let Some(engine) = &session.engine {
                    engine.delete_expired(&table, runtime::now()).await?;
                }
                session.warn_about_name(file).await?;
                Ok(session)
            }
            StateLocation::DynamoDb(table) => Err(UsageError(format!(
                "the state in the table {table} belongs to the deployed functions, and the terminal does not synchronise it; \
to synchronise now, invoke the scan function"
            ))
            .into()),
        }
    }

    /// Opens the state to read it, also while a `sync` writes it. A missing file is not created.
    pub async fn open_to_read(arguments: &ConnectionArgs) -> Result<Self> {
        let connections = Connections::read(arguments)?;
        match arguments.state_location() {
            StateLocation::File(file) if file.exists() => {
                let (engine, table) = Embedded::open_to_read(&file).await?;
                let session = Self::with_table(connections, Some(engine), &table);
                session.warn_about_name(&file).await?;
                Ok(session)
            }
            StateLocation::File(file) => {
                let (engine, table) = Embedded::in_memory().await?;
                let session = Self::with_table(connections, Some(engine), &table);
                Ok(Self { missing_state: Some(file), ..session })
            }
            StateLocation::DynamoDb(table) => {
                Ok(Self::with_table(connections, None, &runtime::deployed_table(&table).await))
            }
        }
    }

    /// Warns if a state file has other connections with the configured target and not this one: the name may have been
    /// changed, and under a new name no account is linked.
    async fn warn_about_name(&self, file: &Path) -> Result<()> {
        let (store, policy) = (&self.store, &self.connection().policy);
        if store.fetch_connection().await?.version != ScanVersion::default() {
            return Ok(());
        }
        let others = store.fetch_others_with(&policy.target).await?;
        if !others.is_empty() {
            let (file, name, others) = (file.display(), &policy.name, others.join("\", \""));
            tracing::warn!(
                "{file} has no connection \"{name}\", but \"{others}\" with the same target; if the key name of the \
                 configuration was changed, change it back, because under a new name no account is linked"
            );
        }
        Ok(())
    }

    /// Opens an existing state, to which the target may not belong, to change it by hand.
    pub async fn open_existing(arguments: &ConnectionArgs) -> Result<Self> {
        match arguments.state_location() {
            StateLocation::File(file) if file.exists() => {
                let (engine, table) = open_to_write(&file).await?;
                Ok(Self::with_table(Connections::read(arguments)?, Some(engine), &table))
            }
            StateLocation::File(file) => {
                let sync = next_command(arguments, &["sync"]);
                Err(UsageError(format!("there is no state in {}; run {sync} first", file.display())).into())
            }
            StateLocation::DynamoDb(_) => Self::open_to_read(arguments).await,
        }
    }

    /// Opens an existing state to change it by hand. Nothing is synchronised.
    pub async fn open_to_act(arguments: &ConnectionArgs) -> Result<Self> {
        let session = Self::open_existing(arguments).await?;
        session.check_target().await?;
        Ok(session)
    }

    fn with_table(connections: Connections, engine: Option<Embedded>, table: &Table) -> Self {
        let store = connections.connection.store(table);
        // In a shared table every process needs its own name, because an owner may take over its own lease.
        let owner = match engine {
            Some(_) => OWNER.to_owned(),
            None => format!("{OWNER} {} at {}", std::process::id(), runtime::now().0),
        };
        Self { connections, store, health: Health::default(), owner, engine, missing_state: None }
    }

    /// Refuses a configured target that the state does not belong to.
    pub async fn check_target(&self) -> Result<()> {
        match self.store.check_target(&self.connection().policy.target).await {
            Err(other @ (StoreError::OtherTarget { .. } | StoreError::TargetResetUnfinished)) => {
                Err(UsageError(with_command(&other.to_string(), |words| self.next(words))).into())
            }
            checked => Ok(checked?),
        }
    }

    /// Says that the state has never been used, if there is none.
    pub fn unused_state(&self) -> Option<String> {
        let file = self.missing_state.as_ref()?;
        Some(format!(
            "there is no state in {}: it has never been used, or --state names another file",
            file.display()
        ))
    }

    /// Owner of the leases that this terminal takes.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// A command of this program on this connection, to copy.
    pub fn next(&self, words: &[&str]) -> String {
        next_command(&self.connections.arguments, words)
    }

    /// Whether summaries and errors alone are shown.
    pub fn is_quiet(&self) -> bool {
        self.connections.arguments.quiet
    }

    /// Shows the progress of a long step, unless summaries and errors alone are shown.
    pub fn progress(&self, step: &'static str, expected: Option<u64>) -> Progress {
        Progress::start(step, expected, !self.is_quiet())
    }

    /// Whether the deployed functions provision the users of this state.
    pub fn is_deployed(&self) -> bool {
        self.engine.is_none()
    }

    /// The configuration.
    pub fn connection(&self) -> &Connection {
        &self.connections.connection
    }

    /// Context of an operator's question.
    pub fn operator(&self) -> OperatorContext<'_> {
        OperatorContext {
            policy: &self.connection().policy,
            store: &self.store,
            owner: &self.owner,
            clock: runtime::now,
        }
    }

    /// Context of a scan.
    pub fn scan_context(&self) -> ScanContext<'_> {
        self.operator().scan()
    }

    /// Context of provisioning.
    pub fn provisioner<'a>(&'a self, target: &'a Target) -> Provisioner<'a> {
        Provisioner {
            store: &self.store,
            target,
            health: &self.health,
            options: &self.connection().policy.options,
            max_link_drops: self.connection().max_link_drops,
            max_attempts: self.connection().target.max_attempts,
            requests: None,
            owner: &self.owner,
            lease_seconds: LEASE_SECONDS,
            clock: runtime::now,
        }
    }

    /// Explains one user from directory, state and target.
    pub async fn explain(&self, user: &str) -> Result<Explanation> {
        let target = self.connections.target().await?;
        let mut directory = self.connections.directory().await?;
        Ok(operate::explain(&self.operator(), &mut directory, &target, user).await?)
    }
}
