//! References to other users: a manager's DN becomes the manager's account.

use model::{AnchorHash, Desired, DnKey, Managed, Status, UnixSeconds, UserRecord, Value};
use queue::WakeUp;
use store::{Finished, Store, StoreError, UserOutcome};

use crate::{Provisioner, WakeUps};

/// Replaces references by accounts, as far as the others have any. Also says whose account is still missing.
pub(crate) async fn resolve(store: &Store, desired: &Desired) -> Result<(Desired, Vec<DnKey>), StoreError> {
    let Desired::Present(user) = desired else { return Ok((desired.clone(), Vec::new())) };
    let mut user = user.clone();
    let mut missing = Vec::new();
    for managed in user.attributes.values_mut() {
        if let Managed::Set(value) = managed {
            resolve_value(store, value, &mut missing).await?;
        }
    }
    for value in user.create_only.values_mut() {
        resolve_value(store, value, &mut missing).await?;
    }
    Ok((Desired::Present(user), missing))
}

async fn resolve_value(store: &Store, value: &mut Value, missing: &mut Vec<DnKey>) -> Result<(), StoreError> {
    let Value::Reference(dn) = value else { return Ok(()) };
    match store.find_by_dn(*dn).await?.and_then(|record| record.link) {
        Some(link) => *value = Value::Account(link.account),
        None => missing.push(*dn),
    }
    Ok(())
}

/// Wakes the users who wait for this one's account. Each time the user is provisioned, because a run that linked the
/// account may have died before it came to this.
pub(crate) async fn wake_waiting(
    provisioner: &Provisioner<'_>,
    record: &UserRecord,
) -> Result<(), StoreError> {
    let Provisioner { store, wake_ups, .. } = *provisioner;
    let (Some(dn), Some(_)) = (record.dn, &record.link) else { return Ok(()) };
    let mut woken = Vec::new();
    for waiting in store.fetch_waiting(dn).await? {
        if store.wake(dn, waiting).await? {
            woken.push(waiting);
        }
    }
    match wake_ups {
        Some(wake_ups) if !woken.is_empty() => announce(store, wake_ups, &woken).await,
        _ => Ok(()),
    }
}

/// Announces users who are pending by now. Should that fail, the next scan does it.
async fn announce(store: &Store, to: WakeUps<'_>, users: &[AnchorHash]) -> Result<(), StoreError> {
    let records = store.fetch_records(users).await?.into_values();
    let wake_ups: Vec<WakeUp> = records
        .map(|UserRecord { anchor, version, .. }| WakeUp {
            connection: to.connection.to_owned(),
            anchor,
            version,
        })
        .collect();
    let problem = match to.queue.send(&wake_ups).await {
        Ok(sent) => sent.problem,
        Err(problem) => Some(problem),
    };
    if let Some(problem) = problem {
        tracing::warn!("users who waited were not announced: {problem}; the next scan does that");
    }
    Ok(())
}

/// How it ended with a user for whom nothing was left to do but to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settling {
    /// The user waits.
    Over,
    /// The one who was waited for is there by now, or somebody else works on the user: look again.
    Due,
}

/// Settles a user for whom nothing is left to do but to wait. That it waits is written down by now, so whoever gets an
/// account from here on wakes it. Who got one before that did not, and is found by looking once more.
pub(crate) async fn settle_waiting(
    provisioner: &Provisioner<'_>,
    user: &UserRecord,
    waits_for: &[DnKey],
) -> Result<Settling, StoreError> {
    let Provisioner { store, owner, lease_seconds, clock, .. } = *provisioner;
    let now = clock();
    // Another worker has the user by now, and may not come to an end: the same wake-up can have come to both.
    let Some(lease) = store.lease_user(user.anchor.hash(), owner, now, lease_seconds).await? else {
        return Ok(Settling::Due);
    };
    let same_question = lease.record.desired == user.desired && lease.record.status == Status::Pending;
    let still_missing = match &user.desired {
        Some(desired) if same_question => resolve(store, desired).await?.1,
        _ => Vec::new(),
    };
    if still_missing != waits_for {
        store.return_lease(lease).await?;
        return Ok(Settling::Due);
    }
    let settled = UserOutcome {
        applied: None,
        status: Status::Settled,
        attempts: 0,
        next_attempt: UnixSeconds(0),
        waiting_for: still_missing,
        event: None,
    };
    match store.finish_user(lease, settled, now).await? {
        Finished::Done => Ok(Settling::Over),
        Finished::Outdated => Ok(Settling::Due),
    }
}
