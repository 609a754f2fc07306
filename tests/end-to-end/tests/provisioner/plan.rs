//! `provisioner plan` shows what `sync` would do, and does nothing; and no output holds what must not be shown.

use std::collections::BTreeMap;

use embedded_ldap::{EmbeddedLdap, LdapFault, company};
use end_to_end::{Finished, Person, Slapd};
use serde_json::{Value, json};
use simulator::{Effect, Fault};

use crate::said::Said;
use crate::world::{STATUS, World, staff};

/// A connection of which everything is known but the latest: somebody new, changed, disabled, out, made anew, doubled.
fn with_news() -> (World<Slapd>, Vec<Person>) {
    let mut people = staff(9);
    people[8].mail = people[0].mail.clone();
    let world = World::with(&people, &people[..6]).configured(|it| {
        it.directory += STATUS;
        it.safety = "max_removal_percent = 100".to_owned();
    });
    world.settle(0);
    world.join(&people[6]);
    world.set(&people[1], "title", &["Chief Gardener"]);
    world.set(&people[2], "employeeType", &["disabled"]);
    world.leave(&people[3]);
    world.delete(&people[4]);
    world.hire(&people[4]);
    world.join(&people[8]);
    (world, people)
}

/// A plan in JSON as (who, what) pairs.
fn who_and_what(plan: &Value) -> BTreeMap<(String, String), Value> {
    let users = plan["users"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    users.map(|user| ((text(&user["user_name"]), text(&user["action"])), user.clone())).collect()
}

#[test]
fn a_plan_shows_who_what_why_and_each_attribute() {
    let (world, people) = with_news();
    let name = |at: usize| people[at].mail.as_str();
    let plan = world.plan();
    plan.expect_exit(3)
        .says_in_a_line(&[name(6), "create", "in scope, and has no account"])
        .says_in_a_line(&["name.formatted", &people[6].name()])
        .says_in_a_line(&[name(1), "update", "title differs"])
        .says_in_a_line(&["title", &people[1].title, "→ \"Chief Gardener\""])
        .says_in_a_line(&[name(2), "deactivate", "disabled in the directory"])
        .says_in_a_line(&[name(3), "deactivate", "out of scope"])
        .says_in_a_line(&[name(4), "take-over", "takes over the account of"])
        .says_in_a_line(&[name(8), "conflict", "another entry has this user name"])
        .says("Plan: 1 conflict, 1 create, 2 deactivate, 1 take-over, 1 update");
    assert_eq!(plan.lines_with(&[name(4), "deactivate"]), 0, "{plan}");
    assert_eq!(plan.lines_with(&[name(5)]), 0, "{plan}");
}

#[test]
fn a_plan_in_json_holds_the_same() {
    let (world, people) = with_news();
    let plan = world.run(&["plan", "--json"]).expect_exit(3).json().unwrap();
    let users = who_and_what(&plan);
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
    let anchor = world.admin().values(&people[4].dn(), "entryUUID").unwrap().remove(0);
    assert_eq!(user(4, "take-over")["anchor"], anchor);
    let summary = &plan["summary"];
    assert_eq!(summary["actions"]["deactivate"], 2);
    assert_eq!((&summary["read"], &summary["complete"]), (&json!(7), &json!(true)));
}

#[test]
fn a_plan_writes_nothing_anywhere() {
    let (world, _) = with_news();
    let (state, accounts) = (world.state(), world.workplace.accounts());
    let first = world.run(&["plan", "--json"]);
    let again = world.run(&["plan", "--json"]);
    assert_eq!(first.stdout, again.stdout);
    world.plan().expect_exit(3);
    world.expect_no_write();
    assert_eq!(world.workplace.accounts(), accounts);
    assert_eq!(world.state(), state);
}

#[test]
fn a_first_plan_leaves_nothing_behind() {
    let world = World::of(&staff(3));
    world.plan().expect_exit(0).says("Plan: 3 create (3 in scope");
    world.expect_no_write();
    let mut files: Vec<_> =
        world.dir.path().read_dir().unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["corp.toml", "directory-secret.json", "target-secret.json"]);
}

#[test]
fn what_was_planned_is_what_is_done_and_then_the_plan_is_empty() {
    let (world, people) = with_news();
    world.admin().delete(&people[8].dn()).unwrap();
    let planned = who_and_what(&world.run(&["plan", "--json"]).expect_exit(0).json().unwrap());
    assert_eq!(planned.len(), 5);
    let done = world.sync();
    done.expect_exit(0);
    for ((name, action), _) in planned {
        // The one whose entry was made anew needs nothing more.
        if action != "take-over" {
            done.says_in_a_line(&[&name, &action]);
        }
    }

    world.workplace.clear_requests();
    world.plan().expect_exit(0).says("Plan: nothing to do").says("6 in scope, 6 unchanged");
    world.expect_no_call();
    let plan = world.run(&["plan", "--json"]).expect_exit(0).json().unwrap();
    assert_eq!(plan["users"], json!([]));
}

#[test]
fn a_plan_shows_what_taking_an_account_over_changes_in_it() {
    let people = staff(4);
    let world = World::of(&people);
    world.settle(0);
    world.delete(&people[2]);
    world.settle(0);
    let anew = Person { title: "Second Self".to_owned(), ..people[2].clone() };
    world.hire(&anew);

    let plan = world.plan();
    plan.expect_exit(0)
        .says_in_a_line(&[&anew.mail, "take-over"])
        .says_in_a_line(&[&anew.mail, "reactivate"])
        .says("\"Second Self\"")
        .never_says("conflict");
    world.sync().expect_exit(0).says_in_a_line(&[&anew.mail, "reactivated"]).never_says("conflict");
}

