//! Removals and mass changes over the limits are held; other changes continue.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{PersonEntry, STATUS, TerminalFixture, enabled_people};
use serde_json::json;

#[test]
fn one_removal_of_ten_is_within_the_limits() {
    let people = enabled_people(10);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.leave(&people[4]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[4].mail, "deactivated"]).says("1 deactivated");
    fixture.expect_active(&people[4].mail, false);
}

#[test]
fn removals_over_the_limits_are_held_with_their_reasons() {
    let people = enabled_people(21);
    let fixture = TerminalFixture::with(&people, &people[..20]).configured(|it| it.directory += STATUS);
    fixture.settle(0);
    let [deleted, disabled, left] = [&people[1], &people[2], &people[3]];
    fixture.delete(deleted);
    fixture.set(disabled, "employeeType", &["disabled"]);
    fixture.leave(left);
    fixture.join(&people[20]);
    fixture.set(&people[4], "title", &["Chief Gardener"]);

    let held = fixture.sync();
    held.expect_exit(4)
        .says_in_one_line(&[&deleted.mail, "awaiting approval", "deleted from the directory"])
        .says_in_one_line(&[&disabled.mail, "awaiting approval", "disabled in the directory"])
        .says_in_one_line(&[&left.mail, "awaiting approval", "out of scope"])
        .says("1 created, 1 updated")
        .says("3 awaiting approval")
        .says("3 of 20 accounts (15 %) would be deactivated (limit max_removal_percent = 5)")
        .says("provisioner approve ");
    for person in [deleted, disabled, left, &people[20]] {
        fixture.expect_active(&person.mail, true);
    }
    assert_eq!(fixture.account(&people[4].mail)["title"], "Chief Gardener");

    // They stay held without a request in later runs.
    fixture.workplace.clear_requests();
    let state = fixture.state().of_users();
    for _ in 2..=3 {
        fixture.sync().expect_exit(4).says("3 awaiting approval");
        fixture.expect_no_call();
        assert_eq!(fixture.state().of_users(), state);
    }
}

#[test]
fn held_removals_are_named_by_what_would_be_done() {
    let people = enabled_people(12);
    let mut fixture = TerminalFixture::of(&people).configured(|it| {
        it.directory += STATUS;
        it.options = "remove_action = \"delete\"\n".to_owned();
        it.safety = "max_removals = 1\nmax_removal_percent = 100".to_owned();
    });
    fixture.settle(0);
    fixture.leave(&people[1]);
    fixture.delete(&people[2]);
    fixture.sync().expect_exit(4).says("2 accounts would be deleted (limit max_removals = 1)");

    // Where disabled users have inactive accounts, a user who becomes disabled keeps the account.
    fixture.configure(|it| it.options += "provision_disabled = true\n");
    fixture.set(&people[3], "employeeType", &["disabled"]);
    let held = "3 accounts would be deleted or deactivated (limit max_removals = 1)";
    fixture.sync().expect_exit(4).says(held);
    fixture.run(&["status"]).says(held);
    fixture.run(&["explain", &people[3].mail]).says("deactivate").never_says("delete ");
    fixture.approve_held();
    fixture.sync().expect_exit(0).says("1 deactivated, 2 deleted");
    fixture.expect_active(&people[3].mail, false);
}

#[test]
fn hold_ends_when_the_directory_is_corrected() {
    let people = enabled_people(12);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[1..].iter().for_each(|person| fixture.leave(person));
    fixture.sync().expect_exit(4).says("11 awaiting approval");

    people[1..].iter().for_each(|person| fixture.join(person));
    fixture.sync().expect_exit(0).never_says("awaiting approval").says("11 entries examined");
    fixture.expect_no_write();
    people.iter().for_each(|person| fixture.expect_active(&person.mail, true));

    // A later removal is counted alone.
    fixture.leave(&people[5]);
    fixture.sync().expect_exit(0).says("1 deactivated");
}

#[test]
fn raised_limits_release_held_removals() {
    let people = enabled_people(12);
    let mut fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[1..5].iter().for_each(|person| fixture.leave(person));
    fixture.sync().expect_exit(4).says("4 awaiting approval");

    fixture.configure(|it| it.safety = "max_removal_percent = 50".to_owned());
    let released = fixture.sync();
    released.expect_exit(0).says("4 deactivated");
    for person in &people[1..5] {
        released.says_in_one_line(&[&person.mail, "deactivated", "out of scope"]);
        fixture.expect_active(&person.mail, false);
    }
    fixture.expect_active(&people[0].mail, true);
    fixture.settle(0).says("nothing to do");
}

