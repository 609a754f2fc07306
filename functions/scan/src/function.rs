//! The scan as a Lambda function, for one connection: it parses the event, opens the connection, calls the engine and answers.

use std::sync::Arc;
use std::time::Instant;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use model::UnixSeconds;
use queue::Queue;
use runtime::function::parse_event;
use runtime::{Deployment, FunctionError, Invocation, now};
use scan::{Approval, ScanContext, ScanError, ScanSummary, approve, dry_run, scan};
use serde::Serialize;
use serde_json::Value;
use store::Store;
use tracing::Instrument;

use crate::event::{SHAPE, ScanEvent, ScanRequest};
use crate::failure::ScanFailure;
use crate::measure::{measure_failure, measure_scan};
use crate::user::{ProvisionClient, UserAnswer, UserScan};

/// Time reserved for saving: this part of the invocation's time, and at most these seconds.
const RESERVE_PART: i64 = 5;
const RESERVE_SECONDS: i64 = 60;

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
        let request = ScanRequest { connection, event: &event, invocation: &invocation };
        let span = tracing::info_span!(
            "scan",
            connection = %request.name(),
            request.id = %invocation.request_id,
            xray.trace = invocation.trace.as_deref(),
        );
        async {
            match &event.user {
                Some(user) => {
                    let answer = Box::pin(self.answer_user(request, user)).await?;
                    Ok(ScanFunctionAnswer::User(Box::new(answer)))
                }
                None => Ok(ScanFunctionAnswer::Scan(Box::new(self.answer_scan(request).await?))),
            }
        }
        .instrument(span)
        .await
    }

    /// Scans and provisions one user, and explains both sides.
    async fn answer_user(&self, request: ScanRequest<'_>, user: &str) -> Result<UserAnswer, ScanFailure> {
        let ScanRequest { connection, event, .. } = request;
        if event.approve.is_some() {
            return Err(ScanFailure::NotApproved("an approval needs a scan of all users"));
        }
        let store = connection.store(&self.deployed.table);
        // Without a queue: the provision function is invoked instead.
        let context = ScanContext { stop_at: None, ..context(&request, &store, None) };
        let mut directory = connection.directory.open(&self.deployed.secrets).await?;
        let scan = UserScan { context: &context, user, dry_run: event.dry_run };
        scan.run(&mut directory, &self.provision).await
    }

    async fn answer_scan(&self, request: ScanRequest<'_>) -> Result<ScanAnswer, FunctionError> {
        let started = Instant::now();
        let ScanRequest { connection, event, .. } = request;
        let store = connection.store(&self.deployed.table);
        let outcome = self.scan(request, &store).await;
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
                    measure_failure(request.name());
                }
                return Err(failure.into());
            }
        };
        if !event.dry_run && summary != ScanSummary::default() {
            measure_scan(request.name(), &store, &summary, duration_ms).await;
        }
        let connection = request.name().to_owned();
        Ok(ScanAnswer { connection, dry_run: event.dry_run, summary, duration_ms, note })
    }

    /// Approves and scans as the event asks. The note says what the numbers do not.
    async fn scan(
        &self,
        request: ScanRequest<'_>,
        store: &Store,
    ) -> Result<(ScanSummary, Option<String>), ScanFailure> {
        let ScanRequest { connection, event, .. } = request;
        let queue = self.deployed.queue(connection);
        let context = context(&request, store, Some(&queue));
        let approved = match &event.approve {
            None => None,
            Some(_) if event.dry_run => {
                return Err(ScanFailure::NotApproved("an approval needs a scan that writes, not a dry run"));
            }
            Some(hash) => Some(describe_approval(approve(&context, hash, &approver(&request)).await?)?),
        };
        let mut directory = connection.directory.open(&self.deployed.secrets).await?;
        if event.dry_run {
            return Ok((dry_run(&context, &mut directory, event.mode).await?, None));
        }
        let summary = scan(&context, &mut directory, event.mode, |_| ()).await?;
        if !summary.out_of_time {
            return Ok((summary, approved));
        }
        self.continue_scan(request, &summary).await?;
        Ok((summary, Some("the scan continues in another invocation".to_owned())))
    }

    /// Continues the scan in a new invocation of this function.
    async fn continue_scan(
        &self,
        request: ScanRequest<'_>,
        summary: &ScanSummary,
    ) -> Result<(), ScanFailure> {
        let event = request.continued(summary).ok_or(ScanFailure::TooSlow { read: summary.read })?;
        let function = &request.invocation.function;
        let invoke = self.lambda.invoke().function_name(function);
        let invoke = invoke.invocation_type(InvocationType::Event).payload(Blob::new(event.to_string()));
        match invoke.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(ScanFailure::NotContinued {
                function: function.clone(),
                code: error.code().unwrap_or("no answer").to_owned(),
            }),
        }
    }
}

fn context<'a>(request: &ScanRequest<'a>, store: &'a Store, queue: Option<&'a Queue>) -> ScanContext<'a> {
    let ScanRequest { connection, invocation, .. } = *request;
    ScanContext {
        policy: &connection.policy,
        store,
        queue,
        owner: &invocation.request_id,
        stop_at: Some(stop_at(invocation.deadline)),
        clock: now,
    }
}

/// The approver's name; without one, the invocation, which CloudTrail knows.
fn approver(request: &ScanRequest<'_>) -> String {
    let name = request.event.approved_by.clone();
    name.unwrap_or_else(|| format!("the invocation {}", request.invocation.request_id))
}

/// When the scan has to save and stop.
fn stop_at(deadline: UnixSeconds) -> UnixSeconds {
    let reserve = ((deadline.0 - now().0) / RESERVE_PART).clamp(1, RESERVE_SECONDS);
    deadline.plus(-reserve)
}

fn describe_approval(approval: Approval) -> Result<String, ScanFailure> {
    match approval {
        Approval::Nothing { .. } => Err(ScanFailure::NotApproved("nothing with this hash is held now")),
        Approval::Removals(approval) => Ok(format!("{} removals were approved", approval.set.count)),
        Approval::Changes(_) => Ok("the held changes were approved".to_owned()),
        Approval::Server => Ok("the server of the last scan was accepted".to_owned()),
    }
}
