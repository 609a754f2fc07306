//! `provisioner check` tests each part of a setup by using it, and fails where one is wrong.

use embedded_ldap::{EmbeddedLdap, LdapFault, company};
use end_to_end::{
    BASE_DN, GROUPS_DN, PEOPLE_DN, READER_DN, STATUS, Slapd, TerminalFixture, enabled_people, workplace_group,
};
use serde_json::Value;
use simulator::{FaultEffect, TargetFault};

fn ready() -> TerminalFixture<Slapd> {
    let mut people = enabled_people(5);
    people[4].employee_type = "disabled".to_owned();
    TerminalFixture::of(&people).configured(|it| it.directory += STATUS)
}

/// The step of a JSON report with this name.
#[track_caller]
fn step<'a>(report: &'a Value, tried: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().find(|step| step["tried"] == tried).unwrap_or_else(|| panic!("no {tried} in {report:#}"))
}

#[test]
fn valid_setup_passes_every_step_without_changes() {
    let fixture = ready();
    let people = enabled_people(5);
    let check = fixture.check();
    check
        .expect_exit(0)
        .says_in_one_line(&["ok", "configuration", "corp.toml"])
        .says_in_one_line(&["ok", "directory", &fixture.directory.url()])
        .says_in_one_line(&["ok", "base DN", BASE_DN])
        .says_in_one_line(&["ok", "scope", "5 entries, 1 of them disabled"])
        .says_in_one_line(&["ok", "mapping", "userName", "•••"])
        .says_in_one_line(&["ok", "target", &fixture.workplace.url()])
        .says_in_one_line(&["ok", "look-up", "no account yet"])
        .never_says("FAIL");
    for person in &people {
        for value in [&person.mail, &person.family_name, &person.title, &person.employee_number] {
            check.never_says(value);
        }
    }
    fixture.expect_no_write();
    assert!(!fixture.dir.file("corp.state").exists(), "a check creates no state");

    fixture.settle(0);
    let state = fixture.state();
    fixture.check().expect_exit(0).says("the example has an account");
    fixture.expect_no_write();
    assert_eq!(fixture.state(), state);
}

#[test]
fn status_attribute_that_no_entry_shows_is_named() {
    let fixture = TerminalFixture::<EmbeddedLdap>::company().configured(|it| it.directory += STATUS);
    fixture.check().expect_exit(0).never_says("status attribute");
    let mut fixture =
        fixture.configured(|it| it.directory = it.directory.replace("employeeType", "secretType"));
    fixture.check().expect_exit(0).says_in_one_line(&["ok", "no entry shows secretType"]);
    // Where every entry has the attribute, its absence is no status.
    let bitmap =
        "status = { algorithm = \"bitmap\", attribute = \"userAccountControl\", disabled_bits = 2 }\n";
    fixture.configure(|it| {
        let other = it.directory.lines().filter(|line| !line.starts_with("status"));
        it.directory = other.map(|line| format!("{line}\n")).collect::<String>() + bitmap;
    });
    fixture.check().expect_exit(1).says_in_one_line(&[
        "FAIL",
        "mapping",
        "fails for 8 entries",
        "no right to read it",
    ]);
}

#[test]
fn json_report_has_the_same_content() {
    let fixture = ready();
    let report = fixture.run(&["check", "--json"]).expect_exit(0).json().unwrap();
    assert_eq!(report["ok"], true);
    assert!(step(&report, "scope")["result"].as_str().unwrap().contains("5 entries"));

    fixture.dir.target_secret("wrong").unwrap();
    let report = fixture.run(&["check", "--json"]).expect_exit(1).json().unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(
        (&step(&report, "target")["ok"], &step(&report, "scope")["ok"]),
        (&false.into(), &true.into())
    );
}

#[test]
fn offline_check_makes_no_connection() {
    let mut fixture = ready();
    fixture.directory.stop();
    std::fs::remove_file(fixture.dir.file("directory-secret.json")).unwrap();
    fixture.run(&["check", "--offline"]).expect_exit(0).says("is in order");
    fixture.expect_no_call();

    fixture.configure(|it| it.mapping += "titel = \"title\"\n");
    fixture.run(&["check", "--offline"]).expect_exit(2).says("titel");
}

#[test]
fn wrong_password_fails() {
    let fixture = ready();
    fixture.admin().set_reader_password("another").unwrap();
    fixture
        .check()
        .expect_exit(1)
        .says_in_one_line(&["FAIL", "directory", "refused the sign-in"])
        // The target is checked although the directory failed.
        .says_in_one_line(&["ok", "target"]);
}

