//! The four capabilities (synchronise, provision, update, deprovision), and each option that stops one.

use end_to_end::{
    ENTERPRISE, GROUPS_DN, GroupEntry, STATUS, SlapdOptions, TerminalFixture, TestConfiguration, deactivates,
    enabled_people,
};
use serde_json::json;

fn disabled_by_employee_type(configuration: &mut TestConfiguration) {
    configuration.directory += STATUS;
}

#[test]
fn existing_account_is_linked_without_regard_to_case() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    let id = fixture.workplace.seed(json!({
        "userName": people[1].mail.to_uppercase(), "active": true, "title": "Trainee", "nickName": "Lulu",
        "name": {"formatted": "Another Name"},
    }));

    fixture.plan().says("Plan: 2 create, 1 update (3 in scope; 1 existing account would be linked)");
    fixture.sync().expect_exit(0).says("Done: 2 created, 1 linked");
    assert_eq!(fixture.workplace.accounts().len(), 3);
    let account = fixture.account(&people[1].mail);
    assert_eq!(account["id"], id);
    assert_eq!(account["title"], people[1].title);
    assert_eq!(account["nickName"], "Lulu", "unmapped attributes stay");

    fixture.workplace.clear_requests();
    fixture.sync().expect_exit(0);
    fixture.expect_no_call();
}

#[test]
fn user_who_joins_the_group_gets_an_account() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::with(&people, &people[..3]);
    fixture.settle(0).says("3 created");
    fixture.expect_no_account(&people[3].mail);

    fixture.join(&people[3]);
    fixture.sync().expect_exit(0).says("Done: 1 created (");
    assert_eq!(fixture.only_write().method, "POST");
    let account = fixture.account(&people[3].mail);
    assert_eq!(account["active"], true);
    assert_eq!(account[ENTERPRISE]["manager"]["managerId"], fixture.id(&people[0].mail));
}

#[test]
fn only_a_mapped_change_causes_a_call() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);

    fixture.set(&people[1], "l", &["Elsewhere"]);
    fixture.set(&people[2], "description", &["Likes tea"]);
    fixture.sync().expect_exit(0).says("nothing to do");
    fixture.expect_no_call();

    fixture.set(&people[1], "title", &["Chief Gardener"]);
    fixture.sync().expect_exit(0).says("\"Chief Gardener\"").says("Done: 1 updated");
    let write = fixture.only_write();
    assert_eq!(
        (write.method.as_str(), write.body.unwrap()["title"].as_str()),
        ("PUT", Some("Chief Gardener"))
    );
    assert_eq!(fixture.account(&people[1].mail)["title"], "Chief Gardener");
}

#[test]
fn emptied_attribute_is_cleared_and_unmapped_one_is_kept() {
    let mut people = enabled_people(2);
    people[1].telephone = Some("+49 30 1".to_owned());
    people[1].mobile = Some("+49 170 1".to_owned());
    let fixture = TerminalFixture::of(&people);
    let name = &people[1].mail;
    fixture.settle(0);
    assert!(fixture.workplace.edit(name, json!({"nickName": "Lulu", "locale": "de_DE"})));

    fixture.set(&people[1], "title", &[]);
    fixture.set(&people[1], "mobile", &[]);
    fixture.sync().expect_exit(0).says("(empty)").says("1 updated");
    let account = fixture.account(name);
    assert!(account["title"].as_str().unwrap_or_default().is_empty(), "{account:#}");
    assert_eq!(account["phoneNumbers"].as_array().unwrap().len(), 1, "{account:#}");
    assert_eq!(account["phoneNumbers"][0]["value"], "+49 30 1", "{account:#}");
    assert_eq!((&account["nickName"], &account["locale"]), (&json!("Lulu"), &json!("de_DE")));

    fixture.workplace.clear_requests();
    fixture.sync().expect_exit(0);
    fixture.expect_no_call();
}

