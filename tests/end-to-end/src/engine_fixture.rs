//! The engines in the test's process: [`scan`] and [`provision`] between a directory, an embedded store and a simulated
//! target, with a clock that the test sets.

use std::{cell::Cell, fs, time::Duration};

use anyhow::{Context as _, Result, bail};
use directory::Directory;
use explain::Explanation;
use model::UnixSeconds;
use operate::OperatorContext;
use provision::{Health, Provisioner};
use runtime::{Connection, Secrets};
use scan::{ScanContext, ScanMode, ScanSummary};
use scim::{RetryPolicy, Target, TargetCredentials, TargetOptions};
use serde_json::Value;
use simulator::Simulator;
use store::{Embedded, Store, Table};
use tempfile::TempDir;

use crate::{TestConfiguration, configuration::DIRECTORY_SECRET};

/// Long enough that only a failure reaches it, however busy the machine is.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Rounds of due users after which provisioning counts as endless.
const MAX_ROUNDS: usize = 20;

thread_local! {
    /// Current time of the test on this thread. A test with a runtime of its own thread has a clock of its own.
    static NOW: Cell<i64> = const { Cell::new(1_700_000_000) };
}

/// The test's clock, as the engines take it.
pub fn clock() -> UnixSeconds {
    UnixSeconds(NOW.get())
}

/// Moves the test's clock forward.
pub fn advance_clock(seconds: i64) {
    NOW.set(NOW.get() + seconds);
}

/// One connection with its store and target. All of it ends on drop.
pub struct EngineFixture {
    /// The parsed configuration.
    pub connection: Connection,
    /// The target's server.
    pub workplace: Simulator,
    /// The connection's state.
    pub store: Store,
    /// The target's client.
    pub target: Target,
    health: Health,
    table: Table,
    engine: Embedded,
    _dir: TempDir,
}

impl EngineFixture {
    /// Starts a target and an empty store. The target's URL in the configuration is replaced by the simulator's.
    pub async fn start(
        configuration: &TestConfiguration,
        secret: &Value,
        server: simulator::SimulatorOptions,
    ) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join(DIRECTORY_SECRET), secret.to_string())?;
        let workplace = Simulator::start(server).await?;
        let text = configuration.with_target_url(&workplace.url()).to_string();
        let connection = runtime::config::parse(&text, &dir.path().join("corp.toml"))?;
        let (engine, table) = Embedded::in_memory().await?;
        Ok(Self {
            store: connection.store(&table),
            target: target_client(&connection, &workplace, CALL_TIMEOUT)?,
            health: Health::default(),
            connection,
            workplace,
            table,
            engine,
            _dir: dir,
        })
    }

    /// URL of the state's engine, and the name of the table.
    pub fn state(&self) -> (String, &str) {
        (self.engine.endpoint(), self.table.name())
    }

    /// Replaces everything but the store and the target, as a new process would.
    pub fn restart(&mut self) -> Result<()> {
        self.set_call_timeout(CALL_TIMEOUT)?;
        self.health = Health::default();
        Ok(())
    }

    /// Gives up a call of the target after this time.
    pub fn set_call_timeout(&mut self, timeout: Duration) -> Result<()> {
        self.target = target_client(&self.connection, &self.workplace, timeout)?;
        Ok(())
    }

    /// Waits for a call of the target until only a failure takes longer.
    pub fn reset_call_timeout(&mut self) -> Result<()> {
        self.set_call_timeout(CALL_TIMEOUT)
    }

    /// Context of a scan without queue and without deadline.
    pub fn context(&self) -> ScanContext<'_> {
        ScanContext {
            policy: &self.connection.policy,
            store: &self.store,
            queue: None,
            owner: "scanner",
            stop_at: None,
            clock,
        }
    }

    /// A new connection to the directory.
    pub async fn open_directory(&self) -> Result<Directory> {
        Ok(self.connection.directory.open(&Secrets::default()).await?)
    }

    /// Runs one scan.
    pub async fn scan(&self, mode: ScanMode) -> Result<ScanSummary> {
        let mut directory = self.open_directory().await?;
        scan::scan(&self.context(), &mut directory, mode, |_| {}).await.context("the scan could not run")
    }

    /// The engine that provisions this connection's users.
    pub fn provisioner<'a>(&'a self, owner: &'a str) -> Provisioner<'a> {
        Provisioner {
            store: &self.store,
            target: &self.target,
            health: &self.health,
            options: &self.connection.policy.options,
            max_link_drops: self.connection.max_link_drops,
            max_attempts: self.connection.target.max_attempts,
            requests: None,
            owner,
            lease_seconds: 300,
            clock,
        }
    }

    /// Provisions due users until none is left, and returns how many attempts that took.
    pub async fn provision_due(&self) -> Result<usize> {
        let provisioner = self.provisioner("worker");
        let mut attempts = 0;
        for _ in 0..MAX_ROUNDS {
            let due = self.store.fetch_due(clock(), 1_000).await?;
            if due.is_empty() {
                return Ok(attempts);
            }
            for user in due {
                attempts += 1;
                provisioner.provision(user).await?;
            }
        }
        bail!("users are still due after {MAX_ROUNDS} rounds")
    }

    /// Runs a complete scan and provisions the users that are due after it.
    pub async fn sync(&self) -> Result<usize> {
        let summary = self.scan(ScanMode::Auto).await?;
        anyhow::ensure!(summary.complete, "the scan was not complete: {summary:?}");
        self.provision_due().await
    }

    /// Context of an operator's questions.
    pub fn operator(&self) -> OperatorContext<'_> {
        OperatorContext { policy: &self.connection.policy, store: &self.store, owner: "operator", clock }
    }

    /// Explains one user, as `provisioner explain` does.
    pub async fn explain(&self, user: &str) -> Result<Explanation> {
        let mut directory = self.open_directory().await?;
        Ok(operate::explain(&self.operator(), &mut directory, &self.target, user).await?)
    }
}

/// A client that retries as the real one does, without its waits.
fn target_client(connection: &Connection, workplace: &Simulator, timeout: Duration) -> Result<Target> {
    let retry = RetryPolicy {
        attempts: 2,
        initial_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(5),
    };
    let options =
        TargetOptions { url: workplace.url(), timeout, retry, max_concurrent_calls: 8, now: runtime::now };
    let credentials = TargetCredentials { access_token: workplace.token().into(), app_secret: None };
    Ok(Target::new(connection.target.dialect, options, credentials)?)
}
