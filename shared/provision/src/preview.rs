//! Preview of provisioning: the same reads and decisions, not executed.

use model::{Account, AccountMatch, Anchor, Desired, DesiredUser, Options, UserRecord};
use plan::{Decision, Situation, decide};
use scim::{Target, TargetError};
use store::{Store, StoreError};

use crate::error::ExecutionError;
use crate::link::match_name;
use crate::load::{FetchedAccount, FoundAccount, asked_name, fetch_account};
use crate::references::resolve;
use crate::siblings;

/// Decisions on one account that are not executed.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The decisions, in order; empty if there is nothing to do.
    pub decisions: Vec<Decision>,
    /// Anchor of another entry that owns the account.
    pub conflict: Option<Anchor>,
    /// Name of another connection that the account passes to.
    pub passes_to: Option<String>,
    /// The account at the target: the linked one, else the one with the user name.
    pub account: Option<Account>,
    /// How the account was found.
    pub matched: AccountMatch,
    /// The desired user with accounts in the place of references.
    pub resolved: Desired,
}

/// The user of a preview.
#[derive(Clone, Copy, Debug)]
pub struct PreviewSubject<'a> {
    /// The stored record.
    pub record: Option<&'a UserRecord>,
    /// The desired user.
    pub desired: &'a Desired,
    /// Whether the safeguard releases a removal.
    pub removal_released: bool,
    /// Whether the account has been inactive for `delete_after_days`.
    pub deletion_due: bool,
}

/// Reads the account of one user and decides.
pub async fn preview(
    store: &Store,
    target: &Target,
    options: &Options,
    subject: PreviewSubject<'_>,
) -> Result<Result<Preview, TargetError>, StoreError> {
    match decide_on(store, target, options, subject).await {
        Ok(preview) => Ok(Ok(preview)),
        Err(ExecutionError::Target(error)) => Ok(Err(error)),
        Err(ExecutionError::Store(error)) => Err(error),
    }
}

async fn decide_on(
    store: &Store,
    target: &Target,
    options: &Options,
    subject: PreviewSubject<'_>,
) -> Result<Preview, ExecutionError> {
    let PreviewSubject { record, desired, removal_released, deletion_due } = subject;
    let resolved = resolve(store, desired).await?.desired;
    let FetchedAccount { found, gone: _ } = fetch_account(target, record, desired).await?;
    let is_linked = record.is_some_and(|record| record.link.is_some());
    let matched = match &found {
        FoundAccount::None if !is_linked && asked_name(&resolved).is_none() => AccountMatch::NotRead,
        FoundAccount::None => AccountMatch::NoAccount,
        FoundAccount::Linked(..) => AccountMatch::Linked,
        FoundAccount::Unlinked(_) => AccountMatch::SameUserName,
    };
    let mut linked = matched == AccountMatch::Linked;
    let account = found.resource().map(|resource| &resource.account);
    let mut preview = Preview {
        decisions: Vec::new(),
        conflict: None,
        passes_to: None,
        account: account.cloned(),
        matched,
        resolved: resolved.clone(),
    };
    if let Some(record) = record.filter(|_| removal_released && options.may_deprovision())
        && let Some(claim) = siblings::find_claim(store, record, desired).await?
    {
        preview.passes_to = Some(claim.connection().to_owned());
        return Ok(preview);
    }
    loop {
        let situation =
            Situation { desired: &resolved, linked, account, removal_released, deletion_due, options };
        match decide(&situation) {
            Decision::Nothing => return Ok(preview),
            Decision::Link => {
                if let Some(account) = account {
                    let owner = store.fetch_account_owner(&account.id).await?;
                    let owner = owner.filter(|owner| record.is_none_or(|record| record.anchor != *owner));
                    let sibling = store.find_sibling_owner(&account.id).await?;
                    preview.conflict = owner.or_else(|| sibling.map(|sibling| sibling.anchor().clone()));
                }
                preview.decisions.push(Decision::Link);
                linked = true;
            }
            decision => {
                if let (Decision::Create, Desired::Present(user)) = (&decision, &resolved) {
                    check_external_id(target, user).await?;
                }
                preview.decisions.push(decision);
                return Ok(preview);
            }
        }
    }
}

/// Refuses a creation while another account has the external id: the target would refuse it as a duplicate.
async fn check_external_id(target: &Target, user: &DesiredUser) -> Result<(), TargetError> {
    let found = match user.external_id() {
        Some(id) => target.find_by_external_id(id).await?,
        None => None,
    };
    found.map_or(Ok(()), |found| match_name(&user.user_name, &found).map(drop))
}
