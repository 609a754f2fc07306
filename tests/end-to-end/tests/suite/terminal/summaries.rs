//! Numbers, next commands and states that plan, sync and status show: they add up, can be typed, and contradict nothing.

use std::process::{Command, Stdio};

use end_to_end::{
    PersonEntry, ProgramCall, ProgramOutput, STATUS, Slapd, TerminalFixture, enabled_people, program,
};
use serde_json::Value;
use simulator::{FaultEffect, TargetFault};

/// Users in scope after the changes of [`one_of_each`].
const IN_SCOPE: u64 = 15;

/// A connection with a user of each kind: in sync, to be created, updated and reactivated, invalid, refused, in conflict,
/// and held removals of users in scope and out of scope.
fn one_of_each() -> (TerminalFixture<Slapd>, Vec<PersonEntry>) {
    let mut people = enabled_people(18);
    people[16].mail = people[0].mail.clone();
    people[4].employee_type = "disabled".to_owned();
    let fixture = TerminalFixture::with(&people, &people[..15]).configured(|it| it.directory += STATUS);
    fixture.settle(0);
    fixture.join(&people[15]);
    fixture.join(&people[16]);
    fixture.set(&people[1], "title", &["Chief Gardener"]);
    fixture.set(&people[2], "title", &["Poet"]);
    fixture.set(&people[3], "mail", &[]);
    fixture.set(&people[4], "employeeType", &["active"]);
    fixture.leave(&people[5]);
    fixture.delete(&people[6]);
    fixture.set(&people[7], "employeeType", &["disabled"]);
    for method in ["PUT", "PATCH"] {
        let refusal = TargetFault::always(FaultEffect::status(400)).method(method).user(&people[2].mail);
        fixture.workplace.inject(refusal);
    }
    (fixture, people)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().map(number).sum()
}

/// Expects the states of a run or a status to add up to these users in scope and out of scope.
#[track_caller]
fn expect_users(summary: &Value, in_scope: u64, out_of_scope: u64) {
    assert_eq!((number(&summary["in_scope"]), number(&summary["out_of_scope"])), (in_scope, out_of_scope));
    let total = number(&summary["in_sync"]) + sum(&summary["users"]);
    assert_eq!(total, in_scope + out_of_scope, "{summary:#}");
}

#[test]
fn numbers_of_plan_sync_and_status_add_up_to_the_users() {
    let (fixture, _) = one_of_each();
    let plan = fixture.run(&["plan", "--json"]).expect_exit(3).json().unwrap();
    let summary = &plan["summary"];
    assert_eq!((number(&summary["read"]), number(&summary["out_of_scope"])), (IN_SCOPE, 2), "{summary:#}");
    assert_eq!(number(&summary["unchanged"]) + sum(&summary["actions"]), IN_SCOPE + 2, "{summary:#}");
    fixture.plan().says(
        "Plan: 2 create, 2 update, 3 awaiting approval, 1 in conflict, 1 missing or invalid attribute, 8 in sync \
         (15 in scope, 2 out of scope)",
    );

    let synced = fixture.sync();
    synced.expect_exit(3).says("Done: 2 created, 1 updated (").says(
        "Users: 15 in scope, 2 out of scope: 3 awaiting approval, 1 in conflict, 1 failed, 1 missing or invalid attribute, \
         11 in sync",
    );
    for command in ["sync", "status"] {
        expect_users(&fixture.run(&[command, "--json"]).json().unwrap(), IN_SCOPE, 2);
    }
    let plan = fixture.run(&["plan", "--json"]).json().unwrap();
    let summary = &plan["summary"];
    assert_eq!(number(&summary["unchanged"]) + sum(&summary["actions"]), IN_SCOPE + 2, "{summary:#}");
    fixture.plan().says(
        "Plan: 3 awaiting approval, 1 in conflict, 1 failed, 1 missing or invalid attribute, 11 in sync (15 in scope, \
         2 out of scope)",
    );

    // The approved users leave the sum, or stay in scope as disabled users in sync.
    fixture.approve_held();
    fixture.sync().says("Done: 3 deactivated (");
    expect_users(&fixture.run(&["status", "--json"]).json().unwrap(), IN_SCOPE, 0);
}

