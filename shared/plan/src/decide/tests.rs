//! The decision table, one line per case.

use model::UserName;

use super::*;
use crate::test_values::{self, account};

fn user(active: bool, title: &str) -> Desired {
    Desired::Present(test_values::user(active, title))
}

fn gone(reason: DeprovisionReason) -> Desired {
    Desired::Absent { user_name: UserName::new("ada@acme.test").ok(), reason }
}

/// The configured options, the safeguard's release, and whether a deletion is due.
struct Setup {
    options: Options,
    released: bool,
    due: bool,
}

impl Setup {
    fn decides(&self, desired: &Desired, linked: bool, account: Option<&Account>) -> Decision {
        let Self { options, released, due } = self;
        let (removal_released, deletion_due) = (*released, *due);
        decide(&Situation { desired, linked, account, removal_released, deletion_due, options })
    }
}

fn released() -> Setup {
    with(|_| {})
}

fn with(change: impl FnOnce(&mut Options)) -> Setup {
    let mut options = Options::default();
    change(&mut options);
    Setup { options, released: true, due: false }
}

#[test]
fn enabled_user_in_scope() {
    let (ada, there) = (user(true, "Analyst"), account(true, "Analyst"));
    assert_eq!(released().decides(&ada, false, None), Decision::Create);
    assert_eq!(released().decides(&ada, false, Some(&there)), Decision::Link);
    assert_eq!(released().decides(&ada, true, Some(&there)), Decision::Nothing);
    assert_eq!(released().decides(&ada, true, None), Decision::Create, "gone from the target");
    let Decision::Update(found) = released().decides(&ada, true, Some(&account(false, "Clerk"))) else {
        panic!()
    };
    let names: Vec<&str> = found.iter().map(|difference| difference.attribute.as_str()).collect();
    assert_eq!(names, ["active", "title"], "reactivation and update in one request");
}

#[test]
fn disabled_user_in_scope() {
    let (off, there) = (gone(DeprovisionReason::Disabled), account(true, "Analyst"));
    assert_eq!(released().decides(&off, false, None), Decision::Nothing);
    assert_eq!(
        released().decides(&user(false, "Analyst"), false, None),
        Decision::Create,
        "an inactive account"
    );
    assert_eq!(
        released().decides(&off, true, Some(&there)),
        Decision::Deactivate(DeprovisionReason::Disabled)
    );
    assert_eq!(released().decides(&off, false, Some(&there)), Decision::Link);
    assert_eq!(released().decides(&off, false, Some(&account(false, ""))), Decision::Nothing);
    let Decision::Update(found) = released().decides(&user(false, "Analyst"), true, Some(&there)) else {
        panic!()
    };
    assert_eq!(found.len(), 1);
}

#[test]
fn user_out_of_scope() {
    for reason in
        [DeprovisionReason::Deleted, DeprovisionReason::OutOfScope, DeprovisionReason::MovedOutOfBase]
    {
        let there = account(true, "Analyst");
        assert_eq!(released().decides(&gone(reason), true, Some(&there)), Decision::Deactivate(reason));
        assert_eq!(released().decides(&gone(reason), true, Some(&account(false, ""))), Decision::Nothing);
        assert_eq!(released().decides(&gone(reason), true, None), Decision::Nothing);
        assert_eq!(released().decides(&gone(reason), false, Some(&there)), Decision::Nothing, "never linked");
        let delete = with(|options| options.remove_action = RemoveAction::Delete);
        assert_eq!(delete.decides(&gone(reason), true, Some(&there)), Decision::Delete(reason));
    }
}

#[test]
fn disabled_user_is_not_deleted_where_disabled_users_have_accounts() {
    let (there, disabled) = (account(true, "Analyst"), DeprovisionReason::Disabled);
    for (provision_disabled, expected) in
        [(false, Decision::Delete(disabled)), (true, Decision::Deactivate(disabled))]
    {
        let delete = with(|options| {
            options.remove_action = RemoveAction::Delete;
            options.provision_disabled = provision_disabled;
        });
        assert_eq!(delete.decides(&gone(disabled), true, Some(&there)), expected);
    }
}

#[test]
fn active_account_waits_for_the_safeguard() {
    let unchecked = Setup { released: false, ..released() };
    let there = account(true, "Analyst");
    for reason in [
        DeprovisionReason::Deleted,
        DeprovisionReason::OutOfScope,
        DeprovisionReason::MovedOutOfBase,
        DeprovisionReason::Disabled,
    ] {
        assert_eq!(unchecked.decides(&gone(reason), true, Some(&there)), Decision::AwaitSafeguard(reason));
    }
    assert_eq!(
        unchecked.decides(&user(false, "Clerk"), true, Some(&there)),
        Decision::AwaitSafeguard(DeprovisionReason::Disabled)
    );
}

