//! Provisioning as a Lambda function: batches of wake-ups from the queue, dead letters, and one user because somebody
//! asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use directory::Directory;
use model::{AnchorHash, UnixSeconds};
use queue::{ProvisionRequest, Queue, QueueError};
use runtime::function::parse_event;
use runtime::metrics::{Counter, Gauge, count, durations, sample};
use runtime::{CallLimits, Connection, Deployment, FunctionError, Invocation, environment, now};
use scan::{Found, ScanContext, ScanError, scan_user};
use scim::{RetryPolicy, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Store, StoreError};
use tokio::sync::Mutex;
use tracing::Instrument;

use operate::{ExplainError, Explaining, Explanation, explain};
use provision::{
    Health, MessageDisposition, Outcome, Provisioned, Provisioner, RequestQueue, Step, describe,
    handle_dead_letter, switches_off, work,
};

/// What a direct event looks like.
const SHAPE: &str = r#"{"connection": "corp", "user": "jsmith"}, or be a batch of SQS messages"#;

/// How often a call is tried within an invocation. Whatever takes longer is the queue's to repeat: a function that waits
/// costs as much as one that works.
const RETRY: RetryPolicy =
    RetryPolicy { attempts: 2, initial_delay: Duration::from_millis(300), max_delay: Duration::from_secs(3) };

/// So many answers that are waited for in vain fit into one invocation: a look-up, tried twice, a write, and a reserve.
const ANSWERS_IN_TIME: u64 = 4;

/// Workers that SQS runs for an event source at least, whatever `concurrency` says.
const MIN_WORKERS: usize = 2;

/// A lease outlives its holder by this at most.
const LEASE_RESERVE_SECONDS: i64 = 5;

/// When a message comes again that can't be worked on at all.
const UNUSABLE_SECONDS: i64 = 300;

/// One user, because somebody asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectEvent {
    /// Which connection; it may be left out where there is only one.
    connection: Option<String>,
    /// The user's anchor, DN, user name or e-mail address.
    user: String,
    /// Only explain, and do nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What was done for one user.
#[derive(Debug, Serialize)]
pub struct DirectAnswer {
    connection: String,
    /// What was done, in words.
    done: String,
    explanation: Explanation,
}

/// An answer: to a batch, or to a person.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The messages that come again.
    Batch(SqsBatchResponse),
    /// One user.
    Direct(Box<DirectAnswer>),
}

/// The function. What it opened is kept from one invocation to the next.
pub struct ProvisionFunction {
    deployed: Deployment,
    dead_letter_arn_prefix: String,
    ends: Mutex<HashMap<String, Arc<End>>>,
}

/// A connection's target, as it was opened.
struct End {
    target: Target,
    health: Health,
    /// How many throttled answers are counted already.
    throttled: AtomicU64,
}

impl ProvisionFunction {
    /// Reads the environment and the configuration.
    pub async fn start() -> Result<Self, FunctionError> {
        let dead_letter_arn_prefix = environment::required(
            environment::DEAD_LETTER_ARN_PREFIX,
            "the ARN of the connections' dead-letter queues up to the name of the connection",
        )?;
        let deployed = Deployment::open().await?;
        Ok(Self { deployed, dead_letter_arn_prefix, ends: Mutex::default() })
    }

    /// Answers one event.
    pub async fn handle(
        self: Arc<Self>,
        event: Value,
        invocation: Invocation,
    ) -> Result<Answer, FunctionError> {
        let span = tracing::info_span!(
            "provision",
            request.id = %invocation.request_id,
            xray.trace = invocation.trace.as_deref(),
        );
        async {
            if event.get("Records").is_some() {
                let event: SqsEvent = parse_event(event, SHAPE)?;
                return Ok(Answer::Batch(self.batch(&event.records, &invocation).await));
            }
            let event: DirectEvent = parse_event(event, SHAPE)?;
            self.direct(&event, &invocation).await.map(|answer| Answer::Direct(Box::new(answer)))
        }
        .instrument(span)
        .await
    }