#[test]
fn held_removals_count_toward_the_limits() {
    let people = enabled_people(12);
    let fixture = TerminalFixture::of(&people)
        .configured(|it| it.safety = "max_removals = 2\nmax_removal_percent = 100".to_owned());
    fixture.settle(0);
    people[1..4].iter().for_each(|person| fixture.leave(person));
    fixture.sync().expect_exit(4).says("3 awaiting approval");

    fixture.leave(&people[4]);
    fixture.sync().expect_exit(4).says("4 awaiting approval").says("Done: no action");
    fixture.expect_no_write();

    // Two of the four users return; the remaining removals are within the limit.
    fixture.join(&people[1]);
    fixture.join(&people[2]);
    fixture.sync().expect_exit(0).says("2 deactivated");
    let active = people.iter().filter(|person| fixture.account(&person.mail)["active"] == true).count();
    assert_eq!(active, 10);
}

#[test]
fn emptied_scope_deprovisions_no_user() {
    let people = enabled_people(8);
    let mut fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.configure(|it| it.scope = "filter = \"(title=A typing mistake)\"".to_owned());
    fixture.sync().expect_exit(4).says("8 awaiting approval");
    fixture.expect_no_write();

    fixture.configure(|it| it.scope = "filter = \"(objectClass=inetOrgPerson)\"".to_owned());
    fixture.sync().expect_exit(0).never_says("awaiting approval");
    fixture.expect_no_write();
}

#[test]
fn account_that_was_only_linked_is_removed_with_an_approval_alone() {
    let mut people = enabled_people(10);
    people[5..].iter_mut().for_each(|person| person.employee_type = "disabled".to_owned());
    let mut fixture = TerminalFixture::of(&people).configured(|it| it.directory += STATUS);
    for person in &people {
        let account = json!({"userName": person.mail, "active": true, "name": {"formatted": person.name()}});
        fixture.workplace.seed(account);
    }

    // The accounts existed before, and the disabled users never had them: a name is not enough to deactivate one.
    let words = ["awaiting approval", "disabled in the directory", "was never written"];
    for raised_limit in ["", "max_removal_percent = 100"] {
        fixture.configure(|it| it.safety = raised_limit.to_owned());
        let held = fixture.sync();
        held.expect_exit(4).says("5 awaiting approval");
        for person in &people[5..] {
            held.says_in_one_line(&[&[person.mail.as_str()][..], &words].concat());
            fixture.expect_active(&person.mail, true);
        }
    }
    fixture.plan().expect_exit(4).says_in_one_line(&[&[people[5].mail.as_str()][..], &words].concat());

    // A user with an account that was written is removed meanwhile.
    fixture.leave(&people[0]);
    fixture.settle(4).says("1 deactivated").says("5 awaiting approval");
    fixture.expect_active(&people[0].mail, false);
    fixture.join(&people[0]);
    fixture.approve_held();
    fixture.sync().expect_exit(0).says("5 deactivated");
    people[5..].iter().for_each(|person| fixture.expect_active(&person.mail, false));
    people[..5].iter().for_each(|person| fixture.expect_active(&person.mail, true));
}

#[test]
fn mass_rename_is_held_while_users_are_created() {
    let people = enabled_people(122);
    let (renamed, newcomers) = people.split_at(120);
    let fixture = TerminalFixture::<EmbeddedLdap>::embedded(&people, renamed);
    fixture.settle(0).says("120 created");
    // A script sets wrong addresses, and one user is hired at the same time.
    fixture.set_all(renamed, "mail", |person| vec![format!("new.{}", person.mail)]);
    fixture.enrol(&newcomers[0]);
    let words = "120 of 120 user names would change (limit max_renames = 25)";
    fixture
        .plan()
        .expect_exit(4)
        .says(words)
        .says_in_one_line(&["awaiting approval", "more user names would change than max_renames"]);
    fixture
        .sync()
        .expect_exit(4)
        .says("1 created")
        .says("120 awaiting approval")
        .says(words)
        .says("provisioner approve ");
    fixture.expect_active(&newcomers[0].mail, true);
    renamed.iter().for_each(|person| fixture.expect_active(&person.mail, true));
    fixture.run(&["status"]).expect_exit(4).says(words);

    // Additions flow in later runs too.
    fixture.enrol(&newcomers[1]);
    fixture.settle(4).says("1 created").says("120 awaiting approval");
    fixture.approve_held();
    fixture.run(&["status"]).says(": 120 of");
    fixture.sync().expect_exit(0).says("120 updated");
    renamed.iter().for_each(|person| fixture.expect_active(&format!("new.{}", person.mail), true));
    fixture.settle(0).says("nothing to do");

    // After the approval the limit counts again.
    fixture.set_all(&renamed[..26], "mail", |person| vec![person.mail.clone()]);
    fixture.settle(4).says("26 of 122 user names would change");
    fixture.expect_no_account(&renamed[0].mail);
}

