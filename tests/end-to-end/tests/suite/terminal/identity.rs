//! One user keeps one account through renames, moves, deletion and return, and conflicts of names.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{
    ENTERPRISE, PersonEntry, STATUS, Slapd, TerminalFixture, deactivates, enabled_people, request_lines,
    workplace_group,
};
use serde_json::json;

#[track_caller]
fn expect_no_deactivation(fixture: &TerminalFixture<Slapd>) {
    let writes = fixture.workplace.writes();
    assert!(!writes.iter().any(deactivates), "an account was deactivated:\n{}", request_lines(&writes));
}

/// Deletes the entry and adds it again, with a new anchor.
fn recreate_entry(fixture: &TerminalFixture<Slapd>, person: &PersonEntry) {
    let before = fixture.admin().values(&person.dn(), "entryUUID").unwrap();
    fixture.delete(person);
    fixture.hire(person);
    assert_ne!(fixture.admin().values(&person.dn(), "entryUUID").unwrap(), before);
}

#[test]
fn rename_keeps_the_account() {
    let people = enabled_people(5);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let ids: Vec<u64> = people.iter().map(|person| fixture.id(&person.mail)).collect();
    let admin = fixture.admin();

    // The entry's name and unit are not mapped.
    admin.rename(&people[1].dn(), "uid=renamed.one").unwrap();
    let elsewhere = admin.add_unit("elsewhere").unwrap();
    admin.move_to(&people[2].dn(), &elsewhere).unwrap();
    fixture.sync().expect_exit(0).says("nothing to do");
    fixture.expect_no_call();

    // A changed user name renames the account.
    fixture.set(&people[3], "mail", &["three@acme.test"]);
    fixture.sync().expect_exit(0).says_in_one_line(&["three@acme.test", "updated"]);
    assert_eq!(fixture.only_write().method, "PUT");
    fixture.expect_no_account(&people[3].mail);

    // Name, unit, user name and attributes change together.
    let renamed = admin.rename(&people[4].dn(), "uid=renamed.four").unwrap();
    let moved = admin.move_to(&renamed, &elsewhere).unwrap();
    for (attribute, value) in [("mail", "four@acme.test"), ("sn", "Renamed"), ("cn", "Four Renamed")] {
        admin.set(&moved, attribute, &[value]).unwrap();
    }
    fixture.sync().expect_exit(0).says_in_one_line(&["four@acme.test", "updated"]);
    assert_eq!(fixture.account("four@acme.test")["name"]["familyName"], "Renamed");

    let names = [&people[0].mail, &people[1].mail, &people[2].mail, "three@acme.test", "four@acme.test"];
    assert_eq!(names.map(|name| fixture.id(name)).to_vec(), ids);
    assert_eq!(fixture.workplace.accounts().len(), 5);
    expect_no_deactivation(&fixture);

    // The anchor still identifies the entry: its deletion is found under the new name.
    admin.delete(&moved).unwrap();
    fixture.sync().expect_exit(0).says_in_one_line(&["four@acme.test", "deactivated", "deleted"]);
    assert_eq!(fixture.id("four@acme.test"), ids[4]);
}

#[test]
fn released_user_name_passes_to_another_account() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let [first, second] = [&people[1], &people[2]];
    let ids = [fixture.id(&first.mail), fixture.id(&second.mail)];

    fixture.set(first, "mail", &["married@acme.test"]);
    fixture.set(second, "mail", &[&first.mail]);
    // The first user provisioned conflicts with the other's old name, and is retried.
    fixture.sync().expect_exit(0);
    assert_eq!([fixture.id("married@acme.test"), fixture.id(&first.mail)], ids);
    assert_eq!(fixture.workplace.accounts().len(), 4);
    expect_no_deactivation(&fixture);
}

#[test]
fn released_user_name_passes_to_a_new_user() {
    let mut people = enabled_people(4);
    people[3].mail = people[1].mail.clone();
    let fixture = TerminalFixture::with(&people, &people[..3]);
    fixture.settle(0);
    let id = fixture.id(&people[1].mail);

    fixture.set(&people[1], "mail", &["married@acme.test"]);
    fixture.join(&people[3]);
    // The first user provisioned may still conflict with the old name until the next scan.
    fixture.sync();
    fixture.sync().expect_exit(0);
    assert_eq!(fixture.id("married@acme.test"), id);
    assert_eq!(fixture.workplace.accounts().len(), 4);
    assert_eq!(fixture.account(&people[3].mail)["name"]["formatted"], people[3].name());
    expect_no_deactivation(&fixture);
}

