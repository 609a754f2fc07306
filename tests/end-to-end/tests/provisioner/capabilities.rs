//! The four capabilities, one by one: synchronise, provision, update, deprovision; and each option that stops one.

use end_to_end::{Configuration, GROUPS_DN, Group, SlapdOptions};
use serde_json::json;

use crate::said::{Said, switches_off};
use crate::world::{ENTERPRISE, STATUS, World, staff};

fn disabled_by_employee_type(configuration: &mut Configuration) {
    configuration.directory += STATUS;
}

#[test]
fn an_existing_account_is_linked_whatever_the_case_of_its_name_and_never_doubled() {
    let people = staff(3);
    let world = World::of(&people);
    let id = world.workplace.seed(json!({
        "userName": people[1].mail.to_uppercase(), "active": true, "title": "Trainee", "nickName": "Lulu",
        "name": {"formatted": "Somebody Else"},
    }));

    world.sync().expect_exit(0).says("Done: 2 created, 1 linked");
    assert_eq!(world.workplace.accounts().len(), 3);
    let account = world.account(&people[1].mail);
    assert_eq!(account["id"], id);
    assert_eq!(account["title"], people[1].title);
    assert_eq!(account["nickName"], "Lulu", "nobody mapped it, so it stays");

    world.workplace.clear_requests();
    world.sync().expect_exit(0);
    world.expect_no_call();
}

#[test]
fn whoever_joins_the_group_gets_an_account() {
    let people = staff(4);
    let world = World::with(&people, &people[..3]);
    world.settle(0).says("3 created");
    world.expect_no_account(&people[3].mail);

    world.join(&people[3]);
    world.sync().expect_exit(0).says("Done: 1 created (");
    assert_eq!(world.only_write().method, "POST");
    let account = world.account(&people[3].mail);
    assert_eq!(account["active"], true);
    assert_eq!(account[ENTERPRISE]["manager"]["managerId"], world.id(&people[0].mail));
}

#[test]
fn only_a_mapped_change_is_a_call() {
    let people = staff(3);
    let world = World::of(&people);
    world.settle(0);

    world.set(&people[1], "l", &["Elsewhere"]);
    world.set(&people[2], "description", &["Likes tea"]);
    world.sync().expect_exit(0).says("nothing to do");
    world.expect_no_call();

    world.set(&people[1], "title", &["Chief Gardener"]);
    world.sync().expect_exit(0).says("\"Chief Gardener\"").says("Done: 1 updated");
    let write = world.only_write();
    assert_eq!(
        (write.method.as_str(), write.body.unwrap()["title"].as_str()),
        ("PUT", Some("Chief Gardener"))
    );
    assert_eq!(world.account(&people[1].mail)["title"], "Chief Gardener");
}

#[test]
fn an_attribute_that_is_emptied_is_cleared_and_one_that_nobody_mapped_is_not() {
    let mut people = staff(2);
    people[1].telephone = Some("+49 30 1".to_owned());
    people[1].mobile = Some("+49 170 1".to_owned());
    let world = World::of(&people);
    let name = &people[1].mail;
    world.settle(0);
    assert!(world.workplace.edit(name, json!({"nickName": "Lulu", "locale": "de_DE"})));

    world.set(&people[1], "title", &[]);
    world.set(&people[1], "mobile", &[]);
    world.sync().expect_exit(0).says("(empty)").says("1 updated");
    let account = world.account(name);
    assert!(account["title"].as_str().unwrap_or_default().is_empty(), "{account:#}");
    assert_eq!(account["phoneNumbers"].as_array().unwrap().len(), 1, "{account:#}");
    assert_eq!(account["phoneNumbers"][0]["value"], "+49 30 1", "{account:#}");
    assert_eq!((&account["nickName"], &account["locale"]), (&json!("Lulu"), &json!("de_DE")));

    world.workplace.clear_requests();
    world.sync().expect_exit(0);
    world.expect_no_call();
}

