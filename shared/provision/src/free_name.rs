//! A user name that another user's account still has, although the name is this user's by now.
//!
//! Two users can swap their names, or several can pass theirs on in a circle. Then the target refuses each rename, because
//! the name is taken. And the account of a user that has left keeps its name. The other account gets a temporary name; a
//! user that is still in scope gives it the desired name with its own next update, which is due already.

use std::time::Duration;

use model::{Anchor, Desired, Status, UserName, UserRecord};
use scim::{Resource, TargetError};
use store::{StoreError, UserLease};

use crate::error::ExecutionError;
use crate::load::LoadedUser;
use crate::{Action, Provisioner};

/// Attempts to take the lease of the other user, which a worker may hold, and the pause between them.
const ATTEMPTS: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);

/// Longest part of a user name that its temporary name repeats, in characters.
const KEPT_CHARACTERS: usize = 40;

/// Whether a conflict over a user name is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameConflict {
    /// The name is free now.
    Freed,
    /// Another user is about to free the name. It may need this user's lease.
    Awaited,
    /// The name is not on the account of another user that has left or is about to be renamed.
    Remains,
}

/// Frees the desired user name after a conflict.
pub(crate) async fn free_name(
    provisioner: &Provisioner<'_>,
    user: &LoadedUser,
    actions: &mut Vec<Action>,
) -> Result<NameConflict, ExecutionError> {
    let Provisioner { store, target, .. } = *provisioner;
    let Desired::Present(desired) = &user.desired else { return Ok(NameConflict::Remains) };
    let name = &desired.user_name;
    let Some(resource) = target.find_by_user_name(name).await? else { return Ok(NameConflict::Remains) };
    let Some(other) = store.fetch_account_owner(&resource.account.id).await? else {
        return Ok(NameConflict::Remains);
    };
    let record = store.fetch_record(other.hash()).await?;
    match record.map(|other| release_of(&user.lease.record, &other, name)) {
        Some(NameRelease::Now) => {}
        Some(NameRelease::Awaited) => return Ok(NameConflict::Awaited),
        Some(NameRelease::Never) | None => return Ok(NameConflict::Remains),
    }
    let Some(lease) = lease_other(provisioner, &other).await? else { return Ok(NameConflict::Remains) };
    let renamed = rename(provisioner, (user, &lease), &resource).await;
    // The account differs from the applied state now. Without an outcome, the next lease reads it.
    store.return_lease(lease.unrecorded()).await?;
    if renamed? {
        actions.push(Action::FreeName { account: resource.account.id });
        return Ok(NameConflict::Freed);
    }
    Ok(NameConflict::Remains)
}

/// How the other user's account gives a name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameRelease {
    /// It gets a temporary name at once.
    Now,
    /// Its user is about to be renamed.
    Awaited,
    /// It keeps the name.
    Never,
}

/// The account of a user that has left gives its name up, once it is inactive; so does that of a user that waits for
/// another name. Of two users that wait for each other, the one with the smaller anchor frees the name, and only after the
/// other one had time to be renamed.
fn release_of(user: &UserRecord, other: &UserRecord, name: &UserName) -> NameRelease {
    match &other.desired {
        Some(Desired::Present(desired)) => {
            let is_due = matches!(other.status, Status::Pending | Status::Retrying { .. });
            match is_due && desired.user_name != *name && user.attempts > 0 {
                true if user.anchor.hash() < other.anchor.hash() => NameRelease::Now,
                true => NameRelease::Awaited,
                false => NameRelease::Never,
            }
        }
        Some(Desired::Absent { .. }) if !other.has_active_account() => NameRelease::Now,
        Some(Desired::Absent { .. }) | None => NameRelease::Never,
    }
}

/// Takes the lease of the other user. The owner of the lease is another one than that of other users, so that no work in
/// progress is interrupted.
async fn lease_other(provisioner: &Provisioner<'_>, other: &Anchor) -> Result<Option<UserLease>, StoreError> {
    let Provisioner { store, owner, lease_seconds, clock, .. } = *provisioner;
    let owner = format!("{owner} (user name)");
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let now = clock();
        if let Some(lease) = store.lease_user(other.hash(), &owner, now..now.plus(lease_seconds)).await? {
            return Ok(Some(lease));
        }
    }
    Ok(None)
}