#[test]
fn mass_reactivation_by_a_hidden_status_attribute_is_held() {
    let people = enabled_people(41);
    let fixture = TerminalFixture::<EmbeddedLdap>::embedded(&people, &people[..40]).configured(|it| {
        it.directory += STATUS;
        it.safety = "max_removals = 100\nmax_removal_percent = 100".to_owned();
    });
    fixture.settle(0);
    let disabled = &people[..30];
    fixture.set_all(disabled, "employeeType", |_| vec!["disabled".to_owned()]);
    fixture.settle(0).says("30 deactivated");

    fixture.set_all(&people, "employeeType", |_| Vec::new());
    fixture.enrol(&people[40]);
    for _ in 0..2 {
        fixture
            .sync()
            .expect_exit(4)
            .says("30 inactive accounts would become active (limit max_reactivations = 25)");
        disabled.iter().for_each(|person| fixture.expect_active(&person.mail, false));
    }
    fixture.expect_active(&people[40].mail, true);
    // The right is given back: the held changes are gone without an approval.
    fixture.set_all(disabled, "employeeType", |_| vec!["disabled".to_owned()]);
    fixture.settle(0).never_says("awaiting approval");
    disabled.iter().for_each(|person| fixture.expect_active(&person.mail, false));
}

#[test]
fn attribute_cleared_for_many_users_is_held() {
    let people = enabled_people(61);
    let fixture = TerminalFixture::<EmbeddedLdap>::embedded(&people, &people[..60]);
    fixture.settle(0);
    fixture.set_all(&people, "title", |_| Vec::new());
    fixture.enrol(&people[60]);
    let held = fixture.settle(4);
    held.says("title would be cleared for 60 of 60 users (limit 24 users by max_attribute_percent)")
        .says("1 created");
    for person in &people[..60] {
        assert_eq!(fixture.account(&person.mail)["title"], person.title);
    }
    fixture.set_all(&people[..60], "title", |person| vec![person.title.clone()]);
    fixture.settle(0).never_says("awaiting approval");
    fixture.expect_no_write();

    // A smaller team can change at once.
    fixture.set_all(&people[..24], "title", |_| vec!["Chief Gardener".to_owned()]);
    fixture.sync().expect_exit(0).says("24 updated");
    fixture.set_all(&people[..25], "title", |_| Vec::new());
    fixture.settle(4).says("title would be cleared for 25 of 61 users");
    fixture.approve_held();
    fixture.sync().expect_exit(0).says("25 updated");
    assert_eq!(fixture.account(&people[0].mail).get("title"), None);
}

#[test]
fn hidden_account_control_reactivates_and_creates_no_user() {
    let bitmap =
        "status = { algorithm = \"bitmap\", attribute = \"userAccountControl\", disabled_bits = 2 }\n";
    let people = enabled_people(4);
    let fixture = TerminalFixture::<EmbeddedLdap>::embedded(&people, &people[..3])
        .configured(|it| it.directory += bitmap);
    let control = |value: &'static str| move |_: &PersonEntry| vec![value.to_owned()];
    // On the first day nothing is known about the users, so they get no account.
    fixture.settle(3).says_in_one_line(&[
        "missing or invalid attribute",
        "does not show the status attribute 'userAccountControl'",
    ]);
    assert!(fixture.workplace.accounts().is_empty());
    fixture.set_all(&people, "userAccountControl", control("512"));
    fixture.settle(0).says("3 created");
    fixture.set_all(&people[..1], "userAccountControl", control("514"));
    fixture.settle(0).says("1 deactivated");

    // The right is taken away: each account stays as it is, and another user gets none.
    fixture.set_all(&people, "userAccountControl", |_| Vec::new());
    fixture.enrol(&people[3]);
    for _ in 0..2 {
        fixture
            .sync()
            .expect_exit(3)
            .says("4 missing or invalid attribute")
            .says("the reading account probably has no right to read it");
        fixture.expect_no_write();
    }
    fixture.set_all(&people[1..], "userAccountControl", control("512"));
    fixture.set_all(&people[..1], "userAccountControl", control("514"));
    fixture.settle(0).says("1 created");
    fixture.expect_active(&people[0].mail, false);
    fixture.expect_active(&people[1].mail, true);
}
