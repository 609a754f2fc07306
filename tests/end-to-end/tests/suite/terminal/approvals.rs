//! Approvals of held removals and of held configuration changes, and retries on request.

use end_to_end::{
    GroupEntry, PEOPLE_DN, PersonEntry, ProgramOutput, Slapd, TerminalFixture, deactivates, enabled_people,
    workplace_group,
};
use serde_json::json;
use simulator::{FaultEffect, TargetFault};

/// The hash with which the held set is approved.
#[track_caller]
fn hash(fixture: &TerminalFixture<Slapd>) -> String {
    let waiting = fixture.run(&["approve", "--json"]);
    waiting.expect_exit(4);
    let waiting = waiting.json().unwrap();
    waiting["waiting"][0]["hash"].as_str().unwrap().to_owned()
}

#[track_caller]
fn expect_no_removal(fixture: &TerminalFixture<Slapd>) {
    let removals = fixture.workplace.writes().iter().filter(|write| deactivates(write)).count();
    assert_eq!(removals, 0, "an account was deactivated");
}

/// Prints the last lines of the output.
#[expect(clippy::print_stdout, reason = "a test's own output, shown with --nocapture")]
fn show(title: &str, finished: &ProgramOutput) {
    let lines: Vec<&str> = finished.stdout.lines().collect();
    println!("--- {title}");
    lines[lines.len().saturating_sub(4)..].iter().for_each(|line| println!("{line}"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one scenario, told in the order in which it happens")]
fn mass_removals_are_held_while_new_users_are_created() {
    let mut people = enabled_people(1_004);
    people[1_000].title = "Trainee".to_owned();
    let (thousand, newcomers) = people.split_at(1_000);
    let filter = |kind: &str| format!("filter = \"(|(employeeType={kind})(title=Trainee))\"");
    let mut fixture = TerminalFixture::of(thousand).configured(|it| {
        it.directory = it.directory.replace(
            &format!("base_dn = \"{}\"", end_to_end::BASE_DN),
            &format!("base_dn = \"{PEOPLE_DN}\""),
        );
        it.scope = filter("active");
    });
    fixture.settle(0);

    // A typing mistake in the filter empties the scope. A trainee hired at the same time gets an account.
    fixture.admin().add_person(&newcomers[0]).unwrap();
    fixture.configure(|it| it.scope = filter("actve"));
    let held = fixture.sync();
    show("a typing mistake in the filter, and a new hire", &held);
    let others = thousand.iter().filter(|person| person.title != "Trainee").count();
    held.expect_exit(4).says("1 created").says(&format!("{others} awaiting approval"));
    fixture.expect_active(&newcomers[0].mail, true);
    expect_no_removal(&fixture);
    fixture.configure(|it| it.scope = filter("active"));
    fixture.settle(0).never_says("awaiting approval");

    // The group is deleted, and recreated with only a new user.
    fixture.configure(|it| it.scope = format!("group = \"{}\"", workplace_group()));
    fixture.join(&newcomers[0]);
    fixture.settle(0);
    fixture.admin().add_person(&newcomers[1]).unwrap();
    fixture.admin().delete(&workplace_group()).unwrap();
    let gone = fixture.sync();
    show("the group is deleted", &gone);
    assert_ne!(gone.exit_code, Some(0), "{gone}");
    expect_no_removal(&fixture);
    fixture.admin().add_group(&GroupEntry::of("workplace", [&newcomers[1]])).unwrap();
    let held = fixture.sync();
    show("the group is recreated with only a new user", &held);
    held.expect_exit(4).says("1 created").says("1001 awaiting approval");
    fixture.expect_active(&newcomers[1].mail, true);
    expect_no_removal(&fixture);
    fixture.configure(|it| it.scope = filter("active"));
    fixture.settle(0).never_says("awaiting approval");

    // 300 entries move out of the base DN.
    let outside = format!("ou=moved,{}", end_to_end::BASE_DN);
    fixture.admin().add(&outside, [("objectClass", "organizationalUnit"), ("ou", "moved")]).unwrap();
    for person in &thousand[..300] {
        fixture.admin().move_to(&person.dn(), &outside).unwrap();
    }
    fixture.admin().add_person(&newcomers[2]).unwrap();
    let held = fixture.sync();
    show("300 of 1,000 entries move to another unit, and a new user is hired", &held);
    held.expect_exit(4).says("1 created").says("300 awaiting approval");
    fixture.expect_active(&newcomers[2].mail, true);
    expect_no_removal(&fixture);

    // The set is approved. A user who leaves between the listing and the approval is not part of it.
    let seen = hash(&fixture);
    fixture.delete(&thousand[500]);
    let approved = fixture.run(&["approve", &seen]);
    show("the 300 are approved, and a 301st leaves", &approved);
    approved.expect_exit(0).says("300 of 1002 accounts (29 %) would be deactivated");
    let synced = fixture.sync();
    show("the next sync", &synced);
    synced.expect_exit(4).says("300 deactivated").says("1 awaiting approval");
    for (number, person) in thousand.iter().enumerate() {
        fixture.expect_active(&person.mail, number >= 300);
    }
    // Later scans do not release it.
    fixture.settle(4).says("1 awaiting approval");
    fixture.expect_active(&thousand[500].mail, true);
}

#[test]
fn approval_covers_only_the_set_of_its_hash() {
    let people = enabled_people(20);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[..5].iter().for_each(|person| fixture.leave(person));
    let held = fixture.settle(4);
    let seen = hash(&fixture);
    held.says("5 awaiting approval").says(&format!("provisioner approve {seen}"));
    fixture.run(&["status"]).says(&format!("provisioner approve {seen}"));

    // A sixth removal is held before the approval, so the first hash is no longer valid.
    fixture.leave(&people[5]);
    fixture.settle(4).says("6 awaiting approval");
    fixture.run(&["approve", &seen]).expect_exit(1).says("is held now");
    fixture.settle(4).says("6 awaiting approval");
    fixture.expect_no_write();
    fixture.run(&["approve", "0123456789ab", "--json"]).expect_exit(1);

    // Two users return after the approval and another user leaves: only the remaining users of the set are
    // deactivated.
    fixture
        .run(&["approve", &hash(&fixture)])
        .expect_exit(0)
        .says("6 of 20 accounts (30 %) would be deactivated");
    fixture.run(&["status"]).says(": 6 of 20 accounts (30 %)").says("done by the next sync");
    fixture.join(&people[0]);
    fixture.join(&people[1]);
    fixture.leave(&people[6]);
    fixture.sync().expect_exit(4).says("4 deactivated").says("1 awaiting approval");
    // The approved set is used up; the other user waits for an approval of its own.
    fixture.settle(4).says("1 awaiting approval");
    fixture.run(&["approve", &hash(&fixture)]).expect_exit(0).says("1 account would be deactivated");
    fixture.sync().expect_exit(0).says("1 deactivated");
    for (number, person) in people.iter().enumerate() {
        fixture.expect_active(&person.mail, !(2..=6).contains(&number));
    }
}

#[test]
fn limits_apply_again_after_an_approved_set() {
    let people = enabled_people(40);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[..4].iter().for_each(|person| fixture.leave(person));
    fixture.settle(4).says("4 awaiting approval");
    fixture.run(&["approve", &hash(&fixture)]).expect_exit(0);
    fixture.join(&people[0]);
    fixture.sync().expect_exit(0).says("3 deactivated").never_says("awaiting approval");

    // A single removal is within the limits; four are not.
    fixture.leave(&people[10]);
    fixture.sync().expect_exit(0).says("1 deactivated").never_says("awaiting approval");
    people[20..24].iter().for_each(|person| fixture.leave(person));
    fixture.settle(4).says("4 awaiting approval");
}

#[test]
fn removals_of_one_day_are_counted_together() {
    let people = enabled_people(12);
    let fixture = TerminalFixture::of(&people)
        .configured(|it| it.safety = "max_removals = 2\nmax_removal_percent = 100".to_owned());
    fixture.settle(0);
    for two in people[..4].chunks(2) {
        two.iter().for_each(|person| fixture.leave(person));
        fixture.settle(0).says("2 deactivated");
    }
    fixture.leave(&people[4]);
    fixture.settle(4).says("1 awaiting approval");
    fixture.expect_active(&people[4].mail, true);
    fixture.expect_no_write();
}

#[test]
fn replaced_scope_is_held_despite_high_limits() {
    let (ours, theirs): (Vec<PersonEntry>, Vec<PersonEntry>) = {
        let mut people = enabled_people(10);
        let theirs = people.split_off(5);
        (people, theirs)
    };
    let mut all = ours.clone();
    all.extend(theirs.clone());
    let mut fixture = TerminalFixture::with(&all, &ours).configured(|it| {
        it.safety = "max_removals = 1000\nmax_removal_percent = 100".to_owned();
    });
    fixture.settle(0);
    fixture.configure(|it| it.scope = "group = \"cn=others,ou=groups,dc=acme,dc=test\"".to_owned());
    let others = GroupEntry::of("others", &theirs);
    fixture.configure(|it| it.scope = format!("group = \"{}\"", others.dn()));
    fixture.admin().add_group(&others).unwrap();
    fixture.sync().expect_exit(4).says("5 created").says("5 awaiting approval");
    ours.iter().for_each(|person| fixture.expect_active(&person.mail, true));
}

#[test]
fn configuration_change_over_the_limit_is_held_while_users_are_created() {
    let people = enabled_people(13);
    let mut fixture = TerminalFixture::with(&people, &people[..12])
        .configured(|it| it.safety = "max_changes = 5".to_owned());
    fixture.settle(0).says("12 created");
    let title = |fixture: &TerminalFixture<Slapd>| fixture.account(&people[3].mail)["title"].clone();
    let before = title(&fixture);

    fixture
        .configure(|it| it.mapping = it.mapping.replace("title = \"title\"", "title = \"employeeNumber\""));
    fixture.join(&people[12]);
    let plan = fixture.plan();
    plan.expect_exit(4)
        .says("12 of 12 accounts would be updated by the changed configuration (limit max_changes = 5)")
        .says("12 awaiting approval");
    for users in [12, 13] {
        let held = fixture.sync();
        held.expect_exit(4)
            .says("12 awaiting approval")
            .says(&format!("12 of {users} accounts would be updated"));
        assert_eq!(title(&fixture), before);
    }
    fixture.expect_active(&people[12].mail, true);

    // Other changes continue: a user leaves.
    fixture.leave(&people[0]);
    fixture.settle(4).says("1 deactivated").says("11 awaiting approval");
    fixture.run(&["approve", &hash(&fixture)]).expect_exit(0).says("11 of 13 accounts would be updated");
    fixture.sync().expect_exit(0).says("11 updated");
    assert_eq!(title(&fixture), people[3].employee_number);
    fixture.settle(0).says("nothing to do");

    // The approved configuration is the new baseline, and few changes are within the limits.
    fixture.set(&people[3], "employeeNumber", &["4711"]);
    fixture.sync().expect_exit(0).says("1 updated");
    fixture.configure(|it| it.options = "update = false".to_owned());
    fixture.settle(0);
}

#[test]
fn reverted_configuration_change_needs_no_approval() {
    let people = enabled_people(12);
    let mut fixture = TerminalFixture::of(&people).configured(|it| it.safety = "max_changes = 5".to_owned());
    fixture.settle(0);
    let mapping = fixture.configuration().mapping.clone();
    fixture
        .configure(|it| it.mapping = it.mapping.replace("title = \"title\"", "title = \"employeeNumber\""));
    fixture.settle(4).says("12 awaiting approval");
    fixture.configure(|it| it.mapping = mapping);
    fixture.settle(0).says("nothing to do");
    fixture.expect_no_write();
    fixture.run(&["approve"]).expect_exit(0).says("nothing waits");
}

#[test]
fn status_pages_show_each_held_user_once() {
    let people = enabled_people(12);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[..7].iter().for_each(|person| fixture.leave(person));
    fixture.settle(4);
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut command = vec!["status", "--json", "--only", "held", "--limit", "3"];
        command.extend(after.iter().flat_map(|key| ["--after", key.as_str()]));
        let page = fixture.run(&command).json().unwrap();
        let users = page["waiting"].as_array().unwrap();
        assert!(users.len() <= 3);
        seen.extend(users.iter().map(|user| user["user_name"].as_str().unwrap().to_owned()));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    seen.sort();
    let mut held: Vec<String> = people[..7].iter().map(|person| person.mail.clone()).collect();
    held.sort();
    assert_eq!(seen, held);
    fixture.run(&["status", "--only", "held", "--after", "nonsense"]).expect_exit(2);
}

#[test]
fn retry_provisions_refused_users_again() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    let [one, other] = [&people[1].mail, &people[2].mail];
    for user in [one, other] {
        fixture.workplace.inject(TargetFault::always(FaultEffect::status(400)).method("POST").user(user));
    }
    fixture.settle(3);
    fixture.settle(3);
    fixture.expect_no_write();
    fixture.run(&["retry", &people[0].mail]).expect_exit(1).says("the user is in sync");
    fixture.run(&["retry", "unknown@acme.test"]).expect_exit(1);
    fixture.run(&["retry"]).expect_exit(2);

    fixture.workplace.clear_faults();
    fixture.run(&["retry", one]).expect_exit(0).says("1 user became pending");
    fixture.run(&["history", one]).expect_exit(0).says("will be provisioned");
    fixture.sync().expect_exit(3).says("1 created");
    fixture.expect_active(one, true);
    fixture.expect_no_account(other);

    let again = fixture.run(&["retry", "--failed", "--json"]);
    again.expect_exit(0);
    assert_eq!(again.json().unwrap(), json!({ "retried": 1 }));
    fixture.sync().expect_exit(0).says("1 created");
    fixture.expect_active(other, true);
}
