//! `provisioner plan` shows what `sync` would do and changes nothing. No output contains a masked value or a secret.

use std::collections::BTreeMap;

use embedded_ldap::{EmbeddedLdap, LdapFault, company};
use end_to_end::{PersonEntry, ProgramOutput, STATUS, Slapd, TerminalFixture, enabled_people};
use serde_json::{Value, json};
use simulator::{FaultEffect, TargetFault};

/// A synced connection with pending changes: a new, a changed, a disabled, a removed, a recreated and a conflicting
/// user.
fn with_pending_changes() -> (TerminalFixture<Slapd>, Vec<PersonEntry>) {
    let mut people = enabled_people(9);
    people[8].mail = people[0].mail.clone();
    let fixture = TerminalFixture::with(&people, &people[..6]).configured(|it| {
        it.directory += STATUS;
        it.safety = "max_removal_percent = 100".to_owned();
    });
    fixture.settle(0);
    fixture.join(&people[6]);
    fixture.set(&people[1], "title", &["Chief Gardener"]);
    fixture.set(&people[2], "employeeType", &["disabled"]);
    fixture.leave(&people[3]);
    fixture.delete(&people[4]);
    fixture.hire(&people[4]);
    fixture.join(&people[8]);
    (fixture, people)
}

/// The users of a plan in JSON, by user name and action.
fn users_by_action(plan: &Value) -> BTreeMap<(String, String), Value> {
    let users = plan["users"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    users.map(|user| ((text(&user["user_name"]), text(&user["action"])), user.clone())).collect()
}

#[test]
fn plan_shows_user_action_reason_and_attributes() {
    let (fixture, people) = with_pending_changes();
    let name = |at: usize| people[at].mail.as_str();
    let plan = fixture.plan();
    plan.expect_exit(3)
        .says_in_one_line(&[name(6), "create", "in scope, and has no account"])
        .says_in_one_line(&["name.formatted", &people[6].name()])
        .says_in_one_line(&[name(1), "update", "title differs"])
        .says_in_one_line(&["title", &people[1].title, "→ \"Chief Gardener\""])
        .says_in_one_line(&[name(2), "deactivate", "disabled in the directory"])
        .says_in_one_line(&[name(3), "deactivate", "out of scope"])
        .says_in_one_line(&[name(4), "transfer", "takes over the account of"])
        .says_in_one_line(&[name(8), "conflict", "another entry has this user name"])
        .says("Plan: 1 create, 1 transfer, 1 update, 2 deactivate, 1 in conflict");
    assert_eq!(plan.lines_with(&[name(4), "deactivate"]), 0, "{plan}");
    assert_eq!(plan.lines_with(&[name(5)]), 0, "{plan}");
}

#[test]
fn json_plan_has_the_same_content() {
    let (fixture, people) = with_pending_changes();
    let plan = fixture.run(&["plan", "--json"]).expect_exit(3).json().unwrap();
    let users = users_by_action(&plan);
    let user = |at: usize, action: &str| &users[&(people[at].mail.clone(), action.to_owned())];
    assert_eq!(users.len(), 6, "{plan:#}");
    assert_eq!(
        user(1, "update")["changes"],
        json!([
            {"attribute": "title", "from": people[1].title, "to": "Chief Gardener"}
        ])
    );
    assert_eq!(user(2, "deactivate")["why"], "disabled in the directory");
    assert_eq!(user(3, "deactivate")["why"], "out of scope");
    let created = user(6, "create")["changes"].as_array().unwrap();
    assert!(created.contains(&json!({"attribute": "title", "from": null, "to": people[6].title})));
    let anchor = fixture.admin().values(&people[4].dn(), "entryUUID").unwrap().remove(0);
    assert_eq!(user(4, "transfer")["anchor"], anchor);
    let summary = &plan["summary"];
    assert_eq!(summary["actions"]["deactivate"], 2);
    assert_eq!((&summary["read"], &summary["complete"]), (&json!(7), &json!(true)));
}

#[test]
fn plan_writes_nothing() {
    let (fixture, _) = with_pending_changes();
    let (state, accounts) = (fixture.state(), fixture.workplace.accounts());
    let first = fixture.run(&["plan", "--json"]);
    let again = fixture.run(&["plan", "--json"]);
    assert_eq!(first.stdout, again.stdout);
    fixture.plan().expect_exit(3);
    fixture.expect_no_write();
    assert_eq!(fixture.workplace.accounts(), accounts);
    assert_eq!(fixture.state(), state);
}

#[test]
fn first_plan_creates_no_state() {
    let fixture = TerminalFixture::of(&enabled_people(3));
    fixture.plan().expect_exit(0).says("Plan: 3 create (3 in scope");
    fixture.expect_no_write();
    let mut files: Vec<_> =
        fixture.dir.path().read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["corp.toml", "directory-secret.json", "target-secret.json"]);
}