    /// Handles a batch of messages and answers with the ids of those that SQS delivers again.
    async fn batch(&self, messages: &[SqsMessage], invocation: &Invocation) -> SqsBatchResponse {
        let mut by_connection: BTreeMap<String, Vec<(&SqsMessage, ProvisionRequest)>> = BTreeMap::new();
        let mut retried: Vec<&SqsMessage> = Vec::new();
        for message in messages {
            match ProvisionRequest::parse(message.body.as_deref().unwrap_or_default()) {
                Ok(request) => {
                    by_connection.entry(request.connection.clone()).or_default().push((message, request));
                }
                Err(malformed) => {
                    let id = message.message_id.as_deref().unwrap_or("?");
                    tracing::error!(message.id = id, "{malformed}");
                    // The alarm on dead letters has reported it; a repeat of a malformed dead letter changes nothing.
                    if !self.is_dead(message) {
                        retried.push(message);
                    }
                }
            }
        }
        for (name, of_connection) in by_connection {
            let span = tracing::info_span!("connection", connection = %name);
            let (dead, alive): (Vec<_>, Vec<_>) =
                of_connection.into_iter().partition(|(message, _)| self.is_dead(message));
            let dispositions = self.connection_batch(&name, alive, dead, invocation).instrument(span).await;
            for (message, disposition) in dispositions {
                if let MessageDisposition::Retry(at) = disposition {
                    self.delay(&name, message, at).await;
                    retried.push(message);
                }
            }
        }
        let mut response = SqsBatchResponse::default();
        for message in retried {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.clone().unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
        response
    }

    fn is_dead(&self, message: &SqsMessage) -> bool {
        message.event_source_arn.as_deref().is_some_and(|arn| arn.starts_with(&self.dead_letter_arn_prefix))
    }

    async fn connection_batch<'m>(
        &self,
        name: &str,
        alive: Vec<(&'m SqsMessage, ProvisionRequest)>,
        dead: Vec<(&'m SqsMessage, ProvisionRequest)>,
        invocation: &Invocation,
    ) -> Vec<(&'m SqsMessage, MessageDisposition)> {
        let all_again = |at: UnixSeconds| {
            let messages = alive.iter().chain(&dead).map(|(message, _)| *message);
            messages.map(|message| (message, MessageDisposition::Retry(at))).collect()
        };
        let opened = match self.deployed.connection(Some(name)) {
            Ok(connection) => match self.check_target(connection).await {
                Ok(()) => self.end(connection, invocation).await.map(|end| (connection, end)),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let (connection, end) = match opened {
            Ok(opened) => opened,
            Err(FunctionError { kind, message }) => {
                tracing::error!(kind, "{message}");
                return all_again(now().plus(UNUSABLE_SECONDS));
            }
        };
        let store = connection.store(&self.deployed.table);
        let queue = self.deployed.queue(connection);
        let provisioner = self.provisioner(connection, (&store, &queue), &end, invocation);
        for (message, _) in &alive {
            if let Some(seconds) = age_seconds(message) {
                sample(name, Gauge::QueueAge, seconds);
            }
        }
        let mut fates = Vec::new();
        for (message, letter) in &dead {
            count(name, Counter::DeadLetters, 1);
            let fate = handle_dead_letter(&provisioner, letter).await.unwrap_or_else(|error| {
                tracing::error!(user.anchor = %letter.anchor, "a dead letter was not dealt with: {error}");
                MessageDisposition::Retry(now().plus(UNUSABLE_SECONDS))
            });
            fates.push((*message, fate));
        }
        if !alive.is_empty() {
            let requests: Vec<ProvisionRequest> = alive.iter().map(|(_, request)| request.clone()).collect();
            let worked = work(&provisioner, &requests, stop_at(invocation.deadline), |outcome| {
                count_outcome(name, outcome);
            })
            .await;
            fates.extend(alive.iter().map(|(message, _)| *message).zip(worked));
            measure_target(name, &end);
            if let Ok(breaker) = store.fetch_breaker().await {
                sample(name, Gauge::BreakerOpen, u64::from(breaker.is_some()));
            }
        }
        fates
    }

    /// Delays the next delivery of a message. Without the delay SQS delivers it after the queue's visibility timeout.
    async fn delay(&self, connection: &str, message: &SqsMessage, at: UnixSeconds) {
        let (Some(receipt), Ok(connection)) =
            (&message.receipt_handle, self.deployed.connection(Some(connection)))
        else {
            return;
        };
        if self.is_dead(message) {
            return;
        }
        match self.deployed.queue(connection).delay(receipt, at.0.saturating_sub(now().0)).await {
            // A refusal means that SQS has delivered the message again already.
            Ok(()) | Err(QueueError::Refused { .. }) => {}
            Err(error) => {
                tracing::warn!("the message is delivered again after the queue's visibility timeout: {error}")
            }
        }
    }

    /// One user: what the entry says now is written down, provisioned and explained.
    async fn direct(
        &self,
        event: &DirectEvent,
        invocation: &Invocation,
    ) -> Result<DirectAnswer, FunctionError> {
        let connection = self.deployed.connection(event.connection.as_deref())?;
        let store = connection.store(&self.deployed.table);
        self.check_target(connection).await?;
        let end = self.end(connection, invocation).await?;
        let secrets = &self.deployed.secrets;
        let mut directory = connection
            .directory
            .open(secrets)
            .await
            .map_err(|error| FunctionError::new("DirectoryUnavailable", &error))?;
        let context = ScanContext {
            policy: &connection.policy,
            store: &store,
            queue: None,
            owner: &invocation.request_id,
            stop_at: None,
            clock: now,
        };
        let done = match event.dry_run {
            true => "nothing; this was a dry run".to_owned(),
            false => {
                self.bring_about(connection, &context, &mut directory, &event.user, &end, invocation).await?
            }
        };
        let explaining =
            Explaining { policy: &connection.policy, store: &store, target: &end.target, clock: now };
        let explanation =
            explain(&explaining, &mut directory, &event.user).await.map_err(|error| match error {
                ExplainError::Scan(error) => scan_failed(error),
                ExplainError::Store(error) => FunctionError::new("StateUnavailable", &error),
            })?;
        measure_target(&connection.policy.name, &end);
        Ok(DirectAnswer { connection: connection.policy.name.clone(), done, explanation })
    }

    /// Writes down what one entry says and provisions its user. Says what was done.
    async fn bring_about(
        &self,
        connection: &Connection,
        context: &ScanContext<'_>,
        directory: &mut Directory,
        user: &str,
        end: &End,
        invocation: &Invocation,
    ) -> Result<String, FunctionError> {
        let store = context.store;
        let (found, busy) = match scan_user(context, directory, user).await {
            Ok(found) => (found, None),
            // What the entry says will be written by that scan.
            Err(busy @ ScanError::Busy { .. }) => {
                let found = scan::look_up(context, directory, user).await;
                (found.map_err(scan_failed)?, Some(busy.to_string()))
            }
            Err(error) => return Err(scan_failed(error)),
        };
        let done = match user_of(&found) {
            None => "nothing".to_owned(),
            Some(user) => {
                let queue = self.deployed.queue(connection);
                let provisioner = self.provisioner(connection, (store, &queue), end, invocation);
                let provisioned = provisioner.provision_now(user).await;
                let Provisioned { outcome, .. } =
                    provisioned.map_err(|error| FunctionError::new("StateUnavailable", &error))?;
                count_outcome(&connection.policy.name, &outcome);
                done(&outcome)
            }
        };
        Ok(match busy {
            Some(busy) => format!("{done}; the entry was not written down, because {busy}"),
            None => done,
        })
    }

    fn provisioner<'a>(
        &'a self,
        connection: &'a Connection,
        (store, queue): (&'a Store, &'a Queue),
        end: &'a End,
        invocation: &'a Invocation,
    ) -> Provisioner<'a> {
        let End { target, health, throttled: _ } = end;
        let left = invocation.deadline.0.saturating_sub(now().0).max(1);
        Provisioner {
            store,
            target,
            health,
            options: &connection.policy.options,
            max_attempts: connection.target.max_attempts,
            requests: Some(RequestQueue { queue, connection: &connection.policy.name }),
            owner: &invocation.request_id,
            lease_seconds: left + LEASE_RESERVE_SECONDS,
            clock: now,
        }
    }

    /// Refuses a configured target that the state does not belong to.
    async fn check_target(&self, connection: &Connection) -> Result<(), FunctionError> {
        let store = connection.store(&self.deployed.table);
        let checked = store.check_target(&connection.policy.target).await;
        checked.map_err(|error| FunctionError::new(target_problem(&error), &error))
    }

    /// The connection's target; opened the first time.
    async fn end(&self, connection: &Connection, invocation: &Invocation) -> Result<Arc<End>, FunctionError> {
        let mut ends = self.ends.lock().await;
        if let Some(end) = ends.get(&connection.policy.name) {
            return Ok(Arc::clone(end));
        }
        // Every invocation has the same time, so the first one's holds for all.
        let time = u64::try_from(invocation.deadline.0.saturating_sub(now().0)).unwrap_or_default();
        let max_timeout = Duration::from_secs(time.div_ceil(ANSWERS_IN_TIME));
        let workers = connection.target.concurrency.max(MIN_WORKERS);
        let patience = CallLimits { retry: RETRY, max_timeout, workers };
        let target = connection
            .target
            .open(&self.deployed.secrets, patience)
            .await
            .map_err(|error| FunctionError::new("TargetUnavailable", &error))?;
        let end = Arc::new(End { target, health: Health::default(), throttled: AtomicU64::new(0) });
        ends.insert(connection.policy.name.clone(), Arc::clone(&end));
        Ok(end)
    }
}

/// When no more users are begun: half of the time that there was is kept for the one who is.
fn stop_at(deadline: UnixSeconds) -> UnixSeconds {
    let now = now();
    now.plus((deadline.0 - now.0) / 2)
}

/// The error kind of a target that could not be checked, or is not the state's.
fn target_problem(error: &StoreError) -> &'static str {
    match error {
        StoreError::OtherTarget { .. } | StoreError::TargetResetUnfinished => "OtherTarget",
        _ => "StateUnavailable",
    }
}

fn scan_failed(error: ScanError) -> FunctionError {
    let kind = match error {
        ScanError::Directory(_) => "DirectoryUnavailable",
        ScanError::Store(_) | ScanError::LeaseLost | ScanError::Busy { .. } => "StateUnavailable",
        ScanError::Queue(_) => "QueueUnavailable",
    };
    FunctionError::new(kind, &error)
}

fn user_of(found: &Found) -> Option<AnchorHash> {
    match found {
        Found::Nobody(record) => record.as_ref().map(|record| record.anchor.hash()),
        Found::Several(_) => None,
        Found::One(sighted) => Some(sighted.entry.anchor.hash()),
    }
}

/// What was done, in words.
fn done(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NothingToDo => "nothing; nothing was due".to_owned(),
        Outcome::NotYet { .. } => "nothing; the next try is later".to_owned(),
        Outcome::Busy => "nothing; there is no record, or another worker has this user".to_owned(),
        Outcome::InSync { steps, .. } if steps.is_empty() => "looked; the account was right".to_owned(),
        Outcome::InSync { .. } | Outcome::AwaitsCheck { .. } | Outcome::Skipped { .. } => {
            describe(outcome.steps())
        }
        Outcome::Conflict { with, .. } => format!("nothing; the account belongs to another entry ({with})"),
        Outcome::NotPlanned { .. } => "nothing; it is not what was planned".to_owned(),
        Outcome::Failed { error, .. } => format!("tried; {error}"),
    }
}

