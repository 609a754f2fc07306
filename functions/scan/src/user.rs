//! A scan event for one user: reads the entry, writes the record, has the provision function provision the user, and
//! explains both sides.

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use directory::Directory;
use explain::{AccountExplanation, Explanation};
use queue::DirectRequest;
use runtime::environment::{self, MissingVariable};
use scan::{ScanContext, ScanError, UserLookup, look_up, scan_user};
use serde::{Deserialize, Serialize};

use crate::failure::ScanFailure;

/// Answer to an event for one user.
#[derive(Debug, Serialize)]
pub struct UserAnswer {
    connection: String,
    dry_run: bool,
    /// Actions performed, in words.
    done: String,
    explanation: Explanation,
}

/// Answer of the provision function to a direct invocation.
#[derive(Debug, Deserialize)]
struct ProvisionedUser {
    done: String,
    explanation: AccountExplanation,
}

/// The provision function, as its caller sees it.
pub struct ProvisionClient {
    lambda: aws_sdk_lambda::Client,
    function: String,
}

impl ProvisionClient {
    /// Reads the function's name from the environment.
    pub fn from_environment(lambda: &aws_sdk_lambda::Client) -> Result<Self, MissingVariable> {
        let function =
            environment::required(environment::PROVISION_FUNCTION, "the name of the provision function")?;
        Ok(Self { lambda: lambda.clone(), function })
    }

    /// Invokes the function for one user and waits for its answer.
    async fn provision(&self, request: &DirectRequest) -> Result<ProvisionedUser, ScanFailure> {
        let failed = |detail: String| ScanFailure::NotProvisioned { function: self.function.clone(), detail };
        let payload = serde_json::to_vec(request).map_err(|error| failed(error.to_string()))?;
        let invoke = self.lambda.invoke().function_name(&self.function).payload(Blob::new(payload));
        let response = invoke.send().await.map_err(|error| {
            let code = error.code().unwrap_or("no response");
            failed(error.message().map_or_else(|| code.to_owned(), |message| format!("{code}: {message}")))
        })?;
        let InvokeOutput { payload, function_error, .. } = response;
        let payload = payload.map(Blob::into_inner).unwrap_or_default();
        match function_error {
            Some(_) => Err(failed(String::from_utf8_lossy(&payload).into_owned())),
            None => serde_json::from_slice(&payload).map_err(|error| failed(error.to_string())),
        }
    }
}

/// A scan of one user.
pub struct UserScan<'a> {
    pub context: &'a ScanContext<'a>,
    /// Anchor, DN, user name, e-mail address, login name or account id.
    pub user: &'a str,
    /// Explains only; nothing is written.
    pub dry_run: bool,
}

impl UserScan<'_> {
    /// Scans and provisions the user.
    pub async fn run(
        &self,
        directory: &mut Directory,
        provision: &ProvisionClient,
    ) -> Result<UserAnswer, ScanFailure> {
        let Self { context, user, dry_run } = *self;
        let scanned = match dry_run {
            true => look_up(context, directory, user).await,
            false => scan_user(context, directory, user).await,
        };
        // The running scan writes the record.
        let (lookup, busy) = match scanned {
            Err(busy @ ScanError::Busy { .. }) => (look_up(context, directory, user).await?, Some(busy)),
            scanned => (scanned?, None),
        };
        let policy = context.policy;
        let (mut done, account) = match (&lookup, lookup.anchor()) {
            (UserLookup::Several(_), _) | (_, None) => ("nothing".to_owned(), None),
            (_, Some(anchor)) => {
                let request = DirectRequest {
                    connection: Some(policy.name.clone()),
                    anchor: anchor.clone(),
                    dry_run,
                    entry: Some(lookup.entry_state(policy)),
                };
                let ProvisionedUser { done, explanation } = provision.provision(&request).await?;
                (done, Some(explanation))
            }
        };
        if let Some(busy) = busy {
            done = format!("{done}; the record was not updated, because {busy}");
        }
        let explanation = Explanation::new(policy, (context.clock)(), &lookup, account);
        Ok(UserAnswer { connection: policy.name.clone(), dry_run, done, explanation })
    }
}
