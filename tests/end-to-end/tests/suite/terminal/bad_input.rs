//! Errors name the file, the key or the user, and affect no other user.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;
use std::{thread, time::Duration};

use embedded_ldap::{EmbeddedLdap, LdapFault, company};
use end_to_end::{
    ProgramOutput, Slapd, SlapdOptions, TerminalFixture, TestConfiguration, TestDir, damage_record,
    deactivates, enabled_people, program, request_lines, workplace_group,
};
use serde_json::json;
use simulator::{FaultEffect, ReplyBody, SimulatedReply, TargetFault};

/// Members of the company's group.
const MEMBERS: usize = 8;

/// Runs a configuration whose servers do not exist: its errors are reported before any connection.
fn refused(change: impl FnOnce(&mut TestConfiguration)) -> ProgramOutput {
    let dir = TestDir::new().unwrap();
    let mut configuration = TestConfiguration::openldap_at("ldap://127.0.0.1:1", "http://127.0.0.1:1");
    change(&mut configuration);
    dir.configure(&configuration).unwrap();
    let finished = dir.provisioner(["sync", "--config", "corp.toml"]).run().unwrap();
    finished.expect_exit(2).says("corp.toml");
    assert_eq!(finished.stdout, "", "an error is no answer");
    assert!(!dir.file("corp.state").exists(), "a configuration that can't be used leaves no state behind");
    finished
}

/// Expects no removal, and this number of active accounts.
#[track_caller]
fn expect_no_account_lost<D>(fixture: &TerminalFixture<D>, accounts: usize) {
    let removals: Vec<_> = fixture
        .workplace
        .writes()
        .into_iter()
        .filter(|write| deactivates(write) || write.method == "DELETE")
        .collect();
    assert!(removals.is_empty(), "an account was deprovisioned:\n{}", request_lines(&removals));
    let active = fixture.workplace.accounts().iter().filter(|account| account["active"] == true).count();
    assert_eq!(active, accounts);
}

/// Syncs until waits for retries have ended.
#[track_caller]
fn sync_until_done<D>(fixture: &TerminalFixture<D>) {
    for _ in 0..12 {
        if fixture.sync().exit_code == Some(0) {
            return;
        }
        thread::sleep(Duration::from_secs(5));
    }
    fixture.sync().expect_exit(0);
}

#[test]
fn unknown_key_is_named_with_its_line() {
    refused(|it| it.options = "provision_disable = true".to_owned())
        .says("corp.toml:")
        .says("provision_disable")
        .says("provision_disabled");
    refused(|it| it.more = "[extras]\nyes = true".to_owned()).says("corp.toml:").says("extras");
}

#[test]
fn unknown_target_attribute_is_named_with_the_nearest_ones() {
    refused(|it| it.mapping += "titel = \"title\"\n").says("mapping.titel").says("nearest").says("title");
    refused(|it| it.mapping += "\"phoneNumbers.mobil\" = \"mobile\"\n").says("phoneNumbers.mobile");
    refused(|it| it.mapping += "active = \"employeeType\"\n").says("active can't be mapped");
}

#[test]
fn invalid_expression_is_shown_with_its_error() {
    refused(|it| it.mapping += "nickName = \"{{ givenName | shout }}\"\n")
        .says("mapping.nickName")
        .says("{{ givenName | shout }}")
        .says("shout");
    refused(|it| it.mapping += "nickName = \"{{ givenName }\"\n").says("mapping.nickName").says("line 1");
    refused(|it| it.mapping += "nickName = { expression = \"{% if sn %}x\" }\n").says("mapping.nickName");
}

#[test]
fn contradictory_configuration_is_refused_with_its_key() {
    refused(|it| it.mapping = "title = \"title\"".to_owned()).says("userName is not mapped");
    refused(|it| it.scope += "filter = \"(uid=*)\"\n").says("key scope").says("both group and filter");
    refused(|it| it.scope = "filter = \"(uid=*\"".to_owned()).says("key scope.filter");
    refused(|it| it.directory = it.directory.replace("openldap", "novell")).says("key directory.kind");
    refused(|it| {
        it.directory =
            it.directory.replace("file:directory-secret.json", "{\\\"password\\\": \\\"hunter2\\\"}")
    })
    .says("key directory.secret")
    .never_says("hunter2");
}

