//! Direct invocation: provisions one user now, and explains the account.

use explain::{AccountContext, AccountExplanation, AccountSubject, ValueMask, explain_account};
use provision::{Outcome, describe_actions};
use queue::DirectRequest;
use runtime::{Connection, FunctionError, Invocation, now};
use serde::Serialize;
use store::StoreError;

use crate::function::ProvisionFunction;
use crate::measure::{count_outcome, measure_target};

/// Answer to a direct invocation.
#[derive(Debug, Serialize)]
pub struct DirectAnswer {
    connection: String,
    /// Actions performed, in words.
    done: String,
    /// The account side of the explanation.
    explanation: AccountExplanation,
}

impl ProvisionFunction {
    /// Provisions the user, unless it is a dry run, and explains the account.
    pub(crate) async fn handle_direct(
        &self,
        request: &DirectRequest,
        invocation: &Invocation,
    ) -> Result<DirectAnswer, FunctionError> {
        let unavailable = |error: StoreError| FunctionError::new("StateUnavailable", &error);
        let open = self.open(request.connection.as_deref(), invocation).await?;
        let user = request.anchor.hash();
        let done = if request.dry_run {
            "nothing; this was a dry run".to_owned()
        } else {
            let provisioned = open.provisioner().provision_now(user).await.map_err(unavailable)?;
            count_outcome(open.name(), &provisioned.outcome);
            describe_outcome(&provisioned.outcome)
        };
        let Connection { options, masked, .. } = open.connection;
        let (store, target, mask) = (&open.store, &open.target.target, &ValueMask::new(masked.clone()));
        let context = AccountContext { options, mask, store, target, clock: now };
        let record = open.store.fetch_record(user).await.map_err(unavailable)?;
        let (anchor, entry) = (&request.anchor, request.entry.as_ref());
        let subject = AccountSubject { anchor, record: record.as_ref(), entry };
        let explanation = explain_account(&context, &subject);
        let explanation = Box::pin(explanation).await.map_err(unavailable)?;
        measure_target(open.name(), &open.target);
        Ok(DirectAnswer { connection: open.name().to_owned(), done, explanation })
    }
}

/// The outcome in words.
fn describe_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NothingToDo => "nothing; nothing was due".to_owned(),
        Outcome::NotYet { .. } => "nothing; the next attempt is later".to_owned(),
        Outcome::Busy => "nothing; another worker holds the user's lease".to_owned(),
        Outcome::InSync { actions, .. } if actions.is_empty() => {
            "nothing; the account was in sync".to_owned()
        }
        Outcome::InSync { .. } | Outcome::AwaitsSafeguard { .. } | Outcome::Skipped { .. } => {
            describe_actions(outcome.actions())
        }
        Outcome::Conflict { owner, .. } => format!("nothing; the account belongs to another entry ({owner})"),
        Outcome::NotPlanned { .. } => "nothing; the action was not in the plan".to_owned(),
        Outcome::Failed { error, .. } => format!("failed; {error}"),
    }
}
