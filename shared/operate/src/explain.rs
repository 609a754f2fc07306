//! Explanation of one user: entry, record, account, waits, and what provisioning would do. Nothing is written.
//!
//! Deployed, the scan function explains the entry and the provision function the account, because neither can reach the
//! other's server.

use ::explain::{AccountContext, AccountSubject, AccountSummary, Explanation, TargetSearch, explain_account};
use directory::Directory;
use model::{Account, AccountId, UserName};
use scan::{UserLookup, look_up};
use scim::{Target, TargetError};

use crate::{OperateError, OperatorContext};

/// Explains one user, named by anchor, DN, user name, e-mail address, login name or account id.
pub async fn explain(
    context: &OperatorContext<'_>,
    directory: &mut Directory,
    target: &Target,
    user: &str,
) -> Result<Explanation, OperateError> {
    let OperatorContext { policy, store, clock, .. } = *context;
    // Boxed, because the futures of a whole explanation are large for a thread's stack.
    let mut lookup = Box::pin(look_up(&context.scan(), directory, user)).await?;
    let mut searched = TargetSearch::NotSearched;
    if let UserLookup::None { record: None, .. } = &lookup {
        match find_account(target, user).await {
            Ok(None) => searched = TargetSearch::NoAccount,
            Ok(Some(account)) => match store.fetch_account_owner(&account.id).await? {
                Some(owner) => {
                    lookup = Box::pin(look_up(&context.scan(), directory, owner.as_str())).await?;
                }
                None => searched = TargetSearch::Unmanaged(AccountSummary::of(&account)),
            },
            Err(error) => searched = TargetSearch::Failed(error.to_string()),
        }
    }
    let account = match lookup.anchor() {
        None => None,
        Some(anchor) => {
            let entry = lookup.entry_state(policy);
            let subject = AccountSubject { anchor, record: lookup.record(), entry: Some(&entry) };
            let (options, mask) = (&policy.options, &context.mask());
            let account = AccountContext { options, mask, store, target, clock };
            Some(Box::pin(explain_account(&account, &subject)).await?)
        }
    };
    Ok(Explanation::new(policy, clock(), &lookup, account).with_target(searched))
}

/// The account with this user name or id.
async fn find_account(target: &Target, user: &str) -> Result<Option<Account>, TargetError> {
    if let Ok(name) = UserName::new(user)
        && let Some(found) = target.find_by_user_name(&name).await?
    {
        return Ok(Some(found.account));
    }
    let Some(id) = AccountId::new(user) else { return Ok(None) };
    match target.fetch(&id).await {
        Ok(found) => Ok(Some(found.account)),
        Err(TargetError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
