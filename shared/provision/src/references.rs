//! References to other users: a manager's DN becomes the manager's account.
//!
//! If the manager has no account, the user is provisioned without the reference, and provisioning of the manager makes the
//! user pending again. The index of DNs can lag behind and a worker can die in between, so missing references are
//! rechecked too: first after ten seconds, then at growing intervals, up to once a day.

use model::{AnchorHash, Desired, DnKey, Managed, UserRecord, Value};
use queue::ProvisionRequest;
use store::{Store, StoreError, UserReferences};

use crate::{Provisioner, RequestQueue};

/// A desired user with its references looked up.
pub(crate) struct ResolvedUser {
    /// The user, with accounts in the place of references as far as there are any.
    pub(crate) desired: Desired,
    /// The references and their accounts.
    pub(crate) references: UserReferences,
}

impl ResolvedUser {
    /// The DNs without an account.
    pub(crate) fn missing(&self) -> Vec<DnKey> {
        let missing = self.references.iter().filter(|(_, account)| account.is_none());
        missing.map(|(dn, _)| *dn).collect()
    }
}

/// Whether one of the references has no account.
pub(crate) fn is_missing(references: &UserReferences) -> bool {
    references.values().any(Option::is_none)
}

const FIRST_RECHECK_SECONDS: i64 = 10;
const LAST_RECHECK_SECONDS: i64 = 86_400;

/// Time until missing references are rechecked, after so many rechecks: eight times longer each time.
pub(crate) fn recheck_seconds(rechecks: u32) -> i64 {
    (FIRST_RECHECK_SECONDS << (3 * rechecks.min(5))).min(LAST_RECHECK_SECONDS)
}

/// The desired user with references replaced by accounts, as far as these exist.
pub async fn resolve_references(store: &Store, desired: &Desired) -> Result<Desired, StoreError> {
    Ok(resolve(store, desired).await?.desired)
}

/// Replaces references by accounts.
pub(crate) async fn resolve(store: &Store, desired: &Desired) -> Result<ResolvedUser, StoreError> {
    let mut references = UserReferences::new();
    let Desired::Present(user) = desired else {
        return Ok(ResolvedUser { desired: desired.clone(), references });
    };
    let mut user = user.clone();
    for managed in user.attributes.values_mut() {
        if let Managed::Set(value) = managed {
            resolve_value(store, value, &mut references).await?;
        }
    }
    for value in user.create_only.values_mut() {
        resolve_value(store, value, &mut references).await?;
    }
    Ok(ResolvedUser { desired: Desired::Present(user), references })
}

async fn resolve_value(
    store: &Store,
    value: &mut Value,
    references: &mut UserReferences,
) -> Result<(), StoreError> {
    let Value::Reference(dn) = *value else { return Ok(()) };
    let account = store.find_by_dn(dn).await?.and_then(|record| record.link).map(|link| link.account);
    if let Some(account) = &account {
        *value = Value::Account(account.clone());
    }
    references.insert(dn, account);
    Ok(())
}

/// Wakes the users that wait for this user's account, or that were sent another account for it. It runs each time that
/// the user is provisioned, because a worker that linked the account may have died before.
pub(crate) async fn wake_referrers(
    provisioner: &Provisioner<'_>,
    record: &UserRecord,
) -> Result<(), StoreError> {
    let Provisioner { store, requests, .. } = *provisioner;
    let (Some(dn), Some(link)) = (record.dn, &record.link) else { return Ok(()) };
    let mut woken = Vec::new();
    for referrer in store.fetch_referrers(dn, &link.account).await? {
        if store.reopen_referrer(dn, &link.account, referrer).await? {
            woken.push(referrer);
        }
    }
    match requests {
        Some(requests) if !woken.is_empty() => send_requests(store, requests, &woken).await,
        _ => Ok(()),
    }
}

/// Sends provision requests for users that became pending. If that fails, the next scan's redrive does it.
async fn send_requests(store: &Store, to: RequestQueue<'_>, users: &[AnchorHash]) -> Result<(), StoreError> {
    let records = store.fetch_records(users).await?.into_values();
    let requests: Vec<ProvisionRequest> = records
        .map(|UserRecord { anchor, version, .. }| ProvisionRequest {
            connection: to.connection.to_owned(),
            anchor,
            version,
        })
        .collect();
    let problem = match to.queue.send(&requests).await {
        Ok(sent) => sent.problem,
        Err(problem) => Some(problem),
    };
    if let Some(problem) = problem {
        tracing::warn!(
            users = requests.len(),
            "requests for users with a resolved reference were not sent: {problem}; the next scan sends them"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rechecks_become_rare() {
        let delays: Vec<i64> = [0, 1, 2, 3, 4, 5, 99].map(recheck_seconds).into();
        assert_eq!(delays, [10, 80, 640, 5_120, 40_960, 86_400, 86_400]);
    }
}