#[test]
fn held_changes_are_not_in_sync() {
    let people = enabled_people(12);
    let mut fixture =
        TerminalFixture::with(&people, &people[..11]).configured(|it| it.max_first_load = Some(10));
    fixture.sync().expect_exit(4).says("Users: 11 in scope: 11 awaiting approval");
    fixture
        .run(&["status"])
        .expect_exit(4)
        .says("Users: 11 in scope: 11 awaiting approval")
        .never_says("in sync");
    fixture.approve_held();
    fixture.run(&["status"]).says("Users: 11 in scope: 11 approved").never_says("in sync");
    fixture.settle(0).says("Users: 11 in scope: 11 in sync");

    // A changed mapping: all accounts would be updated, and a new user is created.
    fixture.configure(|it| {
        it.safety = "max_changes = 5".to_owned();
        it.mapping = it.mapping.replace("title = \"title\"", "title = \"employeeNumber\"");
    });
    fixture.join(&people[11]);
    let states = "Users: 12 in scope: 11 awaiting approval, 1 in sync";
    fixture.sync().expect_exit(4).says("Done: 1 created").says(states);
    fixture.run(&["status"]).expect_exit(4).says(states);
}

/// The command that the output offers to copy, typed into a shell.
#[track_caller]
fn typed(fixture: &TerminalFixture<Slapd>, output: &ProgramOutput, words: &str) -> ProgramOutput {
    let command =
        output.stdout.lines().find_map(|line| line.strip_prefix("  ").filter(|it| it.starts_with(words)));
    let command = command.unwrap_or_else(|| panic!("no line offers {words:?}\n{output}"));
    let provisioner = program("provisioner");
    // The name of the program stands for the built one.
    let function = format!("provisioner() {{ '{}' \"$@\"; }}\n{command}", provisioner.display());
    ProgramCall::of("/bin/sh".as_ref(), fixture.dir.path(), ["-c", &function]).run().unwrap()
}

#[test]
fn offered_commands_can_be_typed_as_shown() {
    let people = enabled_people(8);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[1..5].iter().for_each(|person| fixture.leave(person));

    // The hash of the plan is the hash of the sync.
    let plan = fixture.plan();
    let limit = "4 of 8 accounts (50 %) would be deactivated (limit max_removal_percent = 5)";
    plan.expect_exit(4).says(limit);
    typed(&fixture, &plan, "provisioner approve ")
        .expect_exit(1)
        .says("can be approved once sync has held it");
    let held = fixture.sync();
    held.expect_exit(4).says(limit);
    let limits = fixture.run(&["approve", "--json"]).json().unwrap()["waiting"][0]["limits"].clone();
    let found = (&limits[0]["count"], &limits[0]["of"], &limits[0]["limit"], &limits[0]["key"]);
    assert_eq!(found, (&4.into(), &8.into(), &5.into(), &"max_removal_percent".into()), "{limits}");

    let approved = typed(&fixture, &plan, "provisioner approve ");
    approved.expect_exit(0).says(limit);
    for command in [&["status"][..], &["approve"]] {
        let shown = fixture.run(command);
        shown.expect_exit(0).never_says("awaiting approval");
        shown.says_in_one_line(&[&people[1].mail, "approved", "done by the next sync"]);
    }
    fixture.run(&["history", &people[1].mail]).says("done by the next sync");
    fixture.plan().expect_exit(0).says("4 deactivate").says("done by the next sync");
    typed(&fixture, &approved, "provisioner sync").expect_exit(0).says("Done: 4 deactivated");
}