#[test]
fn swapped_user_names_are_exchanged_in_one_run() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let [one, other] = [&people[1], &people[2]];
    let ids = [fixture.id(&one.mail), fixture.id(&other.mail)];

    fixture.set(one, "mail", &[&other.mail]);
    fixture.set(other, "mail", &[&one.mail]);
    fixture.sync().expect_exit(0).says("2 updated");
    assert_eq!([fixture.id(&other.mail), fixture.id(&one.mail)], ids);
    assert_eq!(fixture.workplace.accounts().len(), 4);
    fixture.settle(0).says("nothing to do");
    expect_no_deactivation(&fixture);
}

#[test]
fn recreated_entry_takes_over_the_account_in_one_scan() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let id = fixture.id(&people[2].mail);

    recreate_entry(&fixture, &people[2]);
    fixture.sync().expect_exit(0).never_says("deactivated");
    assert_eq!(fixture.id(&people[2].mail), id);
    fixture.expect_active(&people[2].mail, true);
    expect_no_deactivation(&fixture);
    assert_eq!(fixture.workplace.accounts().len(), 4);

    // The account belongs to the new entry: changes reach it, and the old entry's removal is finished.
    fixture.workplace.clear_requests();
    fixture.sync().expect_exit(0).says("nothing to do");
    fixture.expect_no_call();
    fixture.set(&people[2], "title", &["Second Self"]);
    fixture.sync().expect_exit(0);
    assert_eq!(fixture.account(&people[2].mail)["title"], "Second Self");
    expect_no_deactivation(&fixture);

    fixture.delete(&people[2]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[2].mail, "deactivated", "deleted"]);
    fixture.expect_active(&people[2].mail, false);
}

#[test]
fn entry_recreated_elsewhere_takes_over_the_account() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let id = fixture.id(&people[2].mail);

    let anew = PersonEntry {
        uid: "another.uid".to_owned(),
        unit: "elsewhere".to_owned(),
        title: "Second Self".to_owned(),
        mail: people[2].mail.to_uppercase(),
        ..people[2].clone()
    };
    fixture.delete(&people[2]);
    fixture.hire(&anew);
    fixture.sync().expect_exit(0).never_says("deactivated");
    assert_eq!(fixture.id(&people[2].mail), id);
    assert_eq!(fixture.account(&people[2].mail)["title"], "Second Self");
    expect_no_deactivation(&fixture);
}

#[test]
fn provisioned_account_of_a_disabled_entry_passes_with_an_approval() {
    let mut people = enabled_people(5);
    people[4].mail = people[1].mail.clone();
    let fixture = TerminalFixture::with(&people, &people[..4]).configured(|it| {
        it.directory += STATUS;
        it.options = "provision_disabled = true\n".to_owned();
    });
    fixture.settle(0);
    let (away, taker) = (&people[1], &people[4]);
    let id = fixture.id(&away.mail);
    fixture.set(away, "employeeType", &["disabled"]);
    fixture.settle(0);
    fixture.expect_active(&away.mail, false);

    fixture.join(taker);
    fixture.settle(3).says("1 accounts or user names would pass from disabled entries to others");
    fixture.expect_active(&away.mail, false);
    assert_eq!(fixture.account(&away.mail)["name"]["formatted"], away.name());
    fixture.approve_held();
    fixture.sync().expect_exit(0);
    assert_eq!(fixture.id(&taker.mail), id);
    fixture.expect_active(&taker.mail, true);
    assert_eq!(fixture.account(&taker.mail)["name"]["formatted"], taker.name());
    fixture.settle(0).says("nothing to do");
}

