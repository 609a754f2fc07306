//! Record plans, one line per case.

use DeprovisionReason::{Deleted, Disabled, OutOfScope};
use model::{DnKey, Fingerprint, UserName};

use super::*;
use crate::test_values::{link, record, user};

fn present(active: bool, title: &str) -> Desired {
    Desired::Present(user(active, title))
}

fn absent(reason: DeprovisionReason) -> Desired {
    Desired::Absent { user_name: UserName::new("Ada@acme.test").ok(), reason }
}

fn home() -> DnKey {
    DnKey::of("cn=ada")
}

fn change(observation: Observation) -> EntryChange {
    EntryChange {
        anchor: record("ada").anchor,
        dn: home(),
        observation,
        fingerprint: Fingerprint([1; 16]),
        ambiguous: None,
    }
}

/// A record at home with an account that was last written as the active or inactive poet.
fn linked(desired: Desired, applied_active: bool) -> UserRecord {
    UserRecord {
        dn: Some(home()),
        desired: Some(desired),
        link: link(&user(applied_active, "Poet")),
        ..record("ada")
    }
}

/// A record at home without an account.
fn unlinked(desired: Desired) -> UserRecord {
    UserRecord { dn: Some(home()), desired: Some(desired), ..record("ada") }
}

fn in_status(status: Status, record: UserRecord) -> UserRecord {
    UserRecord { status, ..record }
}

/// A plan in a few words.
fn show(plan: RecordPlan) -> String {
    match plan {
        RecordPlan::Nothing => "nothing".to_owned(),
        RecordPlan::SetDesired { desired, status } => {
            format!("set {} {}", show_desired(&desired), status.word())
        }
        RecordPlan::SetStatus(status) => format!("status {}", status.word()),
        RecordPlan::Remove(candidate) => {
            let RemovalCandidate { anchor, dn, user_name, reason, desired, never_written } = candidate;
            assert!(!never_written, "the account was written");
            assert_eq!(anchor, record("ada").anchor);
            assert_eq!(user_name, UserName::new("ada@acme.test").ok());
            let place = if dn == Some(home()) { "at home" } else { "nowhere" };
            format!("remove {} {place}: {}", show_desired(&desired), reason.word())
        }
    }
}

fn show_desired(desired: &Desired) -> &'static str {
    match desired {
        Desired::Present(user) if user.active => "active",
        Desired::Present(_) => "inactive",
        Desired::Absent { .. } => "absent",
    }
}

fn failed() -> Status {
    Status::Failed { error: "no".into() }
}

fn held() -> Status {
    Status::Held { reason: OutOfScope, hold: HoldReason::OverLimit }
}

#[test]
fn change_of_an_entry_without_a_record_is_written() {
    let plan = |desired| show(plan_change(&change(Observation::Valid(desired)), None));
    assert_eq!(plan(present(true, "Poet")), "set active pending");
    assert_eq!(plan(absent(Disabled)), "set absent pending", "an account with this name may exist");
    assert_eq!(plan(absent(Deleted)), "set absent in_sync");
}

#[test]
fn change_of_a_present_user_is_written_unless_recorded() {
    let poet = || present(true, "Poet");
    let moved = UserRecord { dn: Some(DnKey::of("cn=ada,ou=x")), ..linked(poet(), true) };
    for (record, desired, expected) in [
        (linked(poet(), true), poet(), "nothing"),
        (moved, poet(), "set active in_sync"),
        (linked(present(true, "Analyst"), true), poet(), "set active in_sync"),
        (linked(poet(), true), present(true, "Analyst"), "set active pending"),
        (in_status(Status::Pending, linked(poet(), true)), poet(), "nothing"),
        (in_status(Status::Retrying { error: "no".into() }, linked(poet(), true)), poet(), "nothing"),
        (in_status(failed(), linked(poet(), true)), poet(), "nothing"),
        (in_status(failed(), linked(poet(), true)), present(true, "Analyst"), "set active pending"),
        (in_status(Status::Conflict { owner: record("x").anchor }, unlinked(poet())), poet(), "nothing"),
        (in_status(held(), linked(poet(), true)), poet(), "set active pending"),
        (
            in_status(Status::Skipped { option: model::DisabledOption::Update }, linked(poet(), true)),
            poet(),
            "set active pending",
        ),
        (
            in_status(Status::Invalid { error: "no".into(), dn: None }, unlinked(poet())),
            poet(),
            "set active pending",
        ),
        (
            in_status(Status::PendingDeletion { reason: Deleted }, linked(absent(Deleted), false)),
            poet(),
            "set active pending",
        ),
        (linked(absent(Deleted), false), poet(), "set active pending"),
    ] {
        let plan = plan_change(&change(Observation::Valid(desired)), Some(&record));
        assert_eq!(show(plan), expected, "{record:?}");
    }
}

