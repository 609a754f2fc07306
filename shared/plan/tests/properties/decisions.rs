//! The decision table, for every situation.

use model::{DeprovisionReason, Desired};
use plan::{Decision, Situation, decide, differences};
use proptest::{option, prelude::*};

use crate::arbitrary::{account, account_of, desired, options};

/// Whether a decision takes an active account away.
fn takes_away(decision: &Decision, desired: &Desired) -> bool {
    match decision {
        Decision::Deactivate(_) | Decision::Delete(_) => true,
        Decision::Update(found) => {
            let switches = found.iter().any(|difference| difference.attribute.as_str() == "active");
            switches && !desired.is_active()
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn nobody_loses_an_account_that_the_safety_check_has_not_released(
        desired in desired(), linked: bool, account in option::of(account()), options in options(),
    ) {
        let situation = Situation {
            deletion_due: false,
            desired: &desired,
            linked,
            account: account.as_ref(),
            removal_released: false,
            options: &options,
        };
        let decision = decide(&situation);
        prop_assert!(!takes_away(&decision, &desired), "{decision:?}");
    }

    #[test]
    fn nobody_loses_an_account_while_deprovisioning_is_off(
        desired in desired(), linked: bool, account in option::of(account()), released: bool,
        mut options in options(),
    ) {
        options.deprovision = false;
        let situation = Situation {
            deletion_due: false,
            desired: &desired,
            linked,
            account: account.as_ref(),
            removal_released: released,
            options: &options,
        };
        let decision = decide(&situation);
        prop_assert!(!takes_away(&decision, &desired), "{decision:?}");
    }

    #[test]
    fn an_account_that_is_not_linked_is_linked_or_left_alone(
        desired in desired(), account in account(), released: bool, options in options(),
    ) {
        let situation = Situation {
            deletion_due: false,
            desired: &desired,
            linked: false,
            account: Some(&account),
            removal_released: released,
            options: &options,
        };
        let decision = decide(&situation);
        prop_assert!(matches!(decision, Decision::Link | Decision::Nothing), "{decision:?}");
        // Who is out of scope has no claim to it.
        let gone = matches!(
            desired,
            Desired::Absent { reason: DeprovisionReason::Deleted | DeprovisionReason::OutOfScope | DeprovisionReason::MovedOutOfBase, .. }
        );
        prop_assert!(!gone || decision == Decision::Nothing, "{decision:?}");
    }

    #[test]
    fn whoever_should_be_active_is_never_taken_away(
        desired in desired(), linked: bool, account in option::of(account()), released: bool,
        options in options(),
    ) {
        prop_assume!(desired.is_active());
        let situation = Situation {
            deletion_due: false,
            desired: &desired,
            linked,
            account: account.as_ref(),
            removal_released: released,
            options: &options,
        };
        let decision = decide(&situation);
        prop_assert!(!takes_away(&decision, &desired), "{decision:?}");
        prop_assert!(!matches!(decision, Decision::AwaitSafeguard(_)), "{decision:?}");
    }

    #[test]
    fn an_account_that_is_right_needs_nothing(desired in desired(), released: bool, options in options()) {
        let Desired::Present(user) = &desired else { return Ok(()) };
        let account = account_of(user);
        prop_assert_eq!(differences(user, &account), []);
        let situation = Situation {
            deletion_due: false,
            desired: &desired,
            linked: true,
            account: Some(&account),
            removal_released: released,
            options: &options,
        };
        prop_assert_eq!(decide(&situation), Decision::Nothing);
    }

    /// A difference says what to send; sending it leaves no difference.
    #[test]
    fn whoever_sends_the_differences_has_none_left(desired in desired(), account in account()) {
        let Desired::Present(user) = &desired else { return Ok(()) };
        let mut updated = account.clone();
        for difference in differences(user, &account) {
            match difference.attribute.as_str() {
                "userName" => updated.user_name = difference.to.map(|value| value.to_string()),
                "active" => updated.active = user.active,
                _ => match difference.to {
                    Some(value) => drop(updated.attributes.insert(difference.attribute, value)),
                    None => drop(updated.attributes.remove(&difference.attribute)),
                },
            }
        }
        prop_assert_eq!(differences(user, &updated), []);
        // What nobody mapped is as it was.
        for (attribute, value) in &account.attributes {
            if !user.attributes.contains_key(attribute) {
                prop_assert_eq!(updated.attributes.get(attribute), Some(value));
            }
        }
    }
}
