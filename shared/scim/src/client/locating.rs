//! Whether a linked account still exists. One answer is no proof: a gateway, a missing route or a lagging replica
//! answers with 404 too.

use backon::Retryable;
use model::{GoneAccount, OwnedAccount, UserName};

use super::Target;
use crate::errors::TargetError;
use crate::resource::Resource;

/// Result of a search for a linked account.
#[derive(Clone, Debug, PartialEq)]
pub enum LocatedAccount {
    /// The account, as a GET by id shows it.
    There(Resource),
    /// The account does not exist any more.
    Gone {
        /// The proof, with which the link is dropped.
        proof: GoneAccount,
        /// Another account with the last known user name.
        namesake: Option<Resource>,
    },
}

impl Target {
    /// Reads a linked account, or proves that it is gone: GETs by id over some seconds answer 404 as a SCIM resource
    /// does, because a new account can be answered with 404 at first; then the list under the last known user name
    /// does not show the account. Without a name, the list of accounts must at least be served.
    pub async fn locate(
        &self,
        account: &OwnedAccount,
        name: Option<&UserName>,
    ) -> Result<LocatedAccount, TargetError> {
        let found = (|| self.fetch(account.id()))
            .retry(self.transport.retries())
            .when(|error: &TargetError| *error == TargetError::NotFound)
            .await;
        match found {
            Ok(resource) => return Ok(LocatedAccount::There(resource)),
            Err(TargetError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let namesake = match name {
            Some(name) => self.find_by_user_name(name).await?,
            None => self.check().await.map(|()| None)?,
        };
        match namesake {
            Some(resource) if resource.account.id == *account.id() => Err(TargetError::Unavailable {
                detail: "the account is in the list of accounts, and its URL is answered with 404".to_owned(),
            }),
            namesake => Ok(LocatedAccount::Gone { proof: gone(account), namesake }),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the absence was shown twice")]
pub(super) fn gone(account: &OwnedAccount) -> GoneAccount {
    GoneAccount::verified(account.id().clone())
}
