//! The scan as a Lambda function, for one connection: it parses the event, opens the connection, calls the engine and answers.

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use model::UnixSeconds;
use runtime::function::parse_event;
use runtime::metrics::{Counter, Gauge, count, sample};
use runtime::{Connection, Deployment, FunctionError, Invocation, now};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::Instrument;

use crate::user::{ProvisionClient, UserAnswer, UserFailure, scan_and_provision};
use scan::{Approval, ScanContext, ScanError, ScanMode, ScanSummary, approve, dry_run, scan};

/// Shape of the event, for error messages.
const SHAPE: &str = r#"{"connection": "corp", "mode": "auto|full|incremental", "dry_run": false, "user": null, "approve": null}"#;

/// Invocations of one scan; more would take half a day, and something is wrong.
const MOST_CONTINUATIONS: u32 = 50;

/// Time reserved for saving: this part of the invocation's time, and at most these seconds.
const RESERVE_PART: i64 = 5;
const RESERVE_SECONDS: i64 = 60;

/// The event. Unknown keys are refused, so that a misspelt `dry_run` is not a scan that writes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanEvent {
    /// Name of the connection; optional if there is only one.
    connection: Option<String>,
    #[serde(default)]
    mode: ScanMode,
    #[serde(default)]
    dry_run: bool,
    /// Only this user.
    user: Option<String>,
    /// Hash of held removals or of a held change, which is approved before the scan.
    approve: Option<String>,
    /// Invocations of this scan that ran out of time.
    #[serde(default)]
    continuation: u32,
}

/// The answer: the summary in numbers.
#[derive(Debug, Serialize)]
pub struct ScanAnswer {
    connection: String,
    dry_run: bool,
    #[serde(flatten)]
    summary: ScanSummary,
    duration_ms: u64,
    /// Note beside the numbers, such as that another scan is running or that this one continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Answer of the function.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ScanFunctionAnswer {
    /// A scan, in numbers.
    Scan(Box<ScanAnswer>),
    /// One user.
    User(Box<UserAnswer>),
}

/// The function with its clients.
pub struct ScanFunction {
    deployed: Deployment,
    lambda: aws_sdk_lambda::Client,
    provision: ProvisionClient,
}

impl ScanFunction {
    /// Reads the environment and the configuration.
    pub async fn start() -> Result<Self, FunctionError> {
        let deployed = Deployment::open().await?;
        let lambda = aws_sdk_lambda::Client::new(&deployed.sdk);
        let provision = ProvisionClient::from_environment(&lambda)?;
        Ok(Self { deployed, lambda, provision })
    }

    /// Answers one event.
    pub async fn handle(
        self: Arc<Self>,
        event: Value,
        invocation: Invocation,
    ) -> Result<ScanFunctionAnswer, FunctionError> {
        let event: ScanEvent = parse_event(event, SHAPE)?;
        let connection = self.deployed.connection(event.connection.as_deref())?;
        let span = tracing::info_span!(
            "scan",
            connection = %connection.policy.name,
            request.id = %invocation.request_id,
            xray.trace = invocation.trace.as_deref(),
        );
        async {
            match &event.user {
                Some(user) => {
                    let answer = Box::pin(self.user(connection, &event, user, &invocation)).await;
                    answer.map(|answer| ScanFunctionAnswer::User(Box::new(answer)))
                }
                None => {
                    let answer = self.answer(connection, &event, &invocation).await;
                    answer.map(|answer| ScanFunctionAnswer::Scan(Box::new(answer)))
                }
            }
        }
        .instrument(span)
        .await
    }

    /// Scans and provisions one user, and explains both sides.
    async fn user(
        &self,
        connection: &Connection,
        event: &ScanEvent,
        user: &str,
        invocation: &Invocation,
    ) -> Result<UserAnswer, FunctionError> {
        if event.approve.is_some() {
            return Err(ScanFailure::NotApproved("an approval needs a scan of all users").into());
        }
        let store = connection.store(&self.deployed.table);
        let context = ScanContext {
            policy: &connection.policy,
            store: &store,
            // The provision function is invoked instead.
            queue: None,
            owner: &invocation.request_id,
            stop_at: None,
            clock: now,
        };
        let answer = scan_and_provision(
            &self.deployed,
            &self.provision,
            (connection, &context),
            (user, event.dry_run),
        );
        Ok(answer.await.map_err(ScanFailure::from)?)
    }

    async fn answer(
        &self,
        connection: &Connection,
        event: &ScanEvent,
        invocation: &Invocation,
    ) -> Result<ScanAnswer, FunctionError> {
        let started = Instant::now();
        let outcome = self.work(connection, event, invocation).await;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (summary, note) = match outcome {
            Ok((summary, note)) => (summary, note),
            // Another scan is running, which is not a failure.
            Err(ScanFailure::Scan(busy @ ScanError::Busy { .. })) => {
                tracing::info!("{busy}");
                (ScanSummary::default(), Some(busy.to_string()))
            }
            Err(failure) => {
                if !matches!(failure, ScanFailure::NotApproved(_)) {
                    sample(&connection.policy.name, Gauge::IncompleteReads, 1);
                }
                return Err(failure.into());
            }
        };
        if !event.dry_run && summary != ScanSummary::default() {
            self.measure(connection, &summary, duration_ms).await;
        }
        Ok(ScanAnswer {
            connection: connection.policy.name.clone(),
            dry_run: event.dry_run,
            summary,
            duration_ms,
            note,
        })
    }