/// Gives the other user's account the temporary name, unless something has changed meanwhile.
async fn rename(
    provisioner: &Provisioner<'_>,
    (user, lease): (&LoadedUser, &UserLease),
    resource: &Resource,
) -> Result<bool, TargetError> {
    let Desired::Present(desired) = &user.desired else { return Ok(false) };
    let owned = store::owned(&lease.record).filter(|owned| *owned.id() == resource.account.id);
    let release = release_of(&user.lease.record, &lease.record, &desired.user_name);
    let (Some(owned), NameRelease::Now, Some(name)) =
        (owned, release, temporary_name(&desired.user_name, &lease.record.anchor))
    else {
        return Ok(false);
    };
    tracing::info!(
        user.anchor = %lease.record.anchor,
        "the account gets a temporary user name, because another user has its name now"
    );
    provisioner.target.rename(&owned, &name).await?;
    Ok(true)
}

/// A user name that is derived from another one and the anchor of its user, so that a repeated attempt chooses the same.
/// An e-mail address keeps its domain. `None` for an external id in place of a user name.
fn temporary_name(name: &UserName, anchor: &Anchor) -> Option<UserName> {
    if name.external_id().is_some() {
        return None;
    }
    let (local, domain) = match name.as_str().rsplit_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (name.as_str(), None),
    };
    let kept: String = local.chars().take(KEPT_CHARACTERS).collect();
    let hash = anchor.hash().to_string();
    let suffix: String = hash.chars().take(8).collect();
    let domain = domain.map(|domain| format!("@{domain}")).unwrap_or_default();
    UserName::new(&format!("{kept}.renamed-{suffix}{domain}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(anchor: &str, desired: Desired) -> UserRecord {
        UserRecord {
            anchor: Anchor::from_text(anchor).unwrap(),
            dn: None,
            desired: Some(desired),
            version: model::ScanVersion(1),
            removal_released: false,
            link: None,
            create_intent: None,
            status: Status::Pending,
            attempts: 1,
            next_attempt: model::UnixSeconds(0),
        }
    }

    fn present(name: &str) -> Desired {
        Desired::Present(model::DesiredUser {
            user_name: UserName::new(name).unwrap(),
            active: true,
            attributes: Default::default(),
            create_only: Default::default(),
        })
    }

    #[test]
    fn name_is_released_by_a_user_that_left_or_wants_another_name() {
        let name = UserName::new("b").unwrap();
        let left = Desired::Absent { user_name: None, reason: model::DeprovisionReason::Deleted };
        // The first of these has the smaller anchor.
        let mut anchors = ["a", "b"];
        anchors.sort_by_key(|anchor| Anchor::from_text(anchor).unwrap().hash());
        let [small, large] = anchors;
        let linked = |record: UserRecord| UserRecord {
            link: Some(model::AccountLink { account: model::AccountId::new("1").unwrap(), applied: None }),
            ..record
        };
        for (user, other, expected) in [
            (record(small, present("b")), record(large, present("a")), NameRelease::Now),
            (record(large, present("b")), record(small, present("a")), NameRelease::Awaited),
            (record(small, present("b")), record(large, present("b")), NameRelease::Never),
            (
                UserRecord { attempts: 0, ..record(small, present("b")) },
                record(large, present("a")),
                NameRelease::Never,
            ),
            (
                record(small, present("b")),
                UserRecord { status: Status::InSync, ..record(large, present("a")) },
                NameRelease::Never,
            ),
            (record(large, present("b")), record(small, left.clone()), NameRelease::Now),
            // The account is still active.
            (record(large, present("b")), linked(record(small, left)), NameRelease::Never),
        ] {
            assert_eq!(release_of(&user, &other, &name), expected, "{other:?}");
        }
    }

    #[test]
    fn temporary_name_is_derived_and_keeps_the_domain() {
        let [a, b] = ["a", "b"].map(|text| Anchor::from_text(text).unwrap());
        let name = |text: &str, anchor| {
            temporary_name(&UserName::new(text).unwrap(), anchor).map(|name| name.to_string())
        };
        let shown = name("ada@acme.test", &a).unwrap();
        assert!(shown.starts_with("ada.renamed-") && shown.ends_with("@acme.test"), "{shown}");
        assert_eq!(name("ada@acme.test", &a), Some(shown.clone()));
        assert_ne!(name("ada@acme.test", &b), Some(shown));
        assert!(name("ada", &a).unwrap().starts_with("ada.renamed-"));
        assert!(name(&format!("{}@acme.test", "a".repeat(300)), &a).unwrap().len() < 80);
        assert_eq!(name("externalId=7", &a), None);
    }
}
