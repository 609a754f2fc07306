//! Deletion of accounts, verified by a GET.

use model::{GoneAccount, OwnedAccount, UserName};
use reqwest::Method;

use super::Target;
use super::locating::{LocatedAccount, gone};
use crate::errors::TargetError;
use crate::transport::{CallFailure, TargetCall};
use dialect::DialectDelete;

/// Result of a DELETE.
#[derive(Clone, Debug, PartialEq)]
pub enum DeleteOutcome {
    /// The account does not exist any more.
    Gone(GoneAccount),
    /// The account still exists, or may exist; it can still be deactivated. Workplace deletes only accounts that were
    /// never claimed \[doc\].
    Refused(TargetError),
}

impl Target {
    /// Deletes an account. `name` is its last known user name. Where DELETE only deactivates, no call is made, so that
    /// the caller deactivates explicitly.
    ///
    /// A success is believed once a GET does not find the account either. Every refusal, and HTTP 500, leaves the account
    /// to be deactivated.
    pub async fn delete(
        &self,
        account: &OwnedAccount,
        name: Option<&UserName>,
    ) -> Result<DeleteOutcome, TargetError> {
        if self.dialect.delete == DialectDelete::Deactivates {
            let detail = format!("DELETE only deactivates accounts at {}", self.dialect.name);
            return Ok(DeleteOutcome::Refused(TargetError::Unsupported { detail }));
        }
        let url = self.user_url(account.id()).await?;
        match self.transport.call(&TargetCall::new(Method::DELETE, url)).await {
            Ok(_) => self.confirm_deletion(account).await,
            Err(CallFailure { error: TargetError::NotFound, .. }) => {
                match self.locate(account, name).await? {
                    LocatedAccount::Gone { proof, .. } => Ok(DeleteOutcome::Gone(proof)),
                    LocatedAccount::There(_) => Ok(DeleteOutcome::Refused(still_there("with 404"))),
                }
            }
            Err(CallFailure { status: Some(404 | 500), error, .. }) => Ok(DeleteOutcome::Refused(error)),
            Err(CallFailure { error, .. }) if error.is_refusal() => Ok(DeleteOutcome::Refused(error)),
            Err(failure) => Err(failure.error),
        }
    }

    async fn confirm_deletion(&self, account: &OwnedAccount) -> Result<DeleteOutcome, TargetError> {
        match self.fetch(account.id()).await {
            Ok(_) => Ok(DeleteOutcome::Refused(still_there("with success"))),
            Err(TargetError::NotFound) => Ok(DeleteOutcome::Gone(gone(account))),
            Err(error) => Err(error),
        }
    }
}

fn still_there(answered: &str) -> TargetError {
    TargetError::NotApplied { detail: format!("DELETE is answered {answered}, and the account still exists") }
}