#[test]
fn account_of_a_disabled_entry_passes_with_an_approval_alone() {
    let mut people = enabled_people(5);
    people[4].mail = people[1].mail.clone();
    let fixture = TerminalFixture::with(&people, &people[..4]).configured(|it| it.directory += STATUS);
    fixture.settle(0);
    let (away, taker) = (&people[1], &people[4]);
    let id = fixture.id(&away.mail);
    fixture.set(away, "employeeType", &["disabled"]);
    fixture.settle(0).says("1 deactivated");

    fixture.join(taker);
    for _ in 0..2 {
        fixture.settle(3).says("1 accounts or user names would pass from disabled entries to others");
        fixture.expect_active(&away.mail, false);
        assert_eq!(fixture.account(&away.mail)["name"]["formatted"], away.name());
    }
    // The held transfer needs no full scan.
    fixture.settle(3).says("incremental scan");
    fixture.approve_held();
    fixture.sync().expect_exit(0);
    assert_eq!(fixture.id(&taker.mail), id);
    fixture.expect_active(&taker.mail, true);
    assert_eq!(fixture.account(&taker.mail)["name"]["formatted"], taker.name());
    fixture.settle(0).says("nothing to do");

    // The first user returns without the account.
    fixture.set(away, "employeeType", &["active"]);
    fixture.settle(3).says("1 in conflict");
    assert_eq!(fixture.account(&taker.mail)["name"]["formatted"], taker.name());
}

#[test]
fn account_of_a_user_disabled_in_the_same_scan_does_not_pass() {
    let mut people = enabled_people(5);
    people[4].mail = people[1].mail.clone();
    let fixture = TerminalFixture::with(&people, &people[..4]).configured(|it| it.directory += STATUS);
    fixture.settle(0);
    fixture.set(&people[1], "employeeType", &["disabled"]);
    fixture.join(&people[4]);
    fixture.sync().expect_exit(3).says("1 deactivated").says("would pass from disabled entries to others");
    fixture.expect_active(&people[1].mail, false);
    assert_eq!(fixture.workplace.accounts().len(), 4);
}

#[test]
fn two_entries_with_one_anchor_leave_the_account_as_it_is() {
    let mut people = enabled_people(5);
    people[4].employee_number = people[1].employee_number.clone();
    let fixture = TerminalFixture::<EmbeddedLdap>::embedded(&people, &people[..4])
        .configured(|it| it.directory += "anchor = \"employeeNumber\"\n");
    fixture.settle(0).says("4 created");
    let before = fixture.account(&people[1].mail);
    let set_title =
        |person: &PersonEntry, title| fixture.directory.set(&person.dn(), "title", &[title]).unwrap();

    // A contractor with the same number joins, and then either of the two changes.
    fixture.enrol(&people[4]);
    let changed: [Option<(usize, &str)>; 4] = [None, Some((4, "Contractor")), Some((1, "Chief")), None];
    let mut state = None;
    for (person, title) in changed.into_iter().map(Option::unzip) {
        person.into_iter().zip(title).for_each(|(person, title)| set_title(&people[person], title));
        fixture.plan().expect_exit(3).says("several entries have this anchor");
        for command in [&["sync"][..], &["sync", "--full"]] {
            fixture
                .run(command)
                .expect_exit(3)
                .says("1 in conflict")
                .says("several entries have this anchor");
            fixture.expect_no_write();
            let users = fixture.state().of_users();
            match &state {
                None => state = Some(users),
                Some(before) => assert_eq!(before, &users, "the state flaps"),
            }
        }
    }
    assert_eq!(fixture.account(&people[1].mail), before);

    // The contractor leaves, and the first entry decides again.
    fixture.directory.remove_member(&workplace_group(), &people[4].dn()).unwrap();
    fixture.sync().expect_exit(0).says("1 updated");
    assert_eq!(fixture.account(&people[1].mail)["title"], "Chief");
    fixture.expect_no_account(&people[4].mail);
    fixture.settle(0).says("nothing to do");
}

#[test]
fn two_new_entries_with_one_anchor_get_no_account() {
    let mut people = enabled_people(4);
    people[3].employee_number = people[1].employee_number.clone();
    let fixture = TerminalFixture::<EmbeddedLdap>::embedded(&people, &people)
        .configured(|it| it.directory += "anchor = \"employeeNumber\"\n");
    for _ in 0..2 {
        fixture.sync().expect_exit(3).says("1 in conflict");
        assert_eq!(fixture.workplace.accounts().len(), 2);
    }
    fixture.directory.set(&people[3].dn(), "employeeNumber", &["another"]).unwrap();
    fixture.sync().expect_exit(0).says("2 created");
}

#[test]
fn many_recreated_entries_need_no_approval() {
    let people = enabled_people(20);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let ids: Vec<u64> = people.iter().map(|person| fixture.id(&person.mail)).collect();

    people[1..].iter().for_each(|person| recreate_entry(&fixture, person));
    fixture.sync().expect_exit(0).never_says("awaiting approval");
    assert_eq!(people.iter().map(|person| fixture.id(&person.mail)).collect::<Vec<_>>(), ids);
    people.iter().for_each(|person| fixture.expect_active(&person.mail, true));
    expect_no_deactivation(&fixture);
    fixture.settle(0).says("nothing to do");
}