#[test]
fn whoever_is_deleted_disabled_or_out_of_the_group_is_switched_off_and_told_why() {
    let people = staff(6);
    let world = World::of(&people).configured(disabled_by_employee_type);
    world.settle(0);
    let [deleted, disabled, left] = [&people[1], &people[2], &people[3]];

    for (person, reason) in [
        (deleted, "deleted from the directory"),
        (disabled, "disabled in the directory"),
        (left, "out of scope"),
    ] {
        match reason {
            "deleted from the directory" => world.delete(person),
            "disabled in the directory" => world.set(person, "employeeType", &["disabled"]),
            _ => world.leave(person),
        }
        let id = world.id(&person.mail);
        world.sync().expect_exit(0).says_in_a_line(&[&person.mail, "deactivated", reason]);
        assert!(switches_off(&world.only_write()));
        world.workplace.clear_requests();
        world.expect_active(&person.mail, false);
        assert_eq!(world.id(&person.mail), id);
    }
    for person in [&people[0], &people[4], &people[5]] {
        world.expect_active(&person.mail, true);
    }
    world.settle(0).says("nothing to do");
}

#[test]
fn a_return_reactivates_the_same_account() {
    let people = staff(5);
    let world = World::of(&people).configured(disabled_by_employee_type);
    world.settle(0);
    let [disabled, left] = [&people[2], &people[3]];
    let ids = [world.id(&disabled.mail), world.id(&left.mail)];

    world.set(disabled, "employeeType", &["disabled"]);
    world.leave(left);
    world.settle(0).says("2 deprovisioned");
    world.expect_active(&disabled.mail, false);

    world.set(disabled, "employeeType", &["active"]);
    world.set(left, "title", &["Prodigal"]);
    world.join(left);
    let back = world.sync();
    back.expect_exit(0);
    for person in [disabled, left] {
        back.says_in_a_line(&[&person.mail, "reactivated", "in scope again"]);
        world.expect_active(&person.mail, true);
    }
    assert_eq!([world.id(&disabled.mail), world.id(&left.mail)], ids);
    assert_eq!(world.account(&left.mail)["title"], "Prodigal");
    assert_eq!(world.workplace.accounts().len(), 5);
}

#[test]
fn scope_by_filter() {
    let mut people = staff(4);
    people.iter_mut().for_each(|person| person.department_number = "100".to_owned());
    people[3].department_number = "200".to_owned();
    let world = World::with(&people, &[])
        .configured(|it| it.scope = "filter = \"(&(departmentNumber=100)(!(title=Guest)))\"".to_owned());
    world.settle(0).says("3 created");
    world.expect_no_account(&people[3].mail);

    world.set(&people[3], "departmentNumber", &["100"]);
    world.set(&people[1], "title", &["Guest"]);
    world.sync().expect_exit(0).says_in_a_line(&[&people[3].mail, "created"]).says_in_a_line(&[
        &people[1].mail,
        "deactivated",
        "out of scope",
    ]);
    world.expect_active(&people[3].mail, true);
    world.expect_active(&people[1].mail, false);

    // Deleting somebody who had left changes nothing any more.
    world.workplace.clear_requests();
    world.delete(&people[1]);
    world.sync().expect_exit(0);
    world.expect_no_call();
}

#[test]
fn scope_by_the_users_own_member_of() {
    let people = staff(5);
    let other = Group::of("another", &people);
    let world = World::start(SlapdOptions {
        people: people.clone(),
        groups: vec![Group::of("workplace", &people[..3]), other],
        ..SlapdOptions::default()
    })
    .configured(|it| it.scope += "membership = \"member-of\"\n");
    world.settle(0).says("3 created");

    world.join(&people[3]);
    world.leave(&people[1]);
    world.sync().expect_exit(0).says_in_a_line(&[&people[3].mail, "created"]).says_in_a_line(&[
        &people[1].mail,
        "deactivated",
        "out of scope",
    ]);
    world.expect_no_account(&people[4].mail);
    assert_eq!(world.workplace.accounts().len(), 4);
}