#[test]
fn missing_file_is_named() {
    let dir = TestDir::new().unwrap();
    let finished = dir.provisioner(["sync", "--config", "nowhere.toml"]).run().unwrap();
    finished.expect_exit(2).says("nowhere.toml");
}

#[test]
fn missing_secret_is_named_and_no_account_is_lost() {
    let people = enabled_people(3);
    let mut fixture = TerminalFixture::of(&people);
    fixture.settle(0);

    let (file, text) = ("directory-secret.json", fixture.dir.read("directory-secret.json").unwrap());
    std::fs::remove_file(fixture.dir.file(file)).unwrap();
    fixture.sync().expect_exit(1).says("can't use the directory").says(file).says("can't be read");
    fixture.dir.write(file, "{\"bind_dn\": \"cn=reader\", \"pasword\": \"hunter2\"}").unwrap();
    fixture.sync().expect_exit(1).says(file).says("\"password\": \"…\"").never_says("hunter2");
    fixture.dir.write(file, &text).unwrap();

    std::fs::remove_file(fixture.dir.file("target-secret.json")).unwrap();
    fixture.sync().expect_exit(1).says("can't use the target").says("target-secret.json");
    fixture.configure(|it| it.target = it.target.replace("file:target-secret.json", "env:WORKPLACE_SECRET"));
    fixture.sync().expect_exit(1).says("environment variable WORKPLACE_SECRET is not set");

    let secret = json!({ "access_token": fixture.workplace.token() }).to_string();
    let command = fixture.dir.provisioner(["sync", "--config", "corp.toml"]).env("WORKPLACE_SECRET", &secret);
    command.run().unwrap().expect_exit(0).says("nothing to do");
    expect_no_account_lost(&fixture, 3);
}

#[test]
fn unreachable_directory_deprovisions_no_user() {
    let people = enabled_people(3);
    let mut fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let state = fixture.state().of_users();

    fixture.directory.stop();
    let url = fixture.directory.url();
    fixture
        .sync()
        .expect_exit(1)
        .says("can't reach the directory")
        .says(&url)
        .says("check the address and the port");
    fixture.expect_no_write();
    assert_eq!(fixture.state().of_users(), state);

    fixture.directory.restart().unwrap();
    fixture.sync().expect_exit(0).says("nothing to do");
}

#[test]
fn certificate_of_another_authority_is_refused() {
    let people = enabled_people(3);
    let tls = || SlapdOptions { tls: true, ..SlapdOptions::default() };
    let others = Slapd::start(tls()).unwrap();
    let mut fixture = TerminalFixture::start(SlapdOptions {
        groups: vec![end_to_end::GroupEntry::of("workplace", &people)],
        people,
        ..tls()
    });
    let (plain, secure) = (fixture.directory.url(), fixture.directory.ldaps_url());
    let ca = fixture.directory.ca().unwrap().display().to_string();
    let wrong_ca = others.ca().unwrap().display().to_string();

    fixture.configure(|it| it.directory = it.directory.replace(&plain, &secure));
    fixture.sync().expect_exit(1).says("no secure connection").says(&secure).says("the directory's CA");
    let without = fixture.configuration().directory.clone();
    fixture.configure(|it| it.directory += &format!("ca = \"file:{wrong_ca}\"\n"));
    fixture.sync().expect_exit(1).says("no secure connection").says(&secure);
    fixture.configure(|it| it.directory = without);
    fixture.configure(|it| it.directory += "ca = \"file:nowhere.pem\"\n");
    fixture.sync().expect_exit(1).says("directory.ca").says("nowhere.pem");

    fixture.configure(|it| it.directory = it.directory.replace("nowhere.pem", &ca));
    fixture.sync().expect_exit(0).says("3 created");
    fixture.configure(|it| it.directory = it.directory.replace(&secure, &plain) + "start_tls = true\n");
    fixture.sync().expect_exit(0).says("nothing to do");
}

#[test]
fn recreated_authority_is_reported_as_untrusted() {
    let tls = || SlapdOptions { tls: true, ..SlapdOptions::default() };
    let (ours, others) = (TerminalFixture::start(tls()), Slapd::start(tls()).unwrap());
    let ca = others.ca().unwrap().display().to_string();
    let (plain, secure) = (ours.directory.url(), ours.directory.ldaps_url());
    let fixture = ours.configured(|it| {
        it.directory = it.directory.replace(&plain, &secure) + &format!("ca = \"file:{ca}\"\n");
    });
    fixture
        .sync()
        .expect_exit(1)
        .says("no secure connection")
        .says("the directory's CA")
        .never_says("BadSignature");
}