    async fn work(
        &self,
        connection: &Connection,
        event: &ScanEvent,
        invocation: &Invocation,
    ) -> Result<(ScanSummary, Option<String>), ScanFailure> {
        let store = connection.store(&self.deployed.table);
        let queue = self.deployed.queue(connection);
        let context = ScanContext {
            policy: &connection.policy,
            store: &store,
            queue: Some(&queue),
            owner: &invocation.request_id,
            stop_at: Some(stop_at(invocation.deadline)),
            clock: now,
        };
        let approved = match event.approve.as_deref().map(|hash| (hash, event.dry_run)) {
            None => None,
            Some((_, true)) => {
                return Err(ScanFailure::NotApproved("an approval needs a scan that writes, not a dry run"));
            }
            Some((hash, false)) => match approve(&context, hash).await? {
                Approval::Nothing { .. } => {
                    return Err(ScanFailure::NotApproved("nothing with this hash is held (any more)"));
                }
                Approval::Removals(approval) => {
                    Some(format!("{} removals were approved", approval.set.count))
                }
                Approval::Change(_) => Some("the changed configuration was approved".to_owned()),
            },
        };
        let mut directory = connection.directory.open(&self.deployed.secrets).await?;
        if event.dry_run {
            return Ok((dry_run(&context, &mut directory, event.mode).await?, None));
        }
        let summary = scan(&context, &mut directory, event.mode, |_| ()).await?;
        if !summary.out_of_time {
            return Ok((summary, approved));
        }
        self.continue_scan(connection, event, invocation, &summary).await?;
        Ok((summary, Some("the scan continues in another invocation".to_owned())))
    }

    /// Continues the scan in a new invocation of this function.
    async fn continue_scan(
        &self,
        connection: &Connection,
        event: &ScanEvent,
        invocation: &Invocation,
        summary: &ScanSummary,
    ) -> Result<(), ScanFailure> {
        let is_stuck = summary.changed == 0 && summary.written == 0;
        if is_stuck || event.continuation >= MOST_CONTINUATIONS {
            return Err(ScanFailure::TooSlow { read: summary.read });
        }
        let event = json!({
            "connection": connection.policy.name,
            "mode": event.mode,
            "continuation": event.continuation + 1,
        });
        let invoke = self.lambda.invoke().function_name(&invocation.function);
        let invoke = invoke.invocation_type(InvocationType::Event).payload(Blob::new(event.to_string()));
        match invoke.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(ScanFailure::NotContinued {
                function: invocation.function.clone(),
                code: error.code().unwrap_or("no answer").to_owned(),
            }),
        }
    }

    async fn measure(&self, connection: &Connection, summary: &ScanSummary, duration_ms: u64) {
        let ScanSummary { read, changed, held, held_changes, skipped, conflicts, failed, complete, .. } =
            summary;
        let name = &connection.policy.name;
        count(name, Counter::Scanned, *read);
        count(name, Counter::Changed, *changed);
        sample(name, Gauge::ScanDuration, duration_ms);
        if !summary.out_of_time {
            sample(name, Gauge::IncompleteReads, u64::from(!complete));
            sample(name, Gauge::Held, held.saturating_add(*held_changes));
            sample(name, Gauge::Skipped, *skipped);
            sample(name, Gauge::Conflicts, *conflicts);
            sample(name, Gauge::UsersFailed, *failed);
        }
        let breaker = connection.store(&self.deployed.table).fetch_breaker().await;
        if let Ok(breaker) = breaker {
            sample(name, Gauge::BreakerOpen, u64::from(breaker.is_some()));
        }
        tracing::info!(
            version = summary.version,
            mode = ?summary.mode,
            full_reason = summary.full_reason,
            read,
            changed,
            created = summary.created,
            updated = summary.updated,
            deprovisioned = summary.deprovisioned,
            held,
            complete,
            duration_ms,
            "scan completed"
        );
    }
}

/// When the scan has to save and stop.
fn stop_at(deadline: UnixSeconds) -> UnixSeconds {
    let reserve = ((deadline.0 - now().0) / RESERVE_PART).clamp(1, RESERVE_SECONDS);
    deadline.plus(-reserve)
}

/// Why an invocation failed.
#[derive(Debug, thiserror::Error)]
enum ScanFailure {
    #[error("nothing was approved and no scan was run: {0}")]
    NotApproved(&'static str),
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    User(UserFailure),
    #[error("can't use the directory: {0}")]
    Open(#[from] runtime::OpenError),
    #[error(
        "the scan ran out of time after {read} entries without writing anything, so another invocation would get no further; \
give the function more time or memory, or split the connection"
    )]
    TooSlow { read: u64 },
    #[error(
        "the scan ran out of time and could not continue in another invocation ({code}): the function needs lambda:InvokeFunction on {function}; \
the next scan continues"
    )]
    NotContinued { function: String, code: String },
}

impl From<UserFailure> for ScanFailure {
    fn from(failure: UserFailure) -> Self {
        match failure {
            UserFailure::Open(error) => Self::Open(error),
            UserFailure::Scan(error) => Self::Scan(error),
            UserFailure::NotProvisioned { .. } => Self::User(failure),
        }
    }
}

impl From<ScanFailure> for FunctionError {
    fn from(failure: ScanFailure) -> Self {
        let kind = match &failure {
            ScanFailure::Open(_) | ScanFailure::Scan(ScanError::Directory(_)) => "DirectoryUnavailable",
            ScanFailure::Scan(ScanError::Store(_)) => "StateUnavailable",
            ScanFailure::Scan(ScanError::Queue(_)) => "QueueUnavailable",
            ScanFailure::Scan(ScanError::Busy { .. } | ScanError::LeaseLost) => "Overtaken",
            ScanFailure::User(_) => "ProvisionUnavailable",
            ScanFailure::NotApproved(_) => "NotApproved",
            ScanFailure::TooSlow { .. } | ScanFailure::NotContinued { .. } => "OutOfTime",
        };
        Self::new(kind, &failure)
    }
}
