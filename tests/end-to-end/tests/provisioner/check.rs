//! `provisioner check` proves each part of a set-up by using it, and fails where one is wrong.

use embedded_ldap::{EmbeddedLdap, LdapFault, company};
use end_to_end::{BASE_DN, GROUPS_DN, Slapd};
use serde_json::Value;

use crate::said::Said;
use crate::world::{STATUS, World, staff, workplace_group};

fn ready() -> World<Slapd> {
    let mut people = staff(5);
    people[4].employee_type = "disabled".to_owned();
    World::of(&people).configured(|it| it.directory += STATUS)
}

/// The step of a report in JSON, by what was tried.
#[track_caller]
fn step<'a>(report: &'a Value, tried: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["tried"] == tried).unwrap_or_else(|| panic!("no {tried} in {report:#}"))
}

#[test]
fn a_good_set_up_is_proved_part_by_part_and_changes_nothing() {
    let world = ready();
    let people = staff(5);
    let check = world.check();
    check
        .expect_exit(0)
        .says_in_a_line(&["ok", "configuration", "corp.toml"])
        .says_in_a_line(&["ok", "directory", &world.directory.url()])
        .says_in_a_line(&["ok", "base DN", BASE_DN])
        .says_in_a_line(&["ok", "scope", "5 entries, 1 of them disabled"])
        .says_in_a_line(&["ok", "mapping", "userName", "•••"])
        .says_in_a_line(&["ok", "target", &world.workplace.url()])
        .says_in_a_line(&["ok", "look-up", "no account yet"])
        .never_says("FAIL");
    for person in &people {
        for value in [&person.mail, &person.family_name, &person.title, &person.employee_number] {
            check.never_says(value);
        }
    }
    world.expect_no_write();
    assert!(!world.dir.file("corp.state").exists(), "looking leaves nothing behind");

    world.settle(0);
    let state = world.state();
    world.check().expect_exit(0).says("the example has an account");
    world.expect_no_write();
    assert_eq!(world.state(), state);
}

#[test]
fn the_answer_in_json_holds_the_same() {
    let world = ready();
    let report = world.run(&["check", "--json"]).expect_exit(0).json().unwrap();
    assert_eq!(report["ok"], true);
    assert!(step(&report, "scope")["result"].as_str().unwrap().contains("5 entries"));

    world.dir.target_secret("wrong").unwrap();
    let report = world.run(&["check", "--json"]).expect_exit(1).json().unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(
        (&step(&report, "target")["ok"], &step(&report, "scope")["ok"]),
        (&false.into(), &true.into())
    );
}

#[test]
fn offline_looks_at_the_file_and_contacts_nobody() {
    let mut world = ready();
    world.directory.stop();
    std::fs::remove_file(world.dir.file("directory-secret.json")).unwrap();
    world.run(&["check", "--offline"]).expect_exit(0).says("is in order");
    world.expect_no_call();

    world.configure(|it| it.mapping += "titel = \"title\"\n");
    world.run(&["check", "--offline"]).expect_exit(2).says("titel");
}

#[test]
fn a_wrong_password_fails_it() {
    let world = ready();
    world.admin().set_reader_password("another").unwrap();
    world
        .check()
        .expect_exit(1)
        .says_in_a_line(&["FAIL", "directory", "refused the sign-in"])
        // The other end is looked at all the same.
        .says_in_a_line(&["ok", "target"]);
}

#[test]
fn an_empty_password_fails_it() {
    let world = ready();
    let mut secret = world.directory.reader_secret();
    secret["password"] = "".into();
    world.dir.directory_secret(&secret).unwrap();
    world.check().expect_exit(1).says_in_a_line(&["FAIL", "directory", "without a name and a password"]);
}

#[test]
fn a_directory_that_is_not_there_fails_it() {
    let mut world = ready();
    world.directory.stop();
    world.check().expect_exit(1).says_in_a_line(&["FAIL", "directory", "can't reach"]);
}

#[test]
fn a_wrong_token_fails_it() {
    let world = ready();
    world.dir.target_secret("wrong-token").unwrap();
    world
        .check()
        .expect_exit(1)
        .says_in_a_line(&["FAIL", "target", "the token is refused"])
        .says_in_a_line(&["ok", "scope"])
        .never_says("wrong-token");
    assert!(world.workplace.request_count() <= 2);
}

#[test]
fn a_target_that_is_not_there_fails_it() {
    let world = ready().configured(|it| {
        it.target =
            "kind = \"workplace\"\nurl = \"http://127.0.0.1:1\"\nsecret = \"file:target-secret.json\"\n"
                .into();
    });
    world.check().expect_exit(1).says_in_a_line(&["FAIL", "target", "not available"]);
}

#[test]
fn a_wrong_base_fails_it() {
    let world = ready().configured(|it| {
        it.directory = it.directory.replace("base_dn = \"dc=acme", "base_dn = \"dc=acne");
    });
    world.check().expect_exit(1).says("FAIL").says("the base entry dc=acne,dc=test is not there");
}

#[test]
fn a_missing_group_fails_it() {
    let world = ready();
    world.admin().delete(&workplace_group()).unwrap();
    world.check().expect_exit(1).says("FAIL").says(&format!("the group {} is not there", workplace_group()));

    let world = ready().configured(|it| {
        it.scope = format!("group = \"cn=nobody,{GROUPS_DN}\"\nmembership = \"member-of\"\n");
    });
    world.check().expect_exit(1).says(&format!("the group cn=nobody,{GROUPS_DN} is not there"));
}

#[test]
fn a_scope_that_matches_nobody_fails_it() {
    let world = ready().configured(|it| it.scope = "filter = \"(title=A typing mistake)\"".to_owned());
    world.check().expect_exit(1).says_in_a_line(&["FAIL", "scope", "matches nobody"]);
}

#[test]
fn entries_that_can_not_be_mapped_or_identified_fail_it() {
    let world = ready();
    let people = staff(5);
    world.set(&people[2], "mail", &[]);
    let anchor = world.admin().values(&people[2].dn(), "entryUUID").unwrap().remove(0);
    world.check().expect_exit(1).says_in_a_line(&["FAIL", "mapping", &anchor, "userName is empty"]);

    let world = World::<EmbeddedLdap>::company();
    world.directory.inject(LdapFault::WithoutUuid { dn: company::GRACE.to_owned() });
    world.check().expect_exit(1).says_in_a_line(&["FAIL", "anchor", company::GRACE, "entryUUID"]);
}