#[test]
fn entry_recreated_after_deprovisioning_gets_the_same_account() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let id = fixture.id(&people[2].mail);

    fixture.delete(&people[2]);
    fixture.settle(0).says("1 deactivated");
    fixture.expect_active(&people[2].mail, false);

    fixture.hire(&people[2]);
    fixture.sync().expect_exit(0);
    fixture.expect_active(&people[2].mail, true);
    assert_eq!(fixture.id(&people[2].mail), id);
    assert_eq!(fixture.workplace.accounts().len(), 4);
    fixture.workplace.clear_requests();
    fixture.sync().expect_exit(0);
    fixture.expect_no_call();
}

#[test]
fn first_of_two_entries_with_one_name_keeps_the_account() {
    let mut people = enabled_people(5);
    people[4].mail = people[2].mail.to_uppercase();
    let fixture = TerminalFixture::with(&people, &people[..4]);
    fixture.settle(0).says("4 created");
    let name = &people[2].mail;
    let before = fixture.account(name);

    fixture.join(&people[4]);
    let first = fixture.settle(3);
    assert_eq!(first.lines_with(&["conflict", "another entry has"]), 1, "{first}");
    first.says("1 in conflict").says_in_one_line(&[&people[4].mail, "conflict"]);
    let state = fixture.state().of_users();
    for _ in 2..=3 {
        let again = fixture.sync();
        again.expect_exit(3);
        assert_eq!(again.lines_with(&["conflict", "another entry has"]), 1, "{again}");
        fixture.expect_no_write();
        assert_eq!(fixture.state().of_users(), state);
    }
    assert_eq!(fixture.account(name), before, "the first entry keeps the account as it is");
    assert_eq!(fixture.workplace.accounts().len(), 4);

    // When the first user leaves, the second gets the account, which stays active throughout.
    fixture.leave(&people[2]);
    fixture.sync().expect_exit(0).never_says("conflict");
    let after = fixture.account(name);
    assert_eq!((&after["id"], &after["active"]), (&before["id"], &json!(true)));
    assert_eq!(after["name"]["formatted"], people[4].name());
    expect_no_deactivation(&fixture);
    fixture.settle(0).says("nothing to do");
}

#[test]
fn one_of_two_new_entries_with_one_name_gets_the_account() {
    let mut people = enabled_people(4);
    people[3].mail = people[2].mail.clone();
    let fixture = TerminalFixture::of(&people);
    let first = fixture.settle(3);
    assert_eq!(first.lines_with(&["conflict", "another entry has"]), 1, "{first}");
    first.says("3 created");
    assert_eq!(fixture.workplace.accounts().len(), 3);
    let account = fixture.account(&people[2].mail);

    for _ in 2..=3 {
        fixture.sync().expect_exit(3).says("1 in conflict");
        fixture.expect_no_write();
    }
    assert_eq!(fixture.account(&people[2].mail), account);

    // A change of the waiting user changes nothing. The conflict ends when its user name changes.
    let employee = account[ENTERPRISE]["employeeNumber"].as_str().unwrap().to_owned();
    let waits = people[2..].iter().find(|person| person.employee_number != employee).unwrap();
    fixture.set(waits, "title", &["Second"]);
    fixture.sync().expect_exit(3);
    fixture.expect_no_write();
    fixture.set(waits, "mail", &["own.name@acme.test"]);
    fixture.sync().expect_exit(0).says_in_one_line(&["own.name@acme.test", "created"]);
    assert_eq!(fixture.account(&people[2].mail), account);
}

#[test]
fn entry_with_a_taken_name_keeps_its_own_account() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let [owner, taker] = [&people[2], &people[3]];
    let before = [fixture.account(&owner.mail), fixture.account(&taker.mail)];

    fixture.set(taker, "mail", &[&owner.mail]);
    for _ in 1..=3 {
        fixture.sync().expect_exit(3).says("1 in conflict");
        fixture.expect_no_write();
    }
    fixture.set(taker, "mail", &[&taker.mail]);
    fixture.sync().expect_exit(0);
    assert_eq!([fixture.account(&owner.mail), fixture.account(&taker.mail)], before);
    expect_no_deactivation(&fixture);
}

