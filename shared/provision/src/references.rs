//! References to other users: a manager's DN becomes the manager's account.

use std::collections::BTreeMap;

use model::{
    AccountId, AccountLink, AnchorHash, Desired, DnKey, Managed, Status, UnixSeconds, UserRecord, Value,
};
use queue::ProvisionRequest;
use store::{Awaited, OutcomeWrite, Store, StoreError, UserLease, UserOutcome};

use crate::{FollowUp, Provisioner, RequestQueue};

/// What a user should be, with the accounts of those to whom it refers.
pub(crate) struct Resolved {
    /// With accounts in the place of references, as far as the others have any.
    pub(crate) desired: Desired,
    /// Whose account is still missing.
    pub(crate) missing: Vec<DnKey>,
    /// Who has one, and which.
    pub(crate) found: BTreeMap<DnKey, AccountId>,
}

/// Replaces references by accounts.
pub(crate) async fn resolve(store: &Store, desired: &Desired) -> Result<Resolved, StoreError> {
    let (mut missing, mut found) = (Vec::new(), BTreeMap::new());
    let Desired::Present(user) = desired else {
        return Ok(Resolved { desired: desired.clone(), missing, found });
    };
    let mut user = user.clone();
    for managed in user.attributes.values_mut() {
        if let Managed::Set(value) = managed {
            match resolve_value(store, value).await? {
                Reference::None => {}
                Reference::Missing(dn) => missing.push(dn),
                Reference::Found(dn, account) => drop(found.insert(dn, account)),
            }
        }
    }
    for value in user.create_only.values_mut() {
        // Such a reference is never sent again.
        if let Reference::Missing(dn) = resolve_value(store, value).await? {
            missing.push(dn);
        }
    }
    Ok(Resolved { desired: Desired::Present(user), missing, found })
}

enum Reference {
    None,
    Missing(DnKey),
    Found(DnKey, AccountId),
}

async fn resolve_value(store: &Store, value: &mut Value) -> Result<Reference, StoreError> {
    let Value::Reference(dn) = *value else { return Ok(Reference::None) };
    let Some(link) = store.find_by_dn(dn).await?.and_then(|record| record.link) else {
        return Ok(Reference::Missing(dn));
    };
    *value = Value::Account(link.account.clone());
    Ok(Reference::Found(dn, link.account))
}

/// Wakes the users who wait for this one's account, or whose accounts refer to another one that was this user's. Each time
/// the user is provisioned, because a run that linked the account may have died before it came to this.
pub(crate) async fn wake_waiting(
    provisioner: &Provisioner<'_>,
    record: &UserRecord,
) -> Result<(), StoreError> {
    let Provisioner { store, requests, .. } = *provisioner;
    let (Some(dn), Some(link)) = (record.dn, &record.link) else { return Ok(()) };
    let mut woken = Vec::new();
    for waiting in store.fetch_waiting(dn, &link.account).await? {
        if store.wake(dn, &link.account, waiting).await? {
            woken.push(waiting);
        }
    }
    match requests {
        Some(requests) if !woken.is_empty() => announce(store, requests, &woken).await,
        _ => Ok(()),
    }
}

/// For whom somebody settled waits.
pub(crate) fn settled_on(lease: &UserLease) -> Vec<DnKey> {
    if lease.record.status == Status::InSync { lease.waits_for().to_vec() } else { Vec::new() }
}

/// Looks once more for those for whom somebody settled waits. Whoever got an account while the index did not show them yet
/// could not be found by the user, and had found nobody who waits.
pub(crate) async fn look_again(
    provisioner: &Provisioner<'_>,
    user: AnchorHash,
    waits_for: &[DnKey],
) -> Result<FollowUp, StoreError> {
    let store = provisioner.store;
    let mut rest = FollowUp::Nothing;
    for dn in waits_for {
        let found = store.find_by_dn(*dn).await?.and_then(|record| record.link);
        if let Some(AccountLink { account, .. }) = found
            && store.wake(*dn, &account, user).await?
        {
            rest = FollowUp::Due;
        }
    }
    Ok(rest)
}

/// Announces users who are pending by now. Should that fail, the next scan does it.
async fn announce(store: &Store, to: RequestQueue<'_>, users: &[AnchorHash]) -> Result<(), StoreError> {
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
        tracing::warn!("users who waited were not announced: {problem}; the next scan does that");
    }
    Ok(())
}

/// Settles a user for whom nothing is left to do but to wait. That it waits is written down by now, and with whoever is waited
/// for too, so whoever gets an account from here on wakes it. Who got one before that did not, and is found by looking once
/// more.
pub(crate) async fn settle_waiting(
    provisioner: &Provisioner<'_>,
    user: &UserRecord,
    waits_for: &[DnKey],
) -> Result<FollowUp, StoreError> {
    let Provisioner { store, owner, lease_seconds, clock, .. } = *provisioner;
    let now = clock();
    // Another worker has the user by now, and may not come to an end: the same wake-up can have come to both.
    let Some(lease) = store.lease_user(user.anchor.hash(), owner, now, lease_seconds).await? else {
        return Ok(FollowUp::Due);
    };
    let mut rest = FollowUp::Nothing;
    for dn in waits_for {
        match store.await_account(*dn).await? {
            Awaited::Told => {}
            Awaited::Nobody => rest = FollowUp::LookAgain,
            Awaited::There => {
                store.return_lease(lease).await?;
                return Ok(FollowUp::Due);
            }
        }
    }
    let same_question = lease.record.desired == user.desired && lease.record.status == Status::Pending;
    let (still_missing, refers_to) = match &user.desired {
        Some(desired) if same_question => {
            let Resolved { missing, found, .. } = resolve(store, desired).await?;
            (missing, found)
        }
        _ => (Vec::new(), BTreeMap::new()),
    };
    // Those who were found were sent, unless somebody has got another account since: that is seen by the names. Names of
    // before are still there, until the user is settled.
    let was_sent = |(dn, account): (&DnKey, &AccountId)| lease.refers_to().get(dn) == Some(account);
    if still_missing != waits_for || !refers_to.iter().all(was_sent) {
        store.return_lease(lease).await?;
        return Ok(FollowUp::Due);
    }
    let settled = UserOutcome {
        applied: None,
        status: Status::InSync,
        attempts: 0,
        next_attempt: UnixSeconds(0),
        waiting_for: still_missing,
        refers_to,
        event: None,
    };
    match store.write_outcome(lease, settled, now).await? {
        OutcomeWrite::Done => Ok(rest),
        OutcomeWrite::Outdated => Ok(FollowUp::Due),
    }
}