#[test]
fn empty_password_fails() {
    let fixture = ready();
    let mut secret = fixture.directory.reader_secret();
    secret["password"] = "".into();
    fixture.dir.directory_secret(&secret).unwrap();
    fixture.check().expect_exit(1).says_in_one_line(&[
        "FAIL",
        "directory",
        "the name or the password is empty",
    ]);
}

#[test]
fn unreachable_directory_fails() {
    let mut fixture = ready();
    fixture.directory.stop();
    fixture.check().expect_exit(1).says_in_one_line(&["FAIL", "directory", "can't reach"]);
}

/// An integration with an allow-list refuses every request of another address.
#[test]
fn refused_address_is_explained() {
    let fixture = ready();
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(403)));
    fixture.check().expect_exit(1).says_in_one_line(&[
        "FAIL",
        "target",
        "where the integration allows listed IP addresses only, list the address",
    ]);
}

#[test]
fn wrong_token_fails() {
    let fixture = ready();
    fixture.dir.target_secret("wrong-token").unwrap();
    fixture
        .check()
        .expect_exit(1)
        .says_in_one_line(&[
            "FAIL",
            "target",
            "the token is refused",
            "list the address that this check and the",
        ])
        .says_in_one_line(&["ok", "scope"])
        .never_says("wrong-token");
    assert!(fixture.workplace.request_count() <= 2);
}

#[test]
fn unreachable_target_fails() {
    let fixture = ready().configured(|it| {
        it.target =
            "kind = \"workplace\"\nurl = \"http://127.0.0.1:1\"\nsecret = \"file:target-secret.json\"\n"
                .into();
    });
    fixture.check().expect_exit(1).says_in_one_line(&["FAIL", "target", "not available"]);
}

#[test]
fn missing_base_dn_fails() {
    let fixture = ready().configured(|it| {
        it.directory = it.directory.replace("base_dn = \"dc=acme", "base_dn = \"dc=acne");
    });
    fixture.check().expect_exit(1).says("FAIL").says("the base entry dc=acne,dc=test does not exist");
}

#[test]
fn missing_group_fails() {
    let fixture = ready();
    fixture.admin().delete(&workplace_group()).unwrap();
    fixture
        .check()
        .expect_exit(1)
        .says("FAIL")
        .says(&format!("the group {} does not exist", workplace_group()));

    let fixture = ready().configured(|it| {
        it.scope = format!("group = \"cn=missing,{GROUPS_DN}\"\nmembership = \"member-of\"\n");
    });
    fixture.check().expect_exit(1).says(&format!("the group cn=missing,{GROUPS_DN} does not exist"));
}

#[test]
fn members_without_an_account_are_counted() {
    let mut fixture = ready();
    fixture.check().expect_exit(0).never_says("members of the group");
    let foreign = format!("cn=S-1-5-21-7,cn=ForeignSecurityPrincipals,{BASE_DN}");
    let members = [READER_DN, GROUPS_DN, &format!("uid=left,{PEOPLE_DN}"), &foreign].map(str::to_owned);
    fixture.admin().add_members(&workplace_group(), &members).unwrap();
    fixture.configure(|it| it.directory = it.directory.replace(BASE_DN, PEOPLE_DN));
    fixture.check().expect_exit(0).says_in_one_line(&[
        "members",
        "warning: of 9 members of the group",
        "2 outside of the base DN",
        "1 of another forest (foreign security principals)",
        "1 no user in scope",
    ]);
}

#[test]
fn empty_scope_is_said_by_a_sync() {
    let fixture = ready().configured(|it| it.scope = "filter = \"(title=A typing mistake)\"".to_owned());
    fixture.sync().expect_exit(0).says("The scope matches no user:").says("check the group or filter");
}

#[test]
fn empty_scope_fails() {
    let fixture = ready().configured(|it| it.scope = "filter = \"(title=A typing mistake)\"".to_owned());
    fixture.check().expect_exit(1).says_in_one_line(&["FAIL", "scope", "matches no entry"]);
}

#[test]
fn unmappable_and_unidentified_entries_fail() {
    let fixture = ready();
    let people = enabled_people(5);
    fixture.set(&people[2], "mail", &[]);
    let anchor = fixture.admin().values(&people[2].dn(), "entryUUID").unwrap().remove(0);
    fixture.check().expect_exit(1).says_in_one_line(&["FAIL", "mapping", &anchor, "userName is empty"]);

    let fixture = TerminalFixture::<EmbeddedLdap>::company();
    fixture.directory.inject(LdapFault::WithoutUuid { dn: company::GRACE.to_owned() });
    fixture.check().expect_exit(1).says_in_one_line(&["FAIL", "anchor", company::GRACE, "entryUUID"]);
}