#[test]
fn disabled_option_skips_the_action() {
    let (ada, there) = (user(true, "Analyst"), account(true, "Clerk"));
    let no_create = with(|options| options.create = false);
    assert_eq!(no_create.decides(&ada, false, None), Decision::Skipped(DisabledOption::Create));
    assert_eq!(no_create.decides(&ada, false, Some(&there)), Decision::Link, "linking still happens");

    let no_update = with(|options| options.update = false);
    assert_eq!(no_update.decides(&ada, true, Some(&there)), Decision::Skipped(DisabledOption::Update));
    let inactive = account(false, "Analyst");
    assert_eq!(
        no_update.decides(&ada, true, Some(&inactive)),
        Decision::Skipped(DisabledOption::Update),
        "reactivation needs the option too"
    );
    let off = Decision::Deactivate(DeprovisionReason::Disabled);
    assert_eq!(
        no_update.decides(&user(false, "Analyst"), true, Some(&there)),
        off,
        "deprovisioning has its own option"
    );

    let no_removal = with(|options| options.deprovision = false);
    for desired in [gone(DeprovisionReason::Deleted), gone(DeprovisionReason::Disabled), user(false, "Clerk")]
    {
        let decision = no_removal.decides(&desired, true, Some(&there));
        assert_eq!(decision, Decision::Skipped(DisabledOption::Deprovision));
    }
}

#[test]
fn inactive_account_is_deleted_when_due() {
    let (inactive, active) = (account(false, "x"), account(true, "x"));
    let out = gone(DeprovisionReason::OutOfScope);
    let due =
        |setup: Setup, account: &Account| Setup { due: true, ..setup }.decides(&out, true, Some(account));
    assert_eq!(released().decides(&out, true, Some(&inactive)), Decision::Nothing);
    assert_eq!(due(released(), &inactive), Decision::Delete(DeprovisionReason::OutOfScope));
    // Reactivated at the target: the period starts again.
    assert_eq!(due(released(), &active), Decision::Deactivate(DeprovisionReason::OutOfScope));
    assert_eq!(due(with(|options| options.deprovision = false), &inactive), Decision::Nothing);
    assert_eq!(due(Setup { released: false, ..released() }, &inactive), Decision::Nothing);
    let back = user(true, "x");
    assert!(matches!(
        Setup { due: true, ..released() }.decides(&back, true, Some(&inactive)),
        Decision::Update(_)
    ));
}

/// The same decisions as after reading the account, where the applied state suffices.
#[test]
fn blind_decision_follows_the_table() {
    let applied = |active: bool| match user(true, "x") {
        Desired::Present(user) => AppliedState::of(&user, &user, active),
        Desired::Absent { .. } => unreachable!(),
    };
    let blind = |line: &Setup, desired: &Desired, applied: &AppliedState| {
        let situation = Situation {
            desired,
            linked: true,
            account: None,
            removal_released: line.released,
            deletion_due: false,
            options: &line.options,
        };
        decide_blind(&situation, applied)
    };
    let (out, changed) = (gone(DeprovisionReason::OutOfScope), user(true, "y"));
    let Some(BlindDecision::Update { changes, differences }) = blind(&released(), &changed, &applied(true))
    else {
        panic!("an update needs no reading")
    };
    assert_eq!((changes.attributes.len(), changes.active, differences.len()), (1, false, 1));
    let off = Some(BlindDecision::Deactivate(DeprovisionReason::OutOfScope));
    assert_eq!(blind(&released(), &out, &applied(true)), off);
    // A disabled user loses access even if updates are off.
    let disabled = Some(BlindDecision::Deactivate(DeprovisionReason::Disabled));
    let no_update = with(|options| options.update = false);
    assert_eq!(blind(&no_update, &user(false, "y"), &applied(true)), disabled);
    for (line, desired, applied) in [
        (&released(), &user(true, "x"), applied(true)),
        (&released(), &changed, applied(false)),
        (&released(), &out, applied(false)),
        (&Setup { released: false, ..released() }, &out, applied(true)),
        (&Setup { released: false, ..released() }, &user(false, "x"), applied(true)),
        (&with(|options| options.update = false), &changed, applied(true)),
        (&with(|options| options.deprovision = false), &out, applied(true)),
        (&with(|options| options.remove_action = RemoveAction::Delete), &out, applied(true)),
    ] {
        assert_eq!(blind(line, desired, &applied), None, "{desired:?}");
    }
}