#[test]
fn wrong_password_is_reported_and_deprovisions_no_user() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.admin().set_reader_password("another").unwrap();
    fixture
        .sync()
        .expect_exit(1)
        .says("refused the sign-in")
        .says("check the bind DN and the password")
        .never_says("reader-password");
    fixture.expect_no_call();
    expect_no_account_lost(&fixture, 3);
}

#[test]
fn entry_without_anchor_stops_only_removals() {
    let fixture = TerminalFixture::<EmbeddedLdap>::company();
    fixture.settle(0).says("8 created");
    let directory = &fixture.directory;
    directory.add_member(company::WORKPLACE, company::WEI).unwrap();
    directory.set(company::GRACE, "title", &["Chief Technology Officer"]).unwrap();
    directory.remove_member(company::WORKPLACE, company::TOMASZ).unwrap();
    directory.inject(LdapFault::WithoutUuid { dn: company::AISHA.to_owned() });

    fixture
        .sync()
        .expect_exit(1)
        .says("1 created, 1 updated")
        .says("1 entries could not be identified; no accounts will be deprovisioned")
        .says(company::AISHA)
        .says("entryUUID");
    expect_no_account_lost(&fixture, MEMBERS + 1);

    directory.clear_faults();
    fixture.sync().expect_exit(0).says_in_one_line(&["tomasz@acme.test", "deactivated"]);
}

#[test]
fn entry_without_user_name_is_reported_alone() {
    let people = enabled_people(4);
    let fixture = TerminalFixture::of(&people);
    fixture.set(&people[2], "mail", &[]);

    fixture.sync().expect_exit(3).says("3 created").says_in_one_line(&[
        &people[2].dn(),
        "missing or invalid attribute",
        "userName (from 'mail'): userName is empty",
    ]);
    assert_eq!(fixture.workplace.accounts().len(), 3);

    fixture.set(&people[2], "mail", &[&people[2].mail]);
    fixture.settle(0).says("1 created");

    // A user with an account keeps it when the user name is emptied.
    fixture.set(&people[3], "mail", &[]);
    fixture.sync().expect_exit(3).says_in_one_line(&[
        &people[3].mail,
        "missing or invalid attribute",
        "userName is empty",
    ]);
    fixture.expect_no_write();
    expect_no_account_lost(&fixture, 4);
}

#[test]
fn oversized_value_stops_only_its_user() {
    let people = enabled_people(4);
    let mut fixture = TerminalFixture::of(&people);
    fixture.configure(|it| it.mapping += "nickName = \"description\"\n");
    fixture.settle(0);
    fixture.set(&people[1], "description", &[&"x".repeat(1_000_000)]);
    fixture.set(&people[2], "description", &["Lulu"]);

    let finished = fixture.sync();
    finished.expect_exit(3).says("1 updated").says_in_one_line(&[
        &people[1].mail,
        "missing or invalid attribute",
        "nickName (from 'description'): the value of 'description' has 1000000 bytes",
    ]);
    assert!(finished.stdout.len() < 10_000, "the value itself is not shown");
    assert_eq!(fixture.account(&people[2].mail)["nickName"], "Lulu");

    // The same value in an unmapped attribute has no effect.
    fixture.configure(|it| it.mapping = it.mapping.replace("nickName = \"description\"\n", ""));
    fixture.sync().expect_exit(0);
    expect_no_account_lost(&fixture, 4);
}

#[test]
fn invalid_utf8_stops_only_its_user() {
    let fixture = TerminalFixture::<EmbeddedLdap>::company();
    fixture.settle(0);
    let directory = &fixture.directory;
    directory.set_bytes(company::ZOE, "title", vec![vec![0xff, 0xfe, b'x']]).unwrap();
    directory.set(company::GRACE, "title", &["Chief Technology Officer"]).unwrap();
    fixture.sync().expect_exit(3).says("1 updated").says_in_one_line(&[
        "zoe@acme.test",
        "missing or invalid attribute",
        "title (from 'title'): the value of 'title' is not valid UTF-8",
    ]);
    expect_no_account_lost(&fixture, MEMBERS);

    directory.set(company::ZOE, "title", &["Site Reliability Engineer"]).unwrap();
    fixture.sync().expect_exit(0);
}