#[test]
fn refused_token_opens_the_breaker_until_a_sync_with_another_token() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[..3].iter().for_each(|person| fixture.set(person, "title", &["Poet"]));
    fixture.dir.target_secret("not the token").unwrap();
    for _ in 0..2 {
        fixture.sync().expect_exit(1).says("The target refused the access token");
        let shown = fixture.run(&["breaker", "show"]);
        shown.expect_exit(0).says("Circuit breaker open since").says("the target refused the access token");
        fixture.run(&["status"]).expect_exit(3).says("the target refused the access token");
    }
    assert_ne!(fixture.account(&people[0].mail)["title"], "Poet");

    fixture.dir.target_secret(&fixture.workplace.token()).unwrap();
    let breaker = fixture.run(&["breaker", "show"]);
    typed(&fixture, &breaker, "provisioner sync").expect_exit(0).says("Done: 3 updated");
    fixture.run(&["breaker", "show"]).expect_exit(0).says("the breaker is closed");
    fixture.run(&["status"]).expect_exit(0).never_says("breaker");
}

#[test]
fn status_shows_the_last_scan_and_what_is_due() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let before = fixture.run(&["status", "--json"]).json().unwrap()["at"].as_i64().unwrap();
    let status = fixture.run(&["status"]);
    status.expect_exit(0).says_in_one_line(&["corp: last scan ", " ago (", "): full, complete"]);
    status.says("Users: 4 in scope: 4 in sync").says("Due: full scan in ");
    let outage = FaultEffect::status(503);
    fixture.workplace.inject(TargetFault::always(outage).method("PUT").user(&people[1].mail));
    let outage = FaultEffect::status(503);
    fixture.workplace.inject(TargetFault::always(outage).method("PATCH").user(&people[1].mail));
    fixture.set(&people[1], "title", &["Poet"]);
    fixture.settle(3).says("1 retry scheduled");
    let status = fixture.run(&["status"]);
    status
        .expect_exit(3)
        .says("): incremental, complete")
        .says(", retry in ")
        .says("  provisioner sync --config corp.toml");
    let status = fixture.run(&["status", "--json"]).json().unwrap();
    let (at, due) = (status["at"].as_i64().unwrap(), &status["due"]);
    assert!(due["retry"].as_i64().unwrap() > at && due["full_scan"].as_i64().unwrap() > at, "{status:#}");
    let ended = status["last_scan"]["ended_at"].as_i64().unwrap();
    assert!(before <= ended && ended <= at, "{before}: {status:#}");
}

#[test]
fn history_shows_creation_and_reference_of_one_run() {
    let mut people = enabled_people(2);
    // At least the one that is created first gets the manager later in the run.
    (people[0].manager, people[1].manager) = (Some(people[1].dn()), Some(people[0].dn()));
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0).says("2 created");
    let mut events: Vec<Vec<String>> = Vec::new();
    for person in &people {
        let history = fixture.run(&["history", "--json", &person.mail]).json().unwrap();
        let actions = history["events"].as_array().unwrap().iter().rev();
        events.push(actions.map(|event| event["action"].as_str().unwrap().to_owned()).collect());
    }
    assert!(events.iter().all(|actions| actions[0] == "created"), "{events:?}");
    assert!(events.iter().any(|actions| *actions == ["created", "updated manager"]), "{events:?}");
}