#[test]
fn sync_performs_the_plan_and_leaves_an_empty_one() {
    let (fixture, people) = with_pending_changes();
    fixture.admin().delete(&people[8].dn()).unwrap();
    let planned = users_by_action(&fixture.run(&["plan", "--json"]).expect_exit(0).json().unwrap());
    assert_eq!(planned.len(), 5);
    let done = fixture.sync();
    done.expect_exit(0);
    for ((name, action), _) in planned {
        // The recreated entry needs no request.
        if action != "transfer" {
            done.says_in_one_line(&[&name, &action]);
        }
    }

    fixture.workplace.clear_requests();
    fixture.plan().expect_exit(0).says("Plan: nothing to do").says("6 in sync (6 in scope)");
    fixture.expect_no_call();
    let plan = fixture.run(&["plan", "--json"]).expect_exit(0).json().unwrap();
    assert_eq!(plan["users"], json!([]));
}

#[test]
fn plan_shows_attribute_changes_of_a_transfer() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.delete(&people[2]);
    fixture.settle(0);
    let anew = PersonEntry { title: "Second Self".to_owned(), ..people[2].clone() };
    fixture.hire(&anew);

    let plan = fixture.plan();
    plan.expect_exit(0)
        .says_in_one_line(&[&anew.mail, "transfer"])
        .says_in_one_line(&[&anew.mail, "reactivate"])
        .says("\"Second Self\"")
        .never_says("conflict");
    fixture.sync().expect_exit(0).says_in_one_line(&[&anew.mail, "reactivated"]).never_says("conflict");
}

#[test]
fn plan_shows_held_and_skipped_actions() {
    let people = enabled_people(8);
    let mut fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people[1..5].iter().for_each(|person| fixture.leave(person));
    let held = fixture.plan();
    held.expect_exit(4).says("Plan: 4 awaiting approval");
    for person in &people[1..5] {
        held.says_in_one_line(&[&person.mail, "awaiting approval", "out of scope"]);
    }
    fixture.configure(|it| it.options = "deprovision = false\nupdate = false\n".to_owned());
    fixture.set(&people[5], "title", &["Chief Gardener"]);
    fixture
        .plan()
        .expect_exit(0)
        .says_in_one_line(&[&people[1].mail, "skipped", "out of scope", "options.deprovision is off"])
        .says_in_one_line(&[&people[5].mail, "skipped", "options.update is off"]);
}

#[test]
fn plan_of_an_incomplete_read_shows_no_removal() {
    let fixture = TerminalFixture::<EmbeddedLdap>::company();
    fixture.settle(0);
    fixture.directory.remove_member(company::WORKPLACE, company::TOMASZ).unwrap();
    fixture.directory.set(company::GRACE, "title", &["Chief Technology Officer"]).unwrap();
    fixture.directory.inject(LdapFault::WithoutUuid { dn: company::AISHA.to_owned() });
    let plan = fixture.plan();
    plan.expect_exit(1)
        .says_in_one_line(&["grace@acme.test", "update"])
        .says("Directory read incomplete")
        .says(company::AISHA)
        .says("Plan: 1 update, 5 in sync");
    let plan = fixture.run(&["plan", "--json"]).expect_exit(1).json().unwrap();
    assert_eq!(plan["summary"]["unidentified"][0]["dn"], company::AISHA);
}

#[test]
fn failed_plan_prints_nothing() {
    let mut fixture = TerminalFixture::of(&enabled_people(2));
    fixture.directory.stop();
    let plan = fixture.run(&["plan", "--json"]);
    plan.expect_exit(1).says("can't reach the directory");
    assert_eq!(plan.stdout, "");
}

