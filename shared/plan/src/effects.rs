//! Effects of a plan on an account that a limit counts.

use model::{Desired, DesiredUser, LimitedEffect, Managed, PreviousValue, Status, UserRecord, Value};

/// The effects on a user's linked account once this desired user is applied, each at most once.
///
/// They are differences from the desired user that an earlier scan recorded, so that a change counts in one scan alone. Where
/// that one was never applied, or the user had left, they are differences from the applied state.
pub fn limited_effects(record: &UserRecord, user: &DesiredUser) -> Vec<LimitedEffect> {
    let Some(link) = &record.link else { return Vec::new() };
    let is_reactivation = user.active && !record.has_active_account();
    let mut effects = Vec::from_iter(is_reactivation.then_some(LimitedEffect::Reactivation));
    let was_applied = !matches!(record.status, Status::Conflict { .. });
    match (&record.desired, &link.applied) {
        (Some(Desired::Present(before)), _) if was_applied => effects.extend(changes(before, user)),
        (_, Some(applied)) => {
            if let Some(changes) = applied.changes_to(user) {
                effects.extend(changes.previous_user_name.map(|_| LimitedEffect::Rename));
                let replaced =
                    changes.attributes.into_iter().filter(|(_, previous)| *previous == PreviousValue::Set);
                effects.extend(replaced.map(|(attribute, _)| match user.attributes.get(&attribute) {
                    Some(Managed::Set(_)) => LimitedEffect::Change(attribute),
                    Some(Managed::Clear) | None => LimitedEffect::Clear(attribute),
                }));
            }
        }
        _ => {}
    }
    effects
}

fn changes<'a>(
    before: &'a DesiredUser,
    after: &'a DesiredUser,
) -> impl Iterator<Item = LimitedEffect> + use<'a> {
    let rename = (before.user_name != after.user_name).then_some(LimitedEffect::Rename);
    let attributes = after.attributes.iter().filter_map(|(attribute, managed)| {
        match (before.attributes.get(attribute)?, managed) {
            (Managed::Set(_), Managed::Clear) => Some(LimitedEffect::Clear(attribute.clone())),
            // A renamed unit gives all its users another DN, and the account that a reference leads to stays the same.
            (Managed::Set(Value::Reference(_)), Managed::Set(Value::Reference(_))) => None,
            (Managed::Set(old), Managed::Set(new)) if old != new => {
                Some(LimitedEffect::Change(attribute.clone()))
            }
            (Managed::Set(_), Managed::Set(_)) | (Managed::Clear, _) => None,
        }
    });
    rename.into_iter().chain(attributes)
}

#[cfg(test)]
mod tests {
    use model::{DeprovisionReason, DnKey, UserName};

    use super::*;
    use crate::test_values::{self, link, record, user};

    fn linked(desired: Desired, applied_active: bool) -> UserRecord {
        UserRecord { desired: Some(desired), link: link(&user(applied_active, "Poet")), ..record("ada") }
    }

    fn with(name: &str, managed: Managed) -> DesiredUser {
        let mut changed = user(true, "Poet");
        changed.attributes.insert(name.into(), managed);
        changed
    }

    fn manager(dn: &str) -> DesiredUser {
        with("manager", Managed::Set(Value::Reference(DnKey::of(dn))))
    }

    #[test]
    fn effects_are_what_an_account_loses_or_gets_instead() {
        let poet = || Desired::Present(user(true, "Poet"));
        let renamed =
            || DesiredUser { user_name: UserName::new("b@acme.test").unwrap(), ..user(true, "Poet") };
        let spelled =
            DesiredUser { user_name: UserName::new("ADA@acme.test").unwrap(), ..user(true, "Poet") };
        let (change, clear) = (LimitedEffect::Change("title".into()), LimitedEffect::Clear("title".into()));
        let in_conflict = UserRecord {
            status: Status::Conflict { owner: record("x").anchor },
            ..linked(Desired::Present(renamed()), true)
        };
        for (record, user, expected) in [
            (linked(poet(), true), user(true, "Poet"), vec![]),
            (linked(poet(), true), spelled, vec![]),
            (linked(poet(), true), renamed(), vec![LimitedEffect::Rename]),
            (linked(poet(), true), user(true, "Clerk"), vec![change]),
            (linked(poet(), true), with("title", Managed::Clear), vec![clear.clone()]),
            // A value where there was none takes nothing away.
            (
                linked(Desired::Present(with("title", Managed::Clear)), true),
                test_values::user(true, "Poet"),
                vec![],
            ),
            (linked(poet(), true), manager("cn=m"), vec![]),
            (linked(Desired::Present(manager("cn=m")), true), manager("cn=m,ou=x"), vec![]),
            (
                linked(Desired::Present(manager("cn=m")), true),
                with("manager", Managed::Clear),
                vec![LimitedEffect::Clear("manager".into())],
            ),
            (UserRecord { link: None, ..linked(poet(), true) }, renamed(), vec![]),
            // An earlier scan counted the recorded name already, unless it waits in a conflict.
            (linked(Desired::Present(renamed()), true), renamed(), vec![]),
            (in_conflict, renamed(), vec![LimitedEffect::Rename]),
        ] {
            assert_eq!(limited_effects(&record, &user), expected, "{record:?} {user:?}");
        }
    }

    #[test]
    fn reactivation_is_of_an_account_that_is_known_to_be_inactive() {
        let absent = |reason| Desired::Absent { user_name: None, reason };
        for (record, expected) in [
            (linked(absent(DeprovisionReason::Disabled), false), vec![LimitedEffect::Reactivation]),
            (linked(Desired::Present(user(false, "Poet")), false), vec![LimitedEffect::Reactivation]),
            (linked(absent(DeprovisionReason::Disabled), true), vec![]),
            (linked(Desired::Present(user(true, "Poet")), false), vec![]),
        ] {
            assert_eq!(limited_effects(&record, &user(true, "Poet")), expected, "{record:?}");
        }
    }
}