#[test]
fn scope_by_the_uids_that_a_group_lists() {
    let people = staff(4);
    let posix = format!("cn=posix,{GROUPS_DN}");
    let world = World::with(&people, &[]).configured(|it| {
        it.scope = format!("group = \"{posix}\"\nmembership = \"member-uid\"\n");
    });
    let admin = world.admin();
    let attributes = [("objectClass", "posixGroup"), ("cn", "posix"), ("gidNumber", "100")];
    let members = people[..3].iter().map(|person| ("memberUid", person.uid.as_str()));
    admin.add(&posix, attributes.into_iter().chain(members)).unwrap();
    world.settle(0).says("3 created");

    admin.set(&posix, "memberUid", &[&people[0].uid, &people[1].uid, &people[3].uid]).unwrap();
    world.sync().expect_exit(0).says_in_a_line(&[&people[3].mail, "created"]).says_in_a_line(&[
        &people[2].mail,
        "deactivated",
        "out of scope",
    ]);
}

#[test]
fn a_disabled_newcomer_gets_no_account_and_one_that_is_there_is_switched_off() {
    let mut people = staff(4);
    people[2].employee_type = "disabled".to_owned();
    people[3].employee_type = "disabled".to_owned();
    let world = World::of(&people).configured(disabled_by_employee_type);
    let there = json!({"userName": people[3].mail, "active": true, "name": {"formatted": "There Before"}});
    let id = world.workplace.seed(there);

    world.sync().expect_exit(0).says("2 created").says_in_a_line(&[
        &people[3].mail,
        "deactivated",
        "disabled",
    ]);
    world.expect_no_account(&people[2].mail);
    world.expect_active(&people[3].mail, false);
    assert_eq!(world.id(&people[3].mail), id);
    world.workplace.clear_requests();
    world.sync().expect_exit(0);
    world.expect_no_call();
}

#[test]
fn a_disabled_newcomer_gets_an_inactive_account_where_disabled_users_are_provisioned() {
    let mut people = staff(4);
    people[2].employee_type = "disabled".to_owned();
    people[3].employee_type = "disabled".to_owned();
    let world = World::of(&people).configured(|it| {
        disabled_by_employee_type(it);
        it.options = "provision_disabled = true".to_owned();
    });
    let there = json!({"userName": people[3].mail, "active": true, "name": {"formatted": "There Before"}});
    let id = world.workplace.seed(there);

    world.sync().expect_exit(0).says_in_a_line(&[&people[2].mail, "created-inactive"]);
    world.expect_active(&people[2].mail, false);
    assert_eq!(world.account(&people[2].mail)["title"], people[2].title);
    world.expect_active(&people[3].mail, false);
    assert_eq!(world.account(&people[3].mail)["title"], people[3].title, "inactive ones are kept in step");
    assert_eq!(world.id(&people[3].mail), id);
    assert_eq!(world.workplace.accounts().len(), 4);

    world.workplace.clear_requests();
    world.set(&people[2], "employeeType", &["active"]);
    world.sync().expect_exit(0).says_in_a_line(&[&people[2].mail, "reactivated"]);
    world.expect_active(&people[2].mail, true);
}

#[test]
fn without_create_nobody_new_gets_an_account_until_it_is_on_again() {
    let people = staff(3);
    let mut world = World::of(&people).configured(|it| it.options = "create = false".to_owned());
    let account = json!({"userName": people[1].mail, "active": true, "name": {"formatted": "There Before"}});
    world.workplace.seed(account);

    for _ in 0..2 {
        let skipped = world.sync();
        skipped.expect_exit(0).says("2 skipped");
        for person in [&people[0], &people[2]] {
            skipped.says_in_a_line(&[&person.mail, "skipped", "options.create is off"]);
        }
        assert_eq!(world.workplace.accounts().len(), 1, "linking still happens, and nothing else");
        assert_eq!(world.account(&people[1].mail)["title"], people[1].title);
    }

    world.configure(|it| it.options = String::new());
    world.sync().expect_exit(0).says("2 created");
    assert_eq!(world.workplace.accounts().len(), 3);
}

#[test]
fn without_update_accounts_stay_as_they_are_until_it_is_on_again() {
    let people = staff(3);
    let mut world = World::of(&people);
    world.settle(0);
    world.leave(&people[2]);
    world.settle(0);
    world.configure(|it| it.options = "update = false".to_owned());
    world.set(&people[1], "title", &["Chief Gardener"]);
    // Reactivating is an update too.
    world.join(&people[2]);

    let skipped = world.sync();
    for person in [&people[1], &people[2]] {
        skipped.expect_exit(0).says_in_a_line(&[&person.mail, "skipped", "options.update is off"]);
    }
    world.expect_no_write();
    world.sync().expect_exit(0).says("2 skipped");
    world.expect_no_write();

    world.configure(|it| it.options = String::new());
    world.sync().expect_exit(0).says("2 updated");
    assert_eq!(world.account(&people[1].mail)["title"], "Chief Gardener");
    world.expect_active(&people[2].mail, true);
}