/// Runs a command on a pseudo-terminal of 80 columns.
fn on_a_terminal(fixture: &TerminalFixture<Slapd>, command: &str) -> String {
    let program = program("provisioner");
    let command = format!("stty cols 80; '{}' {command} --config corp.toml", program.display());
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(fixture.dir.path())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[test]
fn lines_fit_the_terminal() {
    let (fixture, people) = one_of_each();
    fixture.sync();
    for command in ["plan", "status", "approve"] {
        let shown = on_a_terminal(&fixture, command);
        assert!(shown.contains(&people[5].mail), "{shown}");
        assert!(shown.contains("! failed"), "the legend is shown\n{shown}");
        let written = shown.lines().filter(|line| !line.contains("WARN"));
        for line in written {
            assert!(line.chars().count() <= 80, "{line:?}\n{shown}");
        }
        // In a pipe, each user is one line.
        fixture.run(&[command]).says_in_one_line(&[&people[5].mail, "awaiting approval", "out of scope"]);
    }
}

#[test]
fn progress_and_colours_are_for_terminals_alone() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    let plan = |environment: &str| {
        let program = program("provisioner");
        let command = format!("env {environment} '{}' plan --config corp.toml", program.display());
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).current_dir(fixture.dir.path());
        // In a CI system, every terminal counts as one with colours.
        for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
            script.env_remove(variable);
        }
        let output = script.env("TERM", "xterm").stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = plan("PROVISIONER_LOG=error");
    assert!(shown.contains("reading ") && shown.contains("\u{1b}["), "{shown:?}");
    for plain in ["NO_COLOR=1", "TERM=dumb"] {
        let shown = plan(&format!("PROVISIONER_LOG=error {plain}"));
        assert!(!shown.contains("reading ") && !shown.contains('\u{1b}'), "{plain}: {shown:?}");
    }

    // Colours can be forced into a pipe; progress can't.
    let piped = |variable: &str, value: &str| {
        let call = fixture.call(&["plan"]).env("NO_COLOR", "").env("TERM", "xterm").env(variable, value);
        call.run().unwrap()
    };
    for (variable, is_coloured) in [("CLICOLOR", false), ("CLICOLOR_FORCE", true)] {
        let output = piped(variable, "1");
        output.expect_exit(0).never_says("reading ");
        assert_eq!(output.stdout.contains('\u{1b}'), is_coloured, "{output}");
    }
}

#[test]
fn quiet_commands_show_no_user() {
    let (fixture, people) = one_of_each();
    for (command, summary) in [
        (&["plan"][..], "Plan: 2 create"),
        (&["sync"], "Done: 2 created"),
        (&["status"], "Users: 15 in scope"),
        (&["approve"], "would be deactivated"),
    ] {
        let quiet = fixture.run(&[command, &["-q"]].concat());
        quiet.says(summary).never_says("@acme.test").never_says("! failed");
    }
    fixture.run(&["--quiet", "status"]).never_says("@acme.test");
    fixture.run(&["explain", "-q", &people[1].mail]).says(&people[1].mail);
    fixture.run(&["sync", "--quiet", "--state", "dynamodb:x"]).expect_exit(2).says("error:");
}

#[test]
fn closed_pipe_is_no_error() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(400)).method("PUT"));
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(400)).method("PATCH"));
    people.iter().for_each(|person| fixture.set(person, "title", &["Poet"]));
    fixture.settle(3);
    let provisioner = program("provisioner");
    for command in ["status", &format!("history {}", people[0].mail), "plan", "approve"] {
        // `true` reads nothing, so that each write meets a closed pipe.
        let line = format!(
            "('{}' {command} --config corp.toml; echo $? >code) | true; cat code",
            provisioner.display()
        );
        let ended = ProgramCall::of("/bin/sh".as_ref(), fixture.dir.path(), ["-c", &line]).run().unwrap();
        ended.expect_exit(0).never_says("error").never_says("pipe").never_says("panicked");
    }
}

#[test]
fn user_without_a_name_is_shown_by_its_dn() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.set(&people[1], "mail", &[]);
    let line = [&*people[1].dn(), "missing or invalid attribute"];
    fixture.plan().expect_exit(3).says_in_one_line(&line);
    fixture.sync().expect_exit(3).says_in_one_line(&line);
    for command in ["status", "plan"] {
        fixture.run(&[command]).expect_exit(3).says_in_one_line(&line);
    }
    // Once a user has had a name, it is shown.
    fixture.set(&people[0], "mail", &[]);
    fixture.sync().says_in_one_line(&[&people[0].mail, "missing or invalid attribute"]);
}

#[test]
fn masked_value_in_a_dn_is_not_shown() {
    let people = enabled_people(2);
    let mut fixture = TerminalFixture::of(&people);
    fixture.configure(|it| it.mapping.push_str("nickName = { from = \"uid\", masked = true }\n"));
    fixture.set(&people[1], "mail", &[]);
    for command in ["plan", "sync", "status"] {
        let dn = people[1].dn();
        fixture.run(&[command]).expect_exit(3).says("missing or invalid attribute").never_says(&dn);
    }
}
