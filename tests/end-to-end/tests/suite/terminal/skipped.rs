//! Actions that are not performed: the plan, the status and the history give the same reason, before and after a run.

use end_to_end::{PersonEntry, Slapd, TerminalFixture, enabled_people};
use explain::shown_word;

/// Expects the action and the reason in the plan before a run, and in every command after it.
#[track_caller]
fn expect_everywhere(fixture: &TerminalFixture<Slapd>, person: &PersonEntry, action: &str, why: &str) {
    let (name, shown) = (person.mail.as_str(), shown_word(action));
    fixture.plan().says_in_one_line(&[name, shown, why]);
    for round in ["first", "second"] {
        fixture.sync();
        fixture.plan().says_in_one_line(&[name, shown, why]);
        let status = fixture.run(&["status"]);
        assert_eq!(status.lines_with(&[name, shown, why]), 1, "the {round} run\n{status}");
        fixture.run(&["history", name]).says_in_one_line(&[name, shown, why]);
        let history = fixture.run(&["history", "--json", name]).json().unwrap();
        assert_eq!(history["status"]["action"], action, "{history}");
        assert!(history["status"]["why"].as_str().unwrap().contains(why), "{history}");
    }
    let words = fixture.plan();
    assert_eq!(words.lines_with(&[name, shown]), 1, "reported twice\n{words}");
}

#[test]
fn action_stopped_by_an_option_is_skipped() {
    let people = enabled_people(6);
    let mut fixture = TerminalFixture::with(&people, &people[..4]);
    fixture.settle(0);
    fixture.configure(|it| it.options = "create = false\nupdate = false\ndeprovision = false\n".to_owned());
    fixture.join(&people[4]);
    fixture.set(&people[1], "title", &["Chief Gardener"]);
    fixture.leave(&people[2]);
    expect_everywhere(&fixture, &people[4], "skipped", "options.create is off");
    expect_everywhere(&fixture, &people[1], "skipped", "options.update is off");
    expect_everywhere(&fixture, &people[2], "skipped", "options.deprovision is off");

    // With the options on, the actions are performed and no longer reported.
    fixture.configure(|it| it.options = String::new());
    fixture.plan().expect_exit(0).says("1 create, 1 update, 1 deactivate").never_says("skipped");
    fixture.settle(0);
    fixture.plan().says("nothing to do");
}

#[test]
fn removal_over_the_limits_is_held() {
    let people = enabled_people(8);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[1..5].iter().for_each(|person| fixture.leave(person));
    expect_everywhere(&fixture, &people[1], "held", "out of scope");
}

#[test]
fn configuration_change_over_the_limit_is_held() {
    let people = enabled_people(12);
    let mut fixture = TerminalFixture::of(&people).configured(|it| it.safety = "max_changes = 5".to_owned());
    fixture.settle(0);
    fixture
        .configure(|it| it.mapping = it.mapping.replace("title = \"title\"", "title = \"employeeNumber\""));
    let title = people[3].title.as_str();
    for _ in 0..2 {
        fixture
            .plan()
            .expect_exit(4)
            .says_in_one_line(&[
                &people[3].mail,
                "awaiting approval",
                "title differs",
                "the changed configuration would touch more accounts",
            ])
            .says_in_one_line(&["title", title, &people[3].employee_number])
            .says("Plan: 12 awaiting approval");
        fixture.settle(4);
        for command in [&["status"][..], &["history", &people[3].mail]] {
            fixture
                .run(command)
                .says("12 of 12 accounts would be updated by the changed configuration")
                .says("  provisioner approve ");
        }
    }
    let history = fixture.run(&["history", "--json", &people[3].mail]).json().unwrap();
    assert!(history["changes"]["hash"].is_string(), "{history}");
}

#[test]
fn conflict_names_the_other_entry() {
    let mut people = enabled_people(4);
    people[3].mail = people[0].mail.clone();
    let fixture = TerminalFixture::with(&people, &people[..3]);
    fixture.settle(0);
    fixture.join(&people[3]);
    let anchor = fixture.admin().values(&people[3].dn(), "entryUUID").unwrap().remove(0);
    let of = fixture.admin().values(&people[0].dn(), "entryUUID").unwrap().remove(0);
    for round in 0..3 {
        fixture
            .plan()
            .expect_exit(3)
            .says_in_one_line(&[&people[3].mail, "conflict", &of])
            .says("Plan: 1 in conflict");
        if round > 0 {
            fixture.run(&["status"]).says_in_one_line(&[&people[3].mail, "conflict", &of]);
            fixture.run(&["history", &anchor]).says_in_one_line(&[&people[3].mail, "conflict", &of]);
        }
        fixture.settle(3);
    }
}

#[test]
fn deletion_waits_for_delete_after_days() {
    let people = enabled_people(4);
    let fixture =
        TerminalFixture::of(&people).configured(|it| it.options = "delete_after_days = 30\n".to_owned());
    fixture.settle(0);
    fixture.leave(&people[1]);
    fixture.sync().expect_exit(0).says("1 deactivated");
    let words = [
        people[1].mail.as_str(),
        "scheduled for deletion",
        "out of scope",
        "deleted after options.delete_after_days",
    ];
    for _ in 0..2 {
        fixture.plan().expect_exit(0).says_in_one_line(&words).says("Plan: 1 scheduled for deletion");
        fixture.run(&["status"]).expect_exit(0).says_in_one_line(&words);
        fixture.run(&["status", "--only", "pending_deletion"]).says_in_one_line(&words);
        fixture.run(&["history", &people[1].mail]).says_in_one_line(&words);
        fixture.sync().expect_exit(0);
    }
    fixture
        .run(&["explain", &people[1].mail])
        .says_in_one_line(&["deleted after options.delete_after_days", "until"]);
    fixture.expect_active(&people[1].mail, false);
}