#[test]
fn deleted_disabled_and_removed_users_are_deactivated_with_the_reason() {
    let people = enabled_people(6);
    let fixture = TerminalFixture::of(&people).configured(disabled_by_employee_type);
    fixture.settle(0);
    let [deleted, disabled, left] = [&people[1], &people[2], &people[3]];

    for (person, reason) in [
        (deleted, "deleted from the directory"),
        (disabled, "disabled in the directory"),
        (left, "out of scope"),
    ] {
        match reason {
            "deleted from the directory" => fixture.delete(person),
            "disabled in the directory" => fixture.set(person, "employeeType", &["disabled"]),
            _ => fixture.leave(person),
        }
        let id = fixture.id(&person.mail);
        fixture.sync().expect_exit(0).says_in_one_line(&[&person.mail, "deactivated", reason]);
        assert!(deactivates(&fixture.only_write()));
        fixture.workplace.clear_requests();
        fixture.expect_active(&person.mail, false);
        assert_eq!(fixture.id(&person.mail), id);
    }
    for person in [&people[0], &people[4], &people[5]] {
        fixture.expect_active(&person.mail, true);
    }
    fixture.settle(0).says("nothing to do");
}

#[test]
fn returning_user_reactivates_the_same_account() {
    let people = enabled_people(5);
    let fixture = TerminalFixture::of(&people).configured(disabled_by_employee_type);
    fixture.settle(0);
    let [disabled, left] = [&people[2], &people[3]];
    let ids = [fixture.id(&disabled.mail), fixture.id(&left.mail)];

    fixture.set(disabled, "employeeType", &["disabled"]);
    fixture.leave(left);
    fixture.settle(0).says("2 deactivated");
    fixture.expect_active(&disabled.mail, false);

    fixture.set(disabled, "employeeType", &["active"]);
    fixture.set(left, "title", &["Prodigal"]);
    fixture.join(left);
    let back = fixture.sync();
    back.expect_exit(0);
    for person in [disabled, left] {
        back.says_in_one_line(&[&person.mail, "reactivated", "in scope again"]);
        fixture.expect_active(&person.mail, true);
    }
    assert_eq!([fixture.id(&disabled.mail), fixture.id(&left.mail)], ids);
    assert_eq!(fixture.account(&left.mail)["title"], "Prodigal");
    assert_eq!(fixture.workplace.accounts().len(), 5);
}

#[test]
fn scope_by_filter() {
    let mut people = enabled_people(4);
    people.iter_mut().for_each(|person| person.department_number = "100".to_owned());
    people[3].department_number = "200".to_owned();
    let fixture = TerminalFixture::with(&people, &[])
        .configured(|it| it.scope = "filter = \"(&(departmentNumber=100)(!(title=Guest)))\"".to_owned());
    fixture.settle(0).says("3 created");
    fixture.expect_no_account(&people[3].mail);

    fixture.set(&people[3], "departmentNumber", &["100"]);
    fixture.set(&people[1], "title", &["Guest"]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[3].mail, "created"]).says_in_one_line(&[
        &people[1].mail,
        "deactivated",
        "out of scope",
    ]);
    fixture.expect_active(&people[3].mail, true);
    fixture.expect_active(&people[1].mail, false);

    // Deleting a user who is out of scope already changes nothing.
    fixture.workplace.clear_requests();
    fixture.delete(&people[1]);
    fixture.sync().expect_exit(0);
    fixture.expect_no_call();
}

#[test]
fn scope_by_member_of() {
    let people = enabled_people(5);
    let other = GroupEntry::of("another", &people);
    let fixture = TerminalFixture::start(SlapdOptions {
        people: people.clone(),
        groups: vec![GroupEntry::of("workplace", &people[..3]), other],
        ..SlapdOptions::default()
    })
    .configured(|it| it.scope += "membership = \"member-of\"\n");
    fixture.settle(0).says("3 created");

    fixture.join(&people[3]);
    fixture.leave(&people[1]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[3].mail, "created"]).says_in_one_line(&[
        &people[1].mail,
        "deactivated",
        "out of scope",
    ]);
    fixture.expect_no_account(&people[4].mail);
    assert_eq!(fixture.workplace.accounts().len(), 4);
}