fn count_outcome(connection: &str, outcome: &Outcome) {
    for step in outcome.steps() {
        let what = match step {
            Step::Created { .. } => Counter::Created,
            Step::Updated(found) if switches_off(found) => Counter::Deprovisioned,
            Step::Updated(_) | Step::Linked => Counter::Updated,
            Step::Deactivated(_) | Step::Deleted(_) | Step::DeactivatedInstead(_) => Counter::Deprovisioned,
            Step::Vanished => continue,
        };
        count(connection, what, 1);
    }
    if matches!(outcome, Outcome::Failed { .. }) {
        count(connection, Counter::Failed, 1);
    }
}

/// How the target answered since the last time.
fn measure_target(connection: &str, end: &End) {
    let throttled = end.target.calls().throttled;
    let before = end.throttled.swap(throttled, Ordering::Relaxed);
    count(connection, Counter::TargetThrottled, throttled.saturating_sub(before));
    durations(connection, Gauge::TargetLatency, &end.target.take_latencies());
}

/// How long a message has been in the queue.
fn age_seconds(message: &SqsMessage) -> Option<u64> {
    let sent_ms: i64 = message.attributes.get("SentTimestamp")?.parse().ok()?;
    u64::try_from(now().0.saturating_sub(sent_ms / 1000)).ok()
}