#[test]
fn change_that_deprovisions_an_active_account_is_a_removal() {
    let disabled = || absent(Disabled);
    let released = UserRecord { removal_released: true, ..linked(disabled(), true) };
    let moved = UserRecord { dn: None, ..released.clone() };
    for (record, desired, expected) in [
        (linked(present(true, "Poet"), true), disabled(), "remove absent at home: disabled"),
        (linked(present(true, "Poet"), true), present(false, "Poet"), "remove inactive at home: disabled"),
        (linked(disabled(), true), disabled(), "remove absent at home: disabled"),
        (released.clone(), disabled(), "nothing"),
        (released, present(false, "Poet"), "remove inactive at home: disabled"),
        (moved, disabled(), "remove absent at home: disabled"),
        (linked(disabled(), false), disabled(), "nothing"),
        (linked(absent(OutOfScope), false), disabled(), "set absent in_sync"),
        (
            in_status(Status::PendingDeletion { reason: Deleted }, linked(absent(Deleted), false)),
            disabled(),
            "nothing",
        ),
        (
            in_status(Status::PendingDeletion { reason: Deleted }, linked(absent(Deleted), false)),
            present(false, "Poet"),
            "set inactive pending",
        ),
        (unlinked(disabled()), disabled(), "nothing"),
        (unlinked(present(true, "Poet")), disabled(), "set absent pending"),
    ] {
        let plan = plan_change(&change(Observation::Valid(desired)), Some(&record));
        assert_eq!(show(plan), expected, "{record:?}");
    }
}

#[test]
fn invalid_entry_changes_the_status_once() {
    let invalid = |error: &str| change(Observation::Invalid { error: error.to_owned(), dn: None });
    let known =
        in_status(Status::Invalid { error: "no mail".into(), dn: None }, linked(present(true, "Poet"), true));
    assert_eq!(show(plan_change(&invalid("no mail"), None)), "status invalid");
    assert_eq!(show(plan_change(&invalid("no mail"), Some(&known))), "nothing");
    assert_eq!(show(plan_change(&invalid("no title"), Some(&known))), "status invalid");
}

#[test]
fn departure_removes_an_active_account_and_records_the_rest() {
    let pending_deletion = || Status::PendingDeletion { reason: OutOfScope };
    for (record, expected) in [
        (linked(present(true, "Poet"), true), "remove absent nowhere: deleted"),
        (
            UserRecord { removal_released: true, ..linked(present(true, "Poet"), true) },
            "remove absent nowhere: deleted",
        ),
        (UserRecord { removal_released: true, ..linked(absent(OutOfScope), true) }, "nothing"),
        (linked(absent(Deleted), true), "remove absent nowhere: deleted"),
        (linked(absent(Deleted), false), "nothing"),
        (in_status(failed(), linked(absent(Deleted), false)), "set absent in_sync"),
        (linked(absent(OutOfScope), false), "set absent in_sync"),
        (linked(present(false, "Poet"), false), "set absent in_sync"),
        (in_status(pending_deletion(), linked(absent(OutOfScope), false)), "nothing"),
        (in_status(pending_deletion(), linked(present(false, "Poet"), false)), "set absent in_sync"),
        (unlinked(present(true, "Poet")), "set absent in_sync"),
    ] {
        assert_eq!(show(plan_departure(&record, Deleted)), expected, "{record:?}");
    }
}

#[test]
fn removal_tells_whether_the_account_was_ever_written() {
    let account = link(&user(true, "Poet"));
    let only_linked = account.map(|account| model::AccountLink { applied: None, ..account });
    let record = UserRecord { link: only_linked, ..linked(absent(Disabled), true) };
    for plan in [
        plan_change(&change(Observation::Valid(absent(Disabled))), Some(&record)),
        plan_departure(&record, Deleted),
        plan_held(&record),
    ] {
        assert!(matches!(&plan, RecordPlan::Remove(candidate) if candidate.never_written), "{plan:?}");
    }
}

#[test]
fn held_removal_is_planned_again_unless_the_user_returned() {
    for (record, expected) in [
        (linked(absent(Disabled), true), "remove absent at home: disabled"),
        (linked(present(false, "Poet"), true), "remove inactive at home: disabled"),
        (in_status(held(), linked(present(true, "Poet"), true)), "status pending"),
        (linked(absent(Disabled), false), "status in_sync"),
        (UserRecord { desired: None, ..linked(absent(Disabled), true) }, "nothing"),
    ] {
        assert_eq!(show(plan_held(&record)), expected, "{record:?}");
    }
}

#[test]
fn status_is_in_sync_only_after_a_recorded_outcome() {
    let poet = || present(true, "Poet");
    let nameless = Desired::Absent { user_name: None, reason: Disabled };
    for (desired, record, expected) in [
        (poet(), None, "pending"),
        (poet(), Some(unlinked(poet())), "pending"),
        (poet(), Some(linked(poet(), true)), "in_sync"),
        (poet(), Some(in_status(Status::Pending, linked(poet(), true))), "pending"),
        (present(true, "Analyst"), Some(linked(poet(), true)), "pending"),
        (absent(Disabled), None, "pending"),
        (nameless, None, "in_sync"),
        (absent(Deleted), None, "in_sync"),
        (absent(Disabled), Some(linked(poet(), true)), "held"),
        (absent(Disabled), Some(linked(absent(Disabled), false)), "in_sync"),
        (absent(Deleted), Some(linked(absent(Deleted), false)), "in_sync"),
    ] {
        assert_eq!(status_for(&desired, record.as_ref()).word(), expected, "{desired:?} {record:?}");
    }
    let status = status_for(&absent(OutOfScope), Some(&linked(absent(OutOfScope), true)));
    assert_eq!(status, Status::Held { reason: OutOfScope, hold: HoldReason::AwaitingSafeguard });
}