#[test]
fn scope_by_member_uid() {
    let people = enabled_people(4);
    let posix = format!("cn=posix,{GROUPS_DN}");
    let fixture = TerminalFixture::with(&people, &[]).configured(|it| {
        it.scope = format!("group = \"{posix}\"\nmembership = \"member-uid\"\n");
    });
    let admin = fixture.admin();
    let attributes = [("objectClass", "posixGroup"), ("cn", "posix"), ("gidNumber", "100")];
    let members = people[..3].iter().map(|person| ("memberUid", person.uid.as_str()));
    admin.add(&posix, attributes.into_iter().chain(members)).unwrap();
    fixture.settle(0).says("3 created");

    admin.set(&posix, "memberUid", &[&people[0].uid, &people[1].uid, &people[3].uid]).unwrap();
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[3].mail, "created"]).says_in_one_line(&[
        &people[2].mail,
        "deactivated",
        "out of scope",
    ]);
}

#[test]
fn disabled_user_gets_no_account_and_an_existing_one_is_deactivated() {
    let mut people = enabled_people(4);
    people[2].employee_type = "disabled".to_owned();
    people[3].employee_type = "disabled".to_owned();
    let fixture = TerminalFixture::of(&people).configured(disabled_by_employee_type);
    let there = json!({"userName": people[3].mail, "active": true, "name": {"formatted": "There Before"}});
    let id = fixture.workplace.seed(there);

    // The account was never written, so it is deactivated with an approval alone.
    fixture.sync().expect_exit(4).says("2 created").says_in_one_line(&[
        &people[3].mail,
        "awaiting approval",
        "disabled",
    ]);
    fixture.expect_active(&people[3].mail, true);
    fixture.approve_held();
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[3].mail, "deactivated", "disabled"]);
    fixture.expect_no_account(&people[2].mail);
    fixture.expect_active(&people[3].mail, false);
    assert_eq!(fixture.id(&people[3].mail), id);
    fixture.workplace.clear_requests();
    fixture.sync().expect_exit(0);
    fixture.expect_no_call();
}

#[test]
fn provision_disabled_creates_inactive_accounts() {
    let mut people = enabled_people(4);
    people[2].employee_type = "disabled".to_owned();
    people[3].employee_type = "disabled".to_owned();
    let fixture = TerminalFixture::of(&people).configured(|it| {
        disabled_by_employee_type(it);
        it.options = "provision_disabled = true".to_owned();
    });
    let there = json!({"userName": people[3].mail, "active": true, "name": {"formatted": "There Before"}});
    let id = fixture.workplace.seed(there);

    fixture.sync().expect_exit(4).says_in_one_line(&[&people[2].mail, "created (inactive)"]);
    fixture.approve_held();
    fixture.sync().expect_exit(0);
    fixture.expect_active(&people[2].mail, false);
    assert_eq!(fixture.account(&people[2].mail)["title"], people[2].title);
    fixture.expect_active(&people[3].mail, false);
    assert_eq!(fixture.account(&people[3].mail)["title"], people[3].title, "inactive accounts are updated");
    assert_eq!(fixture.id(&people[3].mail), id);
    assert_eq!(fixture.workplace.accounts().len(), 4);

    fixture.workplace.clear_requests();
    fixture.set(&people[2], "employeeType", &["active"]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[2].mail, "reactivated"]);
    fixture.expect_active(&people[2].mail, true);
}

#[test]
fn create_off_skips_creations_until_it_is_on() {
    let people = enabled_people(3);
    let mut fixture = TerminalFixture::of(&people).configured(|it| it.options = "create = false".to_owned());
    let account = json!({"userName": people[1].mail, "active": true, "name": {"formatted": "There Before"}});
    fixture.workplace.seed(account);

    for _ in 0..2 {
        let skipped = fixture.sync();
        skipped.expect_exit(0).says("2 skipped");
        for person in [&people[0], &people[2]] {
            skipped.says_in_one_line(&[&person.mail, "skipped", "options.create is off"]);
        }
        assert_eq!(fixture.workplace.accounts().len(), 1, "linking still happens, and nothing else");
        assert_eq!(fixture.account(&people[1].mail)["title"], people[1].title);
    }

    fixture.configure(|it| it.options = String::new());
    fixture.sync().expect_exit(0).says("2 created");
    assert_eq!(fixture.workplace.accounts().len(), 3);
}

