//! `provisioner check` tests each part of a setup by using it, and fails where one is wrong.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use embedded_ldap::{EmbeddedLdap, LdapFault, company};
use end_to_end::{
    BASE_DN, GROUPS_DN, GroupEntry, PEOPLE_DN, READER_DN, STATUS, Slapd, SlapdOptions, TerminalFixture,
    enabled_people, workplace_group,
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

/// Level of the step with this name.
#[track_caller]
fn level<'a>(report: &'a Value, tried: &str) -> &'a str {
    step(report, tried)["level"].as_str().unwrap()
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
        .never_says("warning")
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
    fixture.check().expect_exit(0).says_in_one_line(&["warning", "no entry shows secretType"]);
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
        "8 of 8 entries can't be mapped",
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
    assert_eq!((level(&report, "target"), level(&report, "scope")), ("fail", "ok"));
}

#[test]
fn offline_check_makes_no_connection() {
    let mut fixture = ready();
    fixture.directory.stop();
    fixture.run(&["check", "--offline"]).expect_exit(0).says("is in order").never_says("warning");
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
        "warning",
        "members",
        "of 9 members of the group",
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

/// One user without a mapped user name stops no run.
#[test]
fn users_that_can_not_be_mapped_are_a_warning_unless_it_is_all_of_them() {
    let fixture = ready();
    let people = enabled_people(5);
    fixture.set(&people[2], "mail", &[]);
    fixture.check().expect_exit(0).says_in_one_line(&[
        "warning",
        "mapping",
        "1 of 5 entries can't be mapped and get no account",
        &people[2].dn(),
        "userName is empty",
    ]);
    let report = fixture.run(&["check", "--json"]).expect_exit(0).json().unwrap();
    assert_eq!((&report["ok"], level(&report, "mapping")), (&true.into(), "warning"));

    people.iter().for_each(|person| fixture.set(person, "mail", &[]));
    fixture.check().expect_exit(1).says_in_one_line(&["FAIL", "mapping", "4 of 5 entries can't be mapped"]);
}

#[test]
fn entry_without_an_anchor_fails() {
    let fixture = TerminalFixture::<EmbeddedLdap>::company();
    fixture.directory.inject(LdapFault::WithoutUuid { dn: company::GRACE.to_owned() });
    fixture.check().expect_exit(1).says_in_one_line(&["FAIL", "anchor", company::GRACE, "entryUUID"]);
}

/// The schema has both names, so only the entries show the mistake.
#[test]
fn source_attribute_that_no_entry_shows_is_a_warning_with_the_nearest_names() {
    let mut fixture = ready();
    fixture.configure(|it| it.mapping = it.mapping.replace("\"departmentNumber\"", "\"employeeNumbr\""));
    fixture.check().expect_exit(1).says_in_one_line(&[
        "FAIL",
        "schema",
        "the nearest name is employeeNumber",
    ]);
    // An attribute of another class.
    fixture.configure(|it| it.mapping = it.mapping.replace("\"employeeNumbr\"", "\"homePhone\""));
    fixture.configure(|it| it.mapping = it.mapping.replace("= \"mobile\"", "= \"telexNumber\""));
    fixture
        .check()
        .expect_exit(0)
        .says_in_one_line(&[
            "warning",
            "mapping",
            "no entry in scope shows homePhone, the source of department",
        ])
        .says_in_one_line(&[
            "warning",
            "no entry in scope shows telexNumber, the source of phoneNumbers.mobile",
            "entries show telephoneNumber",
        ]);
    // Of a list, one source is enough; an expression needs each of its attributes.
    fixture.configure(|it| {
        it.mapping = it.mapping.replace("\"telexNumber\"", "{ from = [\"telexNumber\", \"mobile\"] }");
        it.mapping = it.mapping.replace("\"homePhone\"", "\"{{ departmentNumber }} {{ homePhone }}\"");
    });
    fixture
        .check()
        .expect_exit(0)
        .never_says("telexNumber")
        .says_in_one_line(&["warning", "no entry in scope shows homePhone, the source of department"]);
}

#[test]
fn offline_check_reads_secrets_and_certificates() {
    let mut fixture = ready();
    let offline = |fixture: &TerminalFixture<Slapd>| fixture.run(&["check", "--offline"]);
    let secret = fixture.dir.file("directory-secret.json");
    std::fs::write(&secret, "{\"bind_dn\": \"x\"}").unwrap();
    offline(&fixture).expect_exit(1).says_in_one_line(&["FAIL", "directory secret", "should hold"]);
    std::fs::remove_file(&secret).unwrap();
    offline(&fixture)
        .expect_exit(1)
        .says_in_one_line(&["FAIL", "directory secret", "directory-secret.json", "can't be read"])
        .says_in_one_line(&["ok", "target secret"]);
    fixture.dir.directory_secret(&fixture.directory.reader_secret()).unwrap();
    fixture.configure(|it| {
        it.directory += "ca = \"file:nowhere.pem\"\n";
        it.target = it.target.replace("file:target-secret.json", "env:NO_SUCH_TOKEN");
    });
    offline(&fixture)
        .expect_exit(1)
        .says_in_one_line(&["FAIL", "directory CA", "nowhere.pem can't be read"])
        // Another environment may have it.
        .says_in_one_line(&["warning", "target secret", "NO_SUCH_TOKEN is not set"]);
    fixture.configure(|it| it.target = it.target.replace("env:NO_SUCH_TOKEN", "secretsmanager:corp/target"));
    offline(&fixture).says_in_one_line(&["ok", "target secret", "not fetched offline"]);
    fixture.expect_no_call();
}

#[test]
fn secret_that_others_can_read_is_a_warning_once_a_command() {
    let fixture = ready();
    let secret = fixture.dir.file("target-secret.json");
    std::fs::set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
    let command = "restrict it: chmod 600 target-secret.json";
    fixture.run(&["check", "--offline"]).expect_exit(0).says_in_one_line(&["warning", "secrets", command]);
    for arguments in [&["check"][..], &["plan"], &["sync"]] {
        let output = fixture.run(arguments);
        output.expect_exit(0);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(said.matches("chmod 600").count(), 1, "{said}");
    }
    fixture.run(&["status"]).expect_exit(0).never_says("chmod");
}

/// Some editors of Windows write a byte order mark, and some write UTF-16.
#[test]
fn byte_order_mark_breaks_no_file_and_utf_16_is_named() {
    let files = ["corp.toml", "directory-secret.json", "target-secret.json", "ca.pem"];
    let people = enabled_people(2);
    let groups = vec![GroupEntry::of("workplace", &people)];
    let mut fixture =
        TerminalFixture::start(SlapdOptions { people, groups, tls: true, ..SlapdOptions::default() });
    std::fs::copy(fixture.directory.ca().unwrap(), fixture.dir.file("ca.pem")).unwrap();
    let (plain, secure) = (fixture.directory.url(), fixture.directory.ldaps_url());
    fixture.configure(|it| it.directory = it.directory.replace(&plain, &secure) + "ca = \"file:ca.pem\"\n");
    for name in files {
        let path = fixture.dir.file(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("\u{feff}{text}")).unwrap();
    }
    fixture.check().expect_exit(0).never_says("FAIL");
    for name in files {
        let path = fixture.dir.file(name);
        let text = std::fs::read(&path).unwrap();
        let wide: Vec<u8> =
            String::from_utf8_lossy(&text).encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(&path, wide).unwrap();
        let output = fixture.check();
        output.says(name).says("is encoded in UTF-16; save it as UTF-8");
        assert_ne!(output.exit_code, Some(0));
        std::fs::write(&path, text).unwrap();
    }
}
