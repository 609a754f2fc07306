//! The one place where an account becomes a user's: an existing account, the account of a create intent, and an account
//! that was created just now. Each needs the proof that the target's answer shows the asked-for name.

use model::{Anchor, DeprovisionReason, Desired, MatchedAccount, UserName};
use scim::{Resource, TargetError};
use store::{AccountClaim, Store, UserLease};

use crate::error::ExecutionError;

/// The proof that the target's answer shows the account that was asked for.
pub(crate) fn match_name(asked: &UserName, resource: &Resource) -> Result<MatchedAccount, TargetError> {
    MatchedAccount::matching(asked, &resource.account).ok_or_else(|| TargetError::OtherAccount {
        detail: format!(
            "account {} has another user name; compare it with the entry, and correct the user name or the external id",
            resource.account.id
        ),
    })
}

/// Links an account to the user, unless another entry owns it. The account of an entry that is gone passes to the user;
/// that of a disabled entry does not, because its owner may return.
pub(crate) async fn claim(
    store: &Store,
    lease: &mut UserLease,
    matched: &MatchedAccount,
) -> Result<AccountClaim, ExecutionError> {
    let owner = match store.claim_account(lease, matched).await? {
        AccountClaim::OwnedBy(owner) => owner,
        owned => return Ok(owned),
    };
    let Some(Desired::Present(user)) = &lease.record.desired else { return Ok(AccountClaim::OwnedBy(owner)) };
    let name = user.user_name.clone();
    let Some(other) = store.fetch_record(owner.hash()).await? else {
        return Ok(AccountClaim::OwnedBy(owner));
    };
    match &other.desired {
        Some(Desired::Present(_)) if other.user_name().is_some_and(|its| *its != name) => {
            let detail = "the account with this user name belongs to another user, and that user's name is about to change";
            Err(TargetError::Conflict { detail: detail.to_owned() }.into())
        }
        Some(Desired::Absent { reason, .. }) if is_gone(*reason) => {
            take_over(store, lease, (matched, owner)).await
        }
        _ => Ok(AccountClaim::OwnedBy(owner)),
    }
}

async fn take_over(
    store: &Store,
    lease: &mut UserLease,
    (matched, owner): (&MatchedAccount, Anchor),
) -> Result<AccountClaim, ExecutionError> {
    let account = store.take_over_account(lease, matched, &owner).await?;
    Ok(account.map_or(AccountClaim::OwnedBy(owner), AccountClaim::Owned))
}

/// Whether an entry is gone for good: deleted or out of scope.
pub(crate) fn is_gone(reason: DeprovisionReason) -> bool {
    match reason {
        DeprovisionReason::Deleted | DeprovisionReason::OutOfScope | DeprovisionReason::MovedOutOfBase => {
            true
        }
        DeprovisionReason::Disabled => false,
    }
}