#[test]
fn control_characters_are_not_printed() {
    let people = enabled_people(2);
    let fixture = TerminalFixture::of(&people);
    fixture.set(&people[1], "title", &["Engineer\u{1b}[2J\u{7}\r\nDone: nothing to do"]);
    fixture.set(&people[0], "mail", &["\u{1b}[2J@acme.test"]);
    fixture.plan().expect_exit(0).never_says("\u{1b}").never_says("\u{7}");
    // The target refuses such a name, and the error message is escaped too.
    fixture.sync().expect_exit(3).never_says("\u{1b}").never_says("\u{7}").says("1 created");
}

#[test]
fn unknown_fields_of_the_target_are_ignored() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture
        .workplace
        .seed(json!({"userName": people[1].mail, "active": true, "name": {"formatted": "There Before"}}));
    let account = fixture.account(&people[1].mail);
    let unknown: Vec<_> = account.as_object().unwrap().keys().filter(|key| key.contains("adge")).collect();
    assert!(!unknown.is_empty(), "the simulator should show something unknown: {account:#}");

    fixture.settle(0).says("2 created, 1 linked");
    fixture.set(&people[1], "title", &["Chief Gardener"]);
    fixture.sync().expect_exit(0).says("1 updated");
}

#[test]
fn html_answer_stops_only_its_user() {
    let people = enabled_people(6);
    let fixture = TerminalFixture::of(&people);
    let html = SimulatedReply::status(200).content(ReplyBody::Html);
    fixture.workplace.inject(TargetFault::always(FaultEffect::Answer(html)).user(&people[3].mail));

    fixture
        .sync()
        .expect_exit(3)
        .says("5 created")
        .says("1 retry scheduled")
        .says_in_one_line(&[&people[3].mail, "retry scheduled", "HTML", "will be retried"])
        .never_says("<html");
    assert_eq!(fixture.workplace.accounts().len(), 5);
}

#[test]
fn refused_token_ends_the_run_after_few_calls() {
    let people = enabled_people(40);
    let fixture = TerminalFixture::of(&people);
    fixture.dir.target_secret("an-expired-token").unwrap();
    fixture
        .sync()
        .expect_exit(1)
        .says("The target refused the access token: renew it; the users stay pending")
        .never_says("an-expired-token")
        .never_says(&fixture.workplace.token());
    // Eight users are in progress at a time, and each of them sends at most its own request and the probe before the run ends.
    let sent = fixture.workplace.requests();
    assert!(sent.len() <= 2 * 8 + 2, "{}", request_lines(&sent));
    assert!(fixture.workplace.accounts().is_empty());

    fixture.dir.target_secret(&fixture.workplace.token()).unwrap();
    sync_until_done(&fixture);
    assert_eq!(fixture.workplace.accounts().len(), 40);
    fixture.settle(0).says("nothing to do");
}

#[test]
fn unavailable_target_is_spared_and_resumed() {
    let people = enabled_people(40);
    let fixture =
        TerminalFixture::of(&people).configured(|it| it.safety = "max_attribute_percent = 100".to_owned());
    fixture.settle(0);
    people[1..].iter().for_each(|person| fixture.set(person, "title", &["Chief Gardener"]));
    fixture.leave(&people[39]);
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(503)));

    fixture
        .sync()
        .expect_exit(1)
        .says("The target serves no requests now: wait until it does; the users stay pending")
        .says("HTTP 503");
    assert!(
        fixture.workplace.request_count() <= 60,
        "it is not hammered: {}",
        fixture.workplace.request_count()
    );

    fixture.workplace.clear_faults();
    sync_until_done(&fixture);
    for person in &people[1..39] {
        assert_eq!(fixture.account(&person.mail)["title"], "Chief Gardener");
    }
    fixture.expect_active(&people[39].mail, false);
    fixture.settle(0).says("nothing to do");
}

#[test]
fn refused_user_fails_with_its_attribute_alone() {
    let mut people = enabled_people(4);
    people[2].mail = "visitor@unverified.example".to_owned();
    let fixture = TerminalFixture::of(&people);
    fixture.workplace.change_options(|options| options.verified_domains = vec!["acme.test".to_owned()]);
    fixture.sync().expect_exit(3).says("3 created").says_in_one_line(&[
        "visitor@unverified.example",
        "failed",
        "userName",
        "not retried until the user changes",
    ]);
    // A failed user is not retried before it changes.
    fixture.workplace.clear_requests();
    fixture.sync().expect_exit(3);
    fixture.expect_no_call();

    fixture.set(&people[2], "mail", &["visitor@acme.test"]);
    fixture.sync().expect_exit(0).says_in_one_line(&["visitor@acme.test", "created"]);
}

