//! The decision table, for every situation.

use model::{Account, DeprovisionReason, Desired, Options};
use plan::{Decision, Situation, decide, differences};
use proptest::{option, prelude::*};

use crate::arbitrary::{account, account_of, desired, options};

/// A situation that owns its parts.
#[derive(Clone, Debug)]
struct OwnedSituation {
    desired: Desired,
    linked: bool,
    account: Option<Account>,
    removal_released: bool,
    options: Options,
}

impl OwnedSituation {
    fn decide(&self) -> Decision {
        let Self { desired, linked, account, removal_released, options } = self;
        decide(&Situation {
            desired,
            linked: *linked,
            account: account.as_ref(),
            removal_released: *removal_released,
            deletion_due: false,
            options,
        })
    }

    /// Whether the decision deprovisions an active account.
    fn deprovisions(&self) -> bool {
        match self.decide() {
            Decision::Deactivate(_) | Decision::Delete(_) => true,
            Decision::Update(found) => {
                let changes_active = found.iter().any(|difference| difference.attribute.as_str() == "active");
                changes_active && !self.desired.is_active()
            }
            _ => false,
        }
    }
}

fn situation() -> impl Strategy<Value = OwnedSituation> {
    (desired(), any::<bool>(), option::of(account()), any::<bool>(), options()).prop_map(
        |(desired, linked, account, removal_released, options)| OwnedSituation {
            desired,
            linked,
            account,
            removal_released,
            options,
        },
    )
}

proptest! {
    #[test]
    fn unreleased_removal_keeps_the_account(situation in situation()) {
        let situation = OwnedSituation { removal_released: false, ..situation };
        prop_assert!(!situation.deprovisions(), "{:?}", situation.decide());
    }

    #[test]
    fn account_is_kept_while_deprovisioning_is_off(mut situation in situation()) {
        situation.options.deprovision = false;
        prop_assert!(!situation.deprovisions(), "{:?}", situation.decide());
    }

    #[test]
    fn observing_writes_to_no_account(mut situation in situation()) {
        situation.options.observe = true;
        let decision = situation.decide();
        let is_local = matches!(
            decision,
            Decision::Nothing | Decision::Link | Decision::AwaitSafeguard(_) | Decision::Skipped(_)
        );
        prop_assert!(is_local, "{decision:?}");
    }

    #[test]
    fn unlinked_account_is_linked_or_left_alone(situation in situation(), account in account()) {
        let situation = OwnedSituation { linked: false, account: Some(account), ..situation };
        let decision = situation.decide();
        prop_assert!(matches!(decision, Decision::Link | Decision::Nothing), "{decision:?}");
        // A user out of scope has no claim to the account.
        let is_out = matches!(
            situation.desired,
            Desired::Absent {
                reason: DeprovisionReason::Deleted
                    | DeprovisionReason::OutOfScope
                    | DeprovisionReason::MovedOutOfBase,
                ..
            }
        );
        prop_assert!(!is_out || decision == Decision::Nothing, "{decision:?}");
    }

    #[test]
    fn active_user_is_never_deprovisioned(situation in situation()) {
        prop_assume!(situation.desired.is_active());
        prop_assert!(!situation.deprovisions(), "{:?}", situation.decide());
        prop_assert!(!matches!(situation.decide(), Decision::AwaitSafeguard(_)));
    }

    #[test]
    fn equal_account_needs_nothing(situation in situation()) {
        let Desired::Present(user) = &situation.desired else { return Ok(()) };
        let account = account_of(user);
        prop_assert_eq!(differences(user, &account), []);
        let situation = OwnedSituation { linked: true, account: Some(account), ..situation };
        prop_assert_eq!(situation.decide(), Decision::Nothing);
    }

    #[test]
    fn sending_the_differences_leaves_none(desired in desired(), account in account()) {
        let Desired::Present(user) = &desired else { return Ok(()) };
        let mut updated = account.clone();
        for difference in differences(user, &account) {
            match difference.attribute.as_str() {
                "userName" => updated.user_name = difference.to.map(|value| value.to_string()),
                "active" => updated.active = Some(user.active),
                _ => match difference.to {
                    Some(value) => drop(updated.attributes.insert(difference.attribute, value)),
                    None => drop(updated.attributes.remove(&difference.attribute)),
                },
            }
        }
        prop_assert_eq!(differences(user, &updated), []);
        // Unmapped attributes keep their values.
        for (attribute, value) in &account.attributes {
            if !user.attributes.contains_key(attribute) {
                prop_assert_eq!(updated.attributes.get(attribute), Some(value));
            }
        }
    }
}
