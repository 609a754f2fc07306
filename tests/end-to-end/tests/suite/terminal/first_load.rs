//! A first load above its limit waits for an administrator, and `options.observe` writes nothing.

use std::io::Write as _;
use std::process::{Command, Stdio};

use end_to_end::{PersonEntry, Slapd, TerminalFixture, enabled_people, program};

/// Eleven people, one more than a first load may have without an approval.
fn eleven() -> (Vec<PersonEntry>, TerminalFixture<Slapd>) {
    let people = enabled_people(12);
    let fixture = TerminalFixture::with(&people, &people[..11]).configured(|it| it.max_first_load = Some(10));
    (people, fixture)
}

const ELEVEN: &str =
    "11 accounts would be created, linked or updated by the first load (limit max_first_load = 10)";

#[test]
fn first_load_over_its_limit_is_held_until_it_is_approved() {
    let (people, fixture) = eleven();
    fixture.plan().expect_exit(0).says("11 create").says(ELEVEN).says("sync asks before it");
    for _ in 0..2 {
        fixture.sync().expect_exit(4).says("11 awaiting approval").says(ELEVEN).says("provisioner approve ");
        fixture.expect_no_write();
    }
    fixture.run(&["status"]).expect_exit(4).says(ELEVEN);

    fixture.approve_held_by("Grace Okafor");
    fixture.run(&["status"]).says("Approved by Grace Okafor: 11 accounts would be created");
    fixture.sync().expect_exit(0).says("11 created");
    assert_eq!(fixture.workplace.accounts().len(), 11);

    // Later users are no first load.
    let more = enabled_people(40);
    more[12..].iter().for_each(|person| fixture.hire(person));
    fixture.join(&people[11]);
    fixture.sync().expect_exit(0).says("29 created");
}

#[test]
fn empty_group_is_no_first_load() {
    let people = enabled_people(11);
    let fixture = TerminalFixture::with(&people, &people[..0]).configured(|it| it.max_first_load = Some(10));
    fixture.sync().expect_exit(0).says("nothing to do");
    people.iter().for_each(|person| fixture.join(person));
    fixture.sync().expect_exit(4).says(ELEVEN);
    fixture.expect_no_write();
}

#[test]
fn first_load_is_approved_by_an_option() {
    let (_, fixture) = eleven();
    fixture.run(&["sync", "--yes"]).expect_exit(0).says("11 created");
    fixture.settle(0).says("nothing to do");
}

#[test]
fn first_load_is_approved_by_its_plan_file() {
    let (_, fixture) = eleven();
    fixture.run(&["plan", "--out", "first.plan"]).expect_exit(0);
    fixture.run(&["apply", "first.plan"]).expect_exit(0).says("11 created");
    fixture.settle(0).says("nothing to do");
}

#[test]
fn person_at_a_terminal_is_asked() {
    let (_, fixture) = eleven();
    let ask = |answer: &str| {
        // `script` runs a program on a pseudo-terminal.
        let command = format!("'{}' sync --config corp.toml", program("provisioner").display());
        let mut script = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(fixture.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        script.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
        String::from_utf8(script.wait_with_output().unwrap().stdout).unwrap()
    };
    let refused = ask("n\n");
    assert!(refused.contains(&format!("First load: {ELEVEN}. Go on? [y/N]")), "{refused}");
    fixture.expect_no_write();
    let agreed = ask("y\n");
    assert!(agreed.contains("11 created"), "{agreed}");
    assert_eq!(fixture.workplace.accounts().len(), 11);
}

#[test]
fn observe_writes_nothing_to_the_target() {
    let (people, mut fixture) = eleven();
    let existing = fixture.workplace.seed(serde_json::json!({
        "userName": people[1].mail, "active": true, "title": "Trainee", "name": {"formatted": "There Before"},
    }));
    fixture.configure(|it| it.options = "observe = true".to_owned());
    fixture.sync().expect_exit(0).says("1 linked").says("11 skipped");
    fixture.leave(&people[2]);
    fixture.sync().expect_exit(0).says("10 skipped");
    fixture.expect_no_write();
    fixture.run(&["status"]).expect_exit(0).says("options.observe is on: nothing is written to the target");
    fixture.plan().says("9 create").says("1 update");
    fixture.run(&["plan", "--out", "x.plan"]);
    fixture.run(&["apply", "x.plan"]).expect_exit(2).says("options.observe is on");
    fixture.expect_no_write();

    // Ten users remain, so nothing waits for an approval.
    fixture.configure(|it| it.options = String::new());
    fixture.settle(0).says("9 created");
    assert_eq!(fixture.account(&people[1].mail)["id"], existing);
    assert_eq!(fixture.account(&people[1].mail)["title"], people[1].title);
}

#[test]
fn first_load_after_observing_is_held() {
    let (_, mut fixture) = eleven();
    fixture.configure(|it| it.options = "observe = true".to_owned());
    fixture.sync().expect_exit(0).says("11 skipped");
    fixture.configure(|it| it.options = String::new());
    fixture.sync().expect_exit(4).says(ELEVEN);
    fixture.expect_no_write();
    fixture.approve_held();
    fixture.settle(0).says("11 created");
}