#[test]
fn deleted_group_is_not_an_empty_group() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.admin().delete(&workplace_group()).unwrap();
    fixture.sync().expect_exit(1).says(&workplace_group()).says("does not exist");
    fixture.expect_no_call();
}

#[test]
fn unreadable_record_stops_no_other_user() {
    let people = enabled_people(5);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    damage_record(&fixture.dir.file("corp.state"), &people[0].mail);
    people[..4].iter().for_each(|person| fixture.set(person, "title", &["Countess"]));
    fixture.leave(&people[4]);
    for _ in 0..2 {
        fixture
            .run(&["sync", "--full"])
            .expect_exit(3)
            .says("1 record not readable")
            .says("a user record can't be read");
    }
    for person in &people[1..4] {
        assert_eq!(fixture.account(&person.mail)["title"], "Countess");
    }
    fixture.expect_active(&people[4].mail, false);
    assert_ne!(fixture.account(&people[0].mail)["title"], "Countess", "nothing is known of this user");
    fixture.expect_active(&people[0].mail, true);
}

/// Parts of an address; each holds a value that is too large for one record.
const PARTS: [&str; 6] = ["formatted", "streetAddress", "locality", "region", "postalCode", "country"];

#[test]
fn user_too_large_for_a_record_stops_no_other_user() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people).configured(|it| {
        for part in PARTS {
            let lines =
                ["home", "other"].map(|kind| format!("\n\"addresses.{kind}.{part}\" = \"description\""));
            it.mapping.push_str(&lines.concat());
        }
    });
    // JSON has six characters for each of these.
    fixture.set(&people[1], "description", &["\u{1}".repeat(8_000)].each_ref().map(String::as_str));
    let synced = fixture.sync();
    synced
        .expect_exit(3)
        .says("1 missing or invalid attribute")
        .says("2 created")
        .says("map fewer or shorter values");
    fixture.expect_no_account(&people[1].mail);
    fixture.set(&people[1], "description", &["Mathematician"]);
    fixture.settle(0);
    fixture.expect_active(&people[1].mail, true);
}

#[test]
fn proxy_of_the_environment_is_used_for_the_target() {
    let mut fixture = TerminalFixture::of(&enabled_people(1));
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    // It ends with the test's process, because the program may try again.
    thread::spawn(move || {
        for connection in proxy.incoming() {
            let mut connection = connection.unwrap();
            let mut line = String::new();
            BufReader::new(&connection).read_line(&mut line).unwrap();
            connection
                .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    fixture.configure(|it| *it = it.with_target_url("https://workplace.test/scim"));
    let checked = fixture.call(&["check"]).env("HTTPS_PROXY", &address).run().unwrap();
    checked.expect_exit(1).says_in_one_line(&["FAIL", "target", "proxy"]);
    assert_eq!(received.recv().unwrap(), "CONNECT workplace.test:443 HTTP/1.1\r\n");
}

#[test]
fn state_that_was_never_used_is_named() {
    let fixture = TerminalFixture::of(&enabled_people(2));
    let unused = "there is no state in corp.stat: it has never been used";
    let mistyped = ["--state", "corp.stat"];
    fixture.settle(0);
    let status = fixture.run(&[&["status"], &mistyped[..]].concat());
    status.expect_exit(1).says(unused).says("  provisioner sync --config corp.toml").never_says("in sync");
    fixture.run(&[&["plan"], &mistyped[..]].concat()).expect_exit(0).says("First run:").says(unused);
    fixture.plan().expect_exit(0).never_says("First run:");
    assert!(!fixture.dir.file("corp.stat").exists());
}

#[test]
fn closed_pipe_ends_the_output_without_an_error() {
    let fixture = TerminalFixture::of(&enabled_people(300));
    let command = format!("'{}' plan --config corp.toml | head -n 1", program("provisioner").display());
    let piped = Command::new("sh").args(["-c", &command]).current_dir(fixture.dir.path()).output().unwrap();
    let (lines, errors) =
        (String::from_utf8(piped.stdout).unwrap(), String::from_utf8(piped.stderr).unwrap());
    assert_eq!(lines.lines().count(), 1, "{lines}");
    assert!(!errors.contains("pipe") && !errors.contains("panicked"), "{errors}");
}