#[test]
fn unlinked_accounts_are_never_changed() {
    let people = enabled_people(5);
    let fixture = TerminalFixture::with(&people, &people[..4]).configured(|it| {
        it.options = "remove_action = \"delete\"".to_owned();
        it.safety = "max_removal_percent = 100".to_owned();
    });
    let account = |name: &str| json!({"userName": name, "active": true, "name": {"formatted": "Unlinked"}});
    // One account has no entry; the other belongs to an entry that was never in the group.
    let unlinked = ["visitor@partner.test", people[4].mail.as_str()];
    for name in unlinked {
        fixture.workplace.seed(account(name));
    }
    let before = unlinked.map(|name| fixture.account(name));

    fixture.settle(0).says("4 created");
    fixture.set(&people[4], "title", &["Still Unlinked"]);
    fixture.set(&people[3], "title", &["Somebody"]);
    fixture.leave(&people[1]);
    fixture.sync().expect_exit(0);
    fixture.delete(&people[4]);
    fixture.leave(&people[2]);
    fixture.leave(&people[3]);
    fixture.sync().expect_exit(0).says("2 deleted");

    assert_eq!(unlinked.map(|name| fixture.account(name)), before);
    assert_eq!(fixture.workplace.accounts().len(), 3);
    let ids = before.map(|account| account["id"].to_string());
    let asked = fixture.workplace.requests();
    assert!(
        !asked.iter().any(|request| ids.iter().any(|id| request.path.ends_with(id))),
        "{}",
        request_lines(&asked)
    );
}

#[test]
fn user_without_mail_is_matched_by_external_id() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people)
        .configured(|it| it.mapping.push_str("externalId = \"employeeNumber\"\n"));
    let (nameless, there) = (&people[1], &people[2]);
    for person in [nameless, there] {
        fixture.set(person, "mail", &[]);
    }
    // The second user has an account already.
    let id = fixture.workplace.seed(json!({
        "externalId": there.employee_number, "name": {"formatted": "Somebody"}, "title": "Before",
    }));
    fixture.settle(0);
    assert_eq!(fixture.workplace.accounts().len(), 4);
    let by_external_id = |number: &str| {
        let accounts = fixture.workplace.accounts();
        accounts.into_iter().find(|account| account["externalId"] == number).unwrap()
    };
    let account = by_external_id(&nameless.employee_number);
    assert_eq!(account.get("userName"), None);
    assert_eq!(account["name"]["familyName"], nameless.family_name);
    let linked = by_external_id(&there.employee_number);
    assert_eq!((linked["id"].as_u64(), linked["title"].as_str()), (Some(id), Some(there.title.as_str())));

    fixture.sync().expect_exit(0).says("nothing to do");
    fixture.run(&["drift"]).expect_exit(0).says("4 equal");
    fixture.set(nameless, "title", &["Poet"]);
    fixture.leave(there);
    fixture.sync().expect_exit(0);
    assert_eq!(by_external_id(&nameless.employee_number)["title"], "Poet");
    assert_eq!(by_external_id(&there.employee_number)["active"], false);

    // A mail address added later names the existing account.
    fixture.set(nameless, "mail", &["at.last@acme.test"]);
    fixture.join(there);
    fixture.sync().expect_exit(0);
    assert_eq!(fixture.account("at.last@acme.test")["id"], account["id"]);
    assert_eq!(by_external_id(&there.employee_number)["active"], true);
    assert_eq!(fixture.workplace.accounts().len(), 4);
}

#[test]
fn account_with_the_same_external_id_and_another_name_waits_for_a_person() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people)
        .configured(|it| it.mapping.push_str("externalId = \"employeeNumber\"\n"));
    let boss = "boss@acme.test";
    fixture.workplace.seed(json!({
        "userName": boss, "externalId": people[1].employee_number, "name": {"formatted": "M"}, "active": true,
    }));
    let before = fixture.account(boss);
    let said = ["failed", "another account than the asked-for one"];
    fixture.plan().says_in_one_line(&said);
    fixture.sync().expect_exit(3).says_in_one_line(&said).says("2 created");
    fixture.expect_no_account(&people[1].mail);
    assert_eq!(fixture.account(boss), before);
    assert_eq!(fixture.workplace.accounts().len(), 3);

    // A corrected external id ends the conflict.
    fixture.set(&people[1], "employeeNumber", &["another"]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[1].mail, "created"]);
    assert_eq!(fixture.account(boss), before);
}
