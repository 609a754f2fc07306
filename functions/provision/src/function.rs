//! The function and its open connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use provision::{Health, Provisioner, RequestQueue};
use queue::Queue;
use runtime::{CallLimits, Connection, Deployment, FunctionError, Invocation, environment, now};
use scim::{RetryPolicy, Target};
use store::{Store, StoreError};
use tokio::sync::Mutex;

/// Retries of a request within an invocation. Longer outages are left to the queue, because a waiting function costs as
/// much as a working one.
const RETRY: RetryPolicy =
    RetryPolicy { attempts: 2, initial_delay: Duration::from_millis(300), max_delay: Duration::from_secs(3) };

/// Request timeouts that fit into one invocation: a lookup with one retry, a write, and a reserve.
const TIMEOUTS_PER_INVOCATION: u64 = 4;

/// Minimum number of workers that SQS runs for an event source, whatever `concurrency` says.
const MIN_WORKERS: usize = 2;

/// Time that a lease lasts beyond the invocation.
const LEASE_RESERVE_SECONDS: i64 = 5;

/// The function. Opened targets are kept between invocations.
pub struct ProvisionFunction {
    pub(crate) deployed: Deployment,
    pub(crate) dead_letter_arn_prefix: String,
    targets: Mutex<HashMap<String, Arc<TargetHandle>>>,
}

/// The open target of a connection.
pub(crate) struct TargetHandle {
    pub(crate) target: Target,
    health: Health,
    /// Throttled responses that are counted already.
    pub(crate) throttled: AtomicU64,
}

/// One connection in one invocation.
pub(crate) struct OpenConnection<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) store: Store,
    pub(crate) target: Arc<TargetHandle>,
    queue: Queue,
    invocation: &'a Invocation,
}

impl ProvisionFunction {
    /// Reads the environment and the configuration.
    pub async fn start() -> Result<Self, FunctionError> {
        let dead_letter_arn_prefix = environment::required(
            environment::DEAD_LETTER_ARN_PREFIX,
            "the ARN of the connections' dead-letter queues up to the name of the connection",
        )?;
        let deployed = Deployment::open().await?;
        Ok(Self { deployed, dead_letter_arn_prefix, targets: Mutex::default() })
    }

    /// Opens the connection of this name. A configured target that the state does not belong to is refused.
    pub(crate) async fn open<'a>(
        &'a self,
        name: Option<&str>,
        invocation: &'a Invocation,
    ) -> Result<OpenConnection<'a>, FunctionError> {
        let connection = self.deployed.connection(name)?;
        let store = connection.store(&self.deployed.table);
        let checked = store.check_target(&connection.identity).await;
        checked.map_err(|error| FunctionError::new(target_problem(&error), &error))?;
        let target = self.target(connection, invocation).await?;
        Ok(OpenConnection { connection, store, target, queue: self.deployed.queue(connection), invocation })
    }

    async fn target(
        &self,
        connection: &Connection,
        invocation: &Invocation,
    ) -> Result<Arc<TargetHandle>, FunctionError> {
        let mut targets = self.targets.lock().await;
        if let Some(target) = targets.get(&connection.name) {
            return Ok(Arc::clone(target));
        }
        // Every invocation has the same duration, so the first one's applies to all.
        let time = u64::try_from(invocation.deadline.0.saturating_sub(now().0)).unwrap_or_default();
        let max_timeout = Duration::from_secs(time.div_ceil(TIMEOUTS_PER_INVOCATION));
        let workers = connection.target.concurrency.max(MIN_WORKERS);
        let limits = CallLimits { retry: RETRY, max_timeout, workers };
        let target = connection
            .target
            .open(&self.deployed.secrets, limits)
            .await
            .map_err(|error| FunctionError::new("TargetUnavailable", &error))?;
        let handle =
            Arc::new(TargetHandle { target, health: Health::default(), throttled: AtomicU64::new(0) });
        targets.insert(connection.name.clone(), Arc::clone(&handle));
        Ok(handle)
    }
}

/// Error kind of a table that can't be read.
pub(crate) const STATE_UNAVAILABLE: &str = "StateUnavailable";

/// Error kind of a target that could not be checked, or that the state does not belong to.
fn target_problem(error: &StoreError) -> &'static str {
    match error {
        StoreError::OtherTarget { .. } | StoreError::TargetResetUnfinished => "OtherTarget",
        _ => STATE_UNAVAILABLE,
    }
}

impl OpenConnection<'_> {
    /// The connection's name.
    pub(crate) fn name(&self) -> &str {
        &self.connection.name
    }

    /// Context of provisioning.
    pub(crate) fn provisioner(&self) -> Provisioner<'_> {
        let left = self.invocation.deadline.0.saturating_sub(now().0).max(1);
        Provisioner {
            store: &self.store,
            target: &self.target.target,
            health: &self.target.health,
            options: &self.connection.options,
            max_link_drops: self.connection.max_link_drops,
            max_attempts: self.connection.target.max_attempts,
            requests: Some(RequestQueue { queue: &self.queue, connection: self.name() }),
            owner: &self.invocation.request_id,
            lease_seconds: left + LEASE_RESERVE_SECONDS,
            clock: now,
        }
    }
}