#[test]
fn a_plan_shows_what_is_held_and_withheld() {
    let people = staff(8);
    let mut world = World::of(&people);
    world.settle(0);
    people[1..5].iter().for_each(|person| world.leave(person));
    let held = world.plan();
    held.expect_exit(4).says("Plan: 4 held");
    for person in &people[1..5] {
        held.says_in_a_line(&[
            &person.mail,
            "held",
            "out of scope",
            "more removals than the safety limits allow",
        ]);
    }
    world.configure(|it| it.options = "deprovision = false\nupdate = false\n".to_owned());
    world.set(&people[5], "title", &["Chief Gardener"]);
    world
        .plan()
        .expect_exit(0)
        .says_in_a_line(&[&people[1].mail, "skipped", "out of scope", "options.deprovision is off"])
        .says_in_a_line(&[&people[5].mail, "skipped", "options.update is off"]);
}

#[test]
fn a_plan_of_a_part_says_so_and_shows_no_removal() {
    let world = World::<EmbeddedLdap>::company();
    world.settle(0);
    world.directory.remove_member(company::WORKPLACE, company::TOMASZ).unwrap();
    world.directory.set(company::GRACE, "title", &["Chief Technology Officer"]).unwrap();
    world.directory.inject(LdapFault::WithoutUuid { dn: company::AISHA.to_owned() });
    let plan = world.plan();
    plan.expect_exit(1)
        .says_in_a_line(&["grace@acme.test", "update"])
        .says("The directory was not read completely")
        .says(company::AISHA)
        .never_says("deactivate");
    let plan = world.run(&["plan", "--json"]).expect_exit(1).json().unwrap();
    assert_eq!(plan["summary"]["unidentified"][0]["dn"], company::AISHA);
}

#[test]
fn a_plan_that_can_not_be_made_has_no_beginning_either() {
    let mut world = World::of(&staff(2));
    world.directory.stop();
    let plan = world.run(&["plan", "--json"]);
    plan.expect_exit(1).says("can't reach the directory");
    assert_eq!(plan.stdout, "");
}

/// Everything that the commands say in a story of one connection, at their most talkative.
fn everything_said(world: &World<Slapd>, person: &Person) -> Vec<Finished> {
    let mut said = Vec::new();
    let mut tell = |world: &World<Slapd>| {
        for command in ["check", "plan", "sync"] {
            said.push(world.run(&[command]));
            said.push(world.run(&[command, "--json"]));
        }
    };
    tell(world);
    world.set(person, "title", &["Secret Second Title"]);
    world.set(person, "employeeNumber", &["SECRET-2"]);
    world.set(person, "mobile", &[]);
    tell(world);
    world.workplace.inject(Fault::times(3, Effect::status(400)).method("PUT"));
    world.set(person, "title", &["Secret Third Title"]);
    tell(world);
    world.leave(person);
    tell(world);
    world.dir.target_secret("SECRET-wrong-token").unwrap();
    world.set(person, "title", &["Secret Fourth Title"]);
    world.join(person);
    tell(world);
    said
}

#[test]
fn masked_values_the_token_and_the_password_are_in_no_output() {
    let mut people = staff(3);
    people[1].title = "Secret First Title".to_owned();
    people[1].employee_number = "SECRET-1".to_owned();
    people[1].mobile = Some("SECRET-phone".to_owned());
    let world = World::of(&people).configured(|it| {
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
    world.workplace.seed(account);
    let password = world.directory.reader_password().to_owned();
    let said = everything_said(&world, &people[1]);
    assert!(said.iter().any(|finished| finished.stdout.contains("•••")));
    for finished in said {
        finished.never_says("Secret").never_says("SECRET");
        finished.never_says(&password).never_says(&world.workplace.token());
    }

    // Nor are the secrets in the log, whatever it is asked for.
    world.dir.target_secret(&world.workplace.token()).unwrap();
    let command = world.dir.provisioner(["sync", "--config", "corp.toml"]).env("PROVISIONER_LOG", "trace");
    let finished = command.run().unwrap();
    assert!(finished.stderr.contains("TRACE"), "{finished}");
    finished.never_says(&password).never_says(&world.workplace.token());
}

#[test]
fn whoever_has_a_masked_name_is_shown_by_the_entrys_id() {
    let people = staff(2);
    let world = World::of(&people).configured(|it| {
        it.mapping =
            it.mapping.replace("userName = \"mail\"", "userName = { from = \"mail\", masked = true }")
    });
    let anchor = world.admin().values(&people[1].dn(), "entryUUID").unwrap().remove(0);
    for finished in [world.check(), world.plan(), world.sync()] {
        finished.expect_exit(0).never_says(&people[0].mail).never_says(&people[1].mail);
    }
    world.set(&people[1], "mail", &["another@acme.test"]);
    for finished in [world.plan(), world.sync()] {
        finished
            .expect_exit(0)
            .says_in_a_line(&[&anchor, "update"])
            .never_says(&people[1].mail)
            .never_says("another@");
    }
}