/// The output of all commands through the life of one user.
fn collect_outputs(fixture: &TerminalFixture<Slapd>, person: &PersonEntry) -> Vec<ProgramOutput> {
    let mut said = Vec::new();
    let mut tell = |fixture: &TerminalFixture<Slapd>| {
        for command in ["check", "plan", "sync"] {
            said.push(fixture.run(&[command]));
            said.push(fixture.run(&[command, "--json"]));
        }
    };
    tell(fixture);
    fixture.set(person, "title", &["Secret Second Title"]);
    fixture.set(person, "employeeNumber", &["SECRET-2"]);
    fixture.set(person, "mobile", &[]);
    tell(fixture);
    fixture.workplace.inject(TargetFault::times(3, FaultEffect::status(400)).method("PUT"));
    fixture.set(person, "title", &["Secret Third Title"]);
    tell(fixture);
    fixture.leave(person);
    tell(fixture);
    fixture.dir.target_secret("SECRET-wrong-token").unwrap();
    fixture.set(person, "title", &["Secret Fourth Title"]);
    fixture.join(person);
    tell(fixture);
    said
}

#[test]
fn no_output_contains_masked_values_or_secrets() {
    let mut people = enabled_people(3);
    people[1].title = "Secret First Title".to_owned();
    people[1].employee_number = "SECRET-1".to_owned();
    people[1].mobile = Some("SECRET-phone".to_owned());
    let fixture = TerminalFixture::of(&people).configured(|it| {
        it.mapping = it
            .mapping
            .replace("title = \"title\"", "title = { from = \"title\", masked = true }")
            .replace("= \"mobile\"", "= { from = \"mobile\", masked = true }")
            .replace(
                "employeeNumber = \"employeeNumber\"",
                "employeeNumber = { from = \"employeeNumber\", create_only = true, masked = true }",
            );
    });
    let account = json!({"userName": people[1].mail, "active": true, "title": "Secret Old Title", "name": {"formatted": "X"}});
    fixture.workplace.seed(account);
    let password = fixture.directory.reader_password().to_owned();
    let said = collect_outputs(&fixture, &people[1]);
    assert!(said.iter().any(|finished| finished.stdout.contains("•••")));
    for finished in said {
        finished.never_says("Secret").never_says("SECRET");
        finished.never_says(&password).never_says(&fixture.workplace.token());
    }

    // The log at its most verbose level contains no secret either, nor does that of the libraries, which is on only by name.
    let levels = "trace,hyper=trace,hyper_util=trace,reqwest=trace,dynoxide=trace,aws_smithy_runtime=trace";
    fixture.dir.target_secret(&fixture.workplace.token()).unwrap();
    let command = fixture.dir.provisioner(["sync", "--config", "corp.toml"]).env("PROVISIONER_LOG", levels);
    let finished = command.run().unwrap();
    assert!(finished.stderr.contains("TRACE"), "{finished}");
    finished.never_says(&password).never_says(&fixture.workplace.token());
}

#[test]
fn user_with_a_masked_name_is_shown_by_its_anchor() {
    let people = enabled_people(2);
    let fixture = TerminalFixture::of(&people).configured(|it| {
        it.mapping =
            it.mapping.replace("userName = \"mail\"", "userName = { from = \"mail\", masked = true }")
    });
    let anchor = fixture.admin().values(&people[1].dn(), "entryUUID").unwrap().remove(0);
    for finished in [fixture.check(), fixture.plan(), fixture.sync()] {
        finished.expect_exit(0).never_says(&people[0].mail).never_says(&people[1].mail);
    }
    fixture.set(&people[1], "mail", &["another@acme.test"]);
    for finished in [fixture.plan(), fixture.sync()] {
        finished
            .expect_exit(0)
            .says_in_one_line(&[&anchor, "update"])
            .never_says(&people[1].mail)
            .never_says("another@");
    }
}

#[test]
fn plan_and_sync_have_the_same_exit_code_for_users_that_can_not_be_provisioned() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    let refusal = TargetFault::always(FaultEffect::status(400)).method("POST").user(&people[2].mail);
    fixture.workplace.inject(refusal);
    fixture.set(&people[1], "mail", &[]);
    fixture.settle(3);
    fixture
        .plan()
        .expect_exit(3)
        .says_in_one_line(&["missing or invalid attribute", "userName"])
        .says_in_one_line(&[&people[2].mail, "failed"])
        .says("Plan: 1 failed, 1 missing or invalid attribute, 2 in sync (4 in scope)");
    fixture.settle(3);
}

#[test]
fn plan_can_not_be_made_while_the_target_is_down() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    people.iter().for_each(|person| fixture.set(person, "title", &["Poet"]));
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(503)));
    fixture.plan().expect_exit(1).says("target not available").never_says("Plan:");
}
