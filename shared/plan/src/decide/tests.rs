//! The decision table, line by line.

use std::collections::BTreeMap;

use model::{AccountId, Managed, UserName, Value};

use super::*;

fn user(active: bool, title: &str) -> Desired {
    Desired::Present(DesiredUser {
        user_name: UserName::new("Ada@acme.test").unwrap(),
        active,
        attributes: BTreeMap::from([("title".into(), Managed::Set(Value::Text(title.into())))]),
        create_only: BTreeMap::new(),
    })
}

fn gone(reason: DeprovisionReason) -> Desired {
    Desired::Absent { user_name: UserName::new("ada@acme.test").ok(), reason }
}

fn account(active: bool, title: &str) -> Account {
    Account {
        id: AccountId::new("1").unwrap(),
        user_name: Some("ada@acme.test".into()),
        active,
        attributes: BTreeMap::from([("title".into(), Value::Text(title.into()))]),
        can_delete: None,
    }
}

const DEFAULT: Options = Options {
    create: true,
    update: true,
    deprovision: true,
    provision_disabled: false,
    remove_action: RemoveAction::Disable,
    delete_after_days: None,
};

struct Line {
    options: Options,
    released: bool,
}

const AS_USUAL: Line = Line { options: DEFAULT, released: true };

impl Line {
    fn decides(&self, desired: &Desired, linked: bool, account: Option<&Account>) -> Decision {
        self.decides_after(false, desired, linked, account)
    }

    fn decides_after(
        &self,
        deletion_due: bool,
        desired: &Desired,
        linked: bool,
        account: Option<&Account>,
    ) -> Decision {
        let Self { options, released } = self;
        decide(&Situation { desired, linked, account, removal_released: *released, deletion_due, options })
    }
}

fn with(change: impl FnOnce(&mut Options)) -> Line {
    let mut options = DEFAULT;
    change(&mut options);
    Line { options, released: true }
}

#[test]
fn in_scope_and_enabled() {
    let (ada, there) = (user(true, "Analyst"), account(true, "Analyst"));
    assert_eq!(AS_USUAL.decides(&ada, false, None), Decision::Create);
    assert_eq!(AS_USUAL.decides(&ada, false, Some(&there)), Decision::Link);
    assert_eq!(AS_USUAL.decides(&ada, true, Some(&there)), Decision::Nothing);
    assert_eq!(AS_USUAL.decides(&ada, true, None), Decision::Create, "gone from the target");
    let Decision::Update(found) = AS_USUAL.decides(&ada, true, Some(&account(false, "Clerk"))) else {
        panic!()
    };
    let names: Vec<&str> = found.iter().map(|difference| difference.attribute.as_str()).collect();
    assert_eq!(names, ["active", "title"], "reactivated and updated in one");
}

#[test]
fn in_scope_and_disabled() {
    let (off, there) = (gone(DeprovisionReason::Disabled), account(true, "Analyst"));
    assert_eq!(AS_USUAL.decides(&off, false, None), Decision::Nothing);
    assert_eq!(AS_USUAL.decides(&user(false, "Analyst"), false, None), Decision::Create, "an inactive one");
    assert_eq!(AS_USUAL.decides(&off, true, Some(&there)), Decision::Deactivate(DeprovisionReason::Disabled));
    assert_eq!(AS_USUAL.decides(&off, false, Some(&there)), Decision::Link);
    assert_eq!(AS_USUAL.decides(&off, false, Some(&account(false, ""))), Decision::Nothing);
    let Decision::Update(found) = AS_USUAL.decides(&user(false, "Analyst"), true, Some(&there)) else {
        panic!()
    };
    assert_eq!(found.len(), 1);
}

#[test]
fn out_of_scope_or_deleted() {
    for reason in
        [DeprovisionReason::Deleted, DeprovisionReason::OutOfScope, DeprovisionReason::MovedOutOfBase]
    {
        let there = account(true, "Analyst");
        assert_eq!(AS_USUAL.decides(&gone(reason), true, Some(&there)), Decision::Deactivate(reason));
        assert_eq!(AS_USUAL.decides(&gone(reason), true, Some(&account(false, ""))), Decision::Nothing);
        assert_eq!(AS_USUAL.decides(&gone(reason), true, None), Decision::Nothing);
        assert_eq!(AS_USUAL.decides(&gone(reason), false, Some(&there)), Decision::Nothing, "never ours");
        let delete = with(|options| options.remove_action = RemoveAction::Delete);
        assert_eq!(delete.decides(&gone(reason), true, Some(&there)), Decision::Delete(reason));
    }
}

#[test]
fn nobody_is_switched_off_without_the_safety_check() {
    let unchecked = Line { options: DEFAULT, released: false };
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
fn what_an_option_stops_is_said() {
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
        "reactivating too"
    );
    let off = Decision::Deactivate(DeprovisionReason::Disabled);
    assert_eq!(
        no_update.decides(&user(false, "Analyst"), true, Some(&there)),
        off,
        "deprovisioning is another option"
    );

    let no_removal = with(|options| options.deprovision = false);
    for desired in [gone(DeprovisionReason::Deleted), gone(DeprovisionReason::Disabled), user(false, "Clerk")]
    {
        let decision = no_removal.decides(&desired, true, Some(&there));
        assert_eq!(decision, Decision::Skipped(DisabledOption::Deprovision));
    }
}

#[test]
fn an_inactive_account_is_deleted_when_its_time_is_over() {
    let (inactive, active) = (account(false, "x"), account(true, "x"));
    let out = gone(DeprovisionReason::OutOfScope);
    let due = |line: &Line, account: &Account| line.decides_after(true, &out, true, Some(account));
    assert_eq!(AS_USUAL.decides(&out, true, Some(&inactive)), Decision::Nothing);
    assert_eq!(due(&AS_USUAL, &inactive), Decision::Delete(DeprovisionReason::OutOfScope));
    // Somebody has switched it on: the time begins anew.
    assert_eq!(due(&AS_USUAL, &active), Decision::Deactivate(DeprovisionReason::OutOfScope));
    assert_eq!(due(&with(|options| options.deprovision = false), &inactive), Decision::Nothing);
    assert_eq!(due(&Line { released: false, ..AS_USUAL }, &inactive), Decision::Nothing);
    let back = user(true, "x");
    assert!(matches!(AS_USUAL.decides_after(true, &back, true, Some(&inactive)), Decision::Update(_)));
}