#[test]
fn without_deprovision_nobody_is_switched_off_until_it_is_on_again() {
    let people = staff(5);
    let mut world = World::of(&people).configured(|it| {
        disabled_by_employee_type(it);
        it.options = "deprovision = false".to_owned();
    });
    world.settle(0);
    let [deleted, disabled] = [&people[1], &people[2]];
    world.delete(deleted);
    world.set(disabled, "employeeType", &["disabled"]);

    for _ in 0..2 {
        let skipped = world.sync();
        for person in [deleted, disabled] {
            skipped.expect_exit(0).says_in_a_line(&[&person.mail, "skipped", "options.deprovision is off"]);
        }
        world.expect_no_write();
    }

    world.configure(|it| it.options = String::new());
    world
        .sync()
        .expect_exit(0)
        .says_in_a_line(&[&deleted.mail, "deactivated", "deleted from the directory"])
        .says_in_a_line(&[&disabled.mail, "deactivated", "disabled in the directory"]);
    world.expect_active(&deleted.mail, false);
    world.expect_active(&disabled.mail, false);
}

#[test]
fn removal_by_deleting_falls_back_to_switching_off_where_the_target_refuses() {
    let people = staff(5);
    let world = World::of(&people).configured(|it| it.options = "remove_action = \"delete\"".to_owned());
    world.settle(0);
    let [unclaimed, claimed] = [&people[1], &people[2]];
    assert!(world.workplace.set_claimed(&claimed.mail, true));

    world.leave(unclaimed);
    world.leave(claimed);
    world
        .sync()
        .expect_exit(0)
        .says_in_a_line(&[&unclaimed.mail, "deleted", "out of scope"])
        .says_in_a_line(&[&claimed.mail, "deactivated", "out of scope; the target refused to delete"]);
    let refused = world.workplace.requests().iter().filter(|request| request.status == 412).count();
    assert_eq!(refused, 1);
    world.expect_no_account(&unclaimed.mail);
    world.expect_active(&claimed.mail, false);

    let id = world.id(&claimed.mail);
    world.join(unclaimed);
    world.join(claimed);
    world
        .sync()
        .expect_exit(0)
        .says_in_a_line(&[&unclaimed.mail, "created"])
        .says_in_a_line(&[&claimed.mail, "reactivated"]);
    assert_eq!(world.id(&claimed.mail), id);
    world.expect_active(&claimed.mail, true);
    world.expect_active(&unclaimed.mail, true);
}

#[test]
fn an_account_that_vanished_from_the_target_is_made_again_when_its_user_changes() {
    let people = staff(3);
    let world = World::of(&people);
    world.settle(0);
    let old = world.id(&people[1].mail);
    assert!(world.workplace.remove(&people[1].mail));

    world.set(&people[1], "title", &["Chief Gardener"]);
    world.sync().expect_exit(0).says_in_a_line(&[&people[1].mail, "created"]);
    assert_ne!(world.id(&people[1].mail), old);
    assert_eq!(world.workplace.accounts().len(), 3);
}

#[test]
fn a_manager_without_an_account_is_referred_to_once_there_is_one() {
    let people = staff(3);
    let world = World::with(&people, &people[1..]);
    world.settle(0).says("2 created");
    let manager = |world: &World<_>| world.account(&people[1].mail)[ENTERPRISE]["manager"].clone();
    assert!(manager(&world).is_null());

    world.join(&people[0]);
    world.sync().expect_exit(0).says_in_a_line(&[&people[0].mail, "created"]);
    for person in &people[1..] {
        let account = world.account(&person.mail);
        assert_eq!(account[ENTERPRISE]["manager"]["managerId"], world.id(&people[0].mail), "{account:#}");
    }
}