#[test]
fn update_off_skips_updates_until_it_is_on() {
    let people = enabled_people(3);
    let mut fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.leave(&people[2]);
    fixture.settle(0);
    fixture.configure(|it| it.options = "update = false".to_owned());
    fixture.set(&people[1], "title", &["Chief Gardener"]);
    // Reactivating is an update too.
    fixture.join(&people[2]);

    let skipped = fixture.sync();
    for person in [&people[1], &people[2]] {
        skipped.expect_exit(0).says_in_one_line(&[&person.mail, "skipped", "options.update is off"]);
    }
    fixture.expect_no_write();
    fixture.sync().expect_exit(0).says("2 skipped");
    fixture.expect_no_write();

    fixture.configure(|it| it.options = String::new());
    fixture.sync().expect_exit(0).says("1 updated, 1 reactivated");
    assert_eq!(fixture.account(&people[1].mail)["title"], "Chief Gardener");
    fixture.expect_active(&people[2].mail, true);
}

#[test]
fn deprovision_off_skips_removals_until_it_is_on() {
    let people = enabled_people(5);
    let mut fixture = TerminalFixture::of(&people).configured(|it| {
        disabled_by_employee_type(it);
        it.options = "deprovision = false".to_owned();
    });
    fixture.settle(0);
    let [deleted, disabled] = [&people[1], &people[2]];
    fixture.delete(deleted);
    fixture.set(disabled, "employeeType", &["disabled"]);

    for _ in 0..2 {
        let skipped = fixture.sync();
        for person in [deleted, disabled] {
            skipped.expect_exit(0).says_in_one_line(&[&person.mail, "skipped", "options.deprovision is off"]);
        }
        fixture.expect_no_write();
    }

    fixture.configure(|it| it.options = String::new());
    fixture
        .sync()
        .expect_exit(0)
        .says_in_one_line(&[&deleted.mail, "deactivated", "deleted from the directory"])
        .says_in_one_line(&[&disabled.mail, "deactivated", "disabled in the directory"]);
    fixture.expect_active(&deleted.mail, false);
    fixture.expect_active(&disabled.mail, false);
}

#[test]
fn refused_deletion_falls_back_to_deactivation() {
    let people = enabled_people(5);
    let fixture =
        TerminalFixture::of(&people).configured(|it| it.options = "remove_action = \"delete\"".to_owned());
    fixture.settle(0);
    let [unclaimed, claimed] = [&people[1], &people[2]];
    assert!(fixture.workplace.set_claimed(&claimed.mail, true));

    fixture.leave(unclaimed);
    fixture.leave(claimed);
    fixture
        .sync()
        .expect_exit(0)
        .says_in_one_line(&[&unclaimed.mail, "deleted", "out of scope"])
        .says_in_one_line(&[&claimed.mail, "deactivated", "out of scope; the target refused to delete"]);
    let refused = fixture.workplace.requests().iter().filter(|request| request.status == 412).count();
    assert_eq!(refused, 1);
    fixture.expect_no_account(&unclaimed.mail);
    fixture.expect_active(&claimed.mail, false);

    let id = fixture.id(&claimed.mail);
    fixture.join(unclaimed);
    fixture.join(claimed);
    fixture
        .sync()
        .expect_exit(0)
        .says_in_one_line(&[&unclaimed.mail, "created"])
        .says_in_one_line(&[&claimed.mail, "reactivated"]);
    assert_eq!(fixture.id(&claimed.mail), id);
    fixture.expect_active(&claimed.mail, true);
    fixture.expect_active(&unclaimed.mail, true);
}

#[test]
fn deleted_account_is_recreated_when_its_user_changes() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let old = fixture.id(&people[1].mail);
    assert!(fixture.workplace.remove(&people[1].mail));

    fixture.set(&people[1], "title", &["Chief Gardener"]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[1].mail, "created"]);
    assert_ne!(fixture.id(&people[1].mail), old);
    assert_eq!(fixture.workplace.accounts().len(), 3);
}

#[test]
fn manager_reference_follows_the_managers_account() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::with(&people, &people[1..]);
    fixture.settle(0).says("2 created");
    let manager =
        |fixture: &TerminalFixture<_>| fixture.account(&people[1].mail)[ENTERPRISE]["manager"].clone();
    assert!(manager(&fixture).is_null());

    fixture.join(&people[0]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[0].mail, "created"]);
    for person in &people[1..] {
        let account = fixture.account(&person.mail);
        assert_eq!(account[ENTERPRISE]["manager"]["managerId"], fixture.id(&people[0].mail), "{account:#}");
    }
}
