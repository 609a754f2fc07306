//! References to other users: a manager's DN becomes the manager's account.

use model::{Desired, DnKey, Managed, UserRecord, Value};
use store::{Store, StoreError};

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

/// Wakes the users who wait for this one's account.
pub(crate) async fn wake_waiting(store: &Store, record: &UserRecord) -> Result<(), StoreError> {
    let Some(dn) = record.dn else { return Ok(()) };
    for waiting in store.fetch_waiting(dn).await? {
        store.wake(dn, waiting).await?;
    }
    Ok(())
}

/// Looks once more after writing down that a user waits: the other one may have got its account in between, when
/// nobody was seen waiting.
pub(crate) async fn look_again(
    store: &Store,
    user: &UserRecord,
    waits_for: &[DnKey],
) -> Result<(), StoreError> {
    for dn in waits_for {
        if store.find_by_dn(*dn).await?.is_some_and(|record| record.link.is_some()) {
            store.wake(*dn, user.anchor.hash()).await?;
        }
    }
    Ok(())
}
