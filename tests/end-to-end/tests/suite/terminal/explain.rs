//! `provisioner explain USER`: the reasons for a user's state, and the next action.

use end_to_end::{GroupEntry, STATUS, Slapd, SlapdOptions, TerminalFixture, enabled_people};
use serde_json::{Value, json};
use simulator::{FaultEffect, TargetFault};

#[track_caller]
fn explained(fixture: &TerminalFixture<Slapd>, user: &str) -> Value {
    let told = fixture.run(&["explain", "--json", user]);
    told.expect_exit(0);
    told.json().unwrap()
}

/// The mapping of one target attribute.
#[track_caller]
fn mapped<'a>(told: &'a Value, attribute: &str) -> &'a Value {
    let all = told["entry"]["mapping"].as_array().unwrap();
    all.iter().find(|it| it["attribute"] == attribute).unwrap_or_else(|| panic!("no {attribute} in {told:#}"))
}

#[test]
#[expect(
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "one scenario, told in the order in which it happens"
)]
fn explanation_covers_scope_to_history_for_each_name_of_a_user() {
    let people = enabled_people(4);
    let inner = GroupEntry::of("inner", &people[2..3]);
    let outer = GroupEntry { members: vec![inner.dn(), people[1].dn()], ..GroupEntry::of("workplace", []) };
    let options = SlapdOptions {
        people: people.clone(),
        groups: vec![inner.clone(), outer],
        ..SlapdOptions::default()
    };
    let fixture = TerminalFixture::start(options).configured(|it| {
        it.scope += "nested = true\n";
        it.directory += STATUS;
        it.mapping =
            it.mapping.replace("displayName = \"cn\"", "displayName = \"{{ givenName }} {{ sn | upper }}\"")
                + "nickName = { from = \"carLicense\", default = \"none\" }\n";
    });
    fixture.settle(0);
    let (direct, nested, out) = (&people[1], &people[2], &people[3]);

    let told = explained(&fixture, &direct.mail);
    let anchor = told["entry"]["anchor"].as_str().unwrap();
    let account = fixture.id(&direct.mail).to_string();
    for name in [anchor, &direct.dn(), &direct.mail.to_uppercase(), &direct.uid, &account] {
        assert_eq!(explained(&fixture, name)["entry"]["anchor"], anchor, "{name}");
    }
    let scope = told["entry"]["scope"].as_array().unwrap();
    assert_eq!(scope.iter().map(|it| &it["kind"]).collect::<Vec<_>>(), ["base", "user_filter", "group"]);
    assert_eq!((&scope[2]["met"], &scope[2]["how"]), (&json!(true), &json!("direct")));
    let status = &told["entry"]["status"];
    assert_eq!((&status["attribute"], &status["values"]), (&json!("employeeType"), &json!(["active"])));
    assert_eq!(
        (&status["comparison"]["value"]["value"], &status["verdict"]),
        (&json!("disabled"), &json!("enabled"))
    );
    let display = mapped(&told, "displayName");
    assert_eq!(display["from"], json!({ "expression": "{{ givenName }} {{ sn | upper }}" }));
    assert_eq!(display["sources"][1], json!({ "attribute": "sn", "values": [direct.family_name] }));
    assert_eq!(display["result"], format!("{} {}", direct.given_name, direct.family_name.to_uppercase()));
    let nick = mapped(&told, "nickName");
    assert_eq!((&nick["used_default"], &nick["result"]), (&json!(true), &json!("none")));
    assert_eq!(
        told["record"]["applied"],
        json!({ "user_name": direct.mail, "active": true, "as_recorded": true })
    );
    assert_eq!((&told["waits"], &told["would"]), (&json!([]), &json!([])));
    assert_eq!(told["history"][0]["action"], "created");

    let how = &explained(&fixture, &nested.mail)["entry"]["scope"][2]["how"];
    assert_eq!(*how, json!({ "nested": [inner.dn()] }));
    let told = explained(&fixture, &out.mail);
    assert_eq!((&told["entry"]["scope"][2]["met"], &told["record"]), (&json!(false), &Value::Null));

    // The current value of the directory is shown beside the applied value.
    fixture.set(direct, "title", &["Chief Gardener"]);
    let told = explained(&fixture, &direct.mail);
    let title = told["attributes"].as_array().unwrap().iter().find(|it| it["attribute"] == "title").unwrap();
    let before = &direct.title;
    assert_eq!(
        *title,
        json!({
            "attribute": "title",
            "directory": { "read": "Chief Gardener" },
            "recorded": { "read": before },
            "account": { "read": before },
            "differs": true,
        })
    );
    let all = told["attributes"].as_array().unwrap();
    let differing: Vec<_> =
        all.iter().filter(|it| it["differs"] == true).map(|it| &it["attribute"]).collect();
    assert_eq!(differing, ["title"], "{told:#}");
    assert_eq!(
        (&told["would"][0]["action"], &told["would"][0]["why"]),
        (&json!("update"), &json!("title differs"))
    );

    let printed = fixture.run(&["explain", &nested.mail]);
    printed
        .expect_exit(0)
        .says_in_one_line(&["Result", "in sync"])
        .says_in_one_line(&["Next step", "none"])
        .says_in_one_line(&["yes", "in the group", "through", &inner.dn()])
        .says_in_one_line(&["account status", "enabled"])
        .says("from employeeType \"active\"")
        .says("\"disabled\" means disabled")
        .says_in_one_line(&["displayName", &nested.given_name])
        .says_in_one_line(&["from {{ givenName }} {{ sn | upper }}", "givenName", "sn"])
        .says_in_one_line(&["the default is used"])
        .says_in_one_line(&["applied", &nested.mail, "active", "equal to the record"]);
    let parts = [
        "Result",
        "Next step",
        "1. Import",
        "2. Scope",
        "3. Match",
        "4. Mapping",
        "5. Action",
        "Record",
        "History",
    ];
    let places =
        parts.map(|part| printed.stdout.find(part).unwrap_or_else(|| panic!("no {part}:\n{printed}")));
    assert!(places.is_sorted(), "{printed}");
    fixture.expect_no_write();
}

#[test]
fn explanation_names_what_a_user_waits_for() {
    let people = enabled_people(12);
    let mut fixture = TerminalFixture::of(&people).configured(|it| it.safety = "max_changes = 5".to_owned());
    fixture.settle(0);
    let waits = |fixture: &TerminalFixture<Slapd>, user: &str| explained(fixture, user)["waits"].clone();

    // A removal over the limit, with the hash that approves it.
    people[..4].iter().for_each(|person| fixture.leave(person));
    fixture.settle(4);
    let held = waits(&fixture, &people[0].mail);
    let hash = fixture.run(&["approve", "--json"]).json().unwrap()["waiting"][0]["hash"].clone();
    assert_eq!((&held[0]["what"], &held[0]["approve"]), (&json!("held"), &hash), "{held}");
    // The next step is complete: it runs as it is printed.
    let hash = hash.as_str().unwrap();
    let next = format!("provisioner approve {hash} --config corp.toml");
    let told = fixture.run(&["explain", &people[0].mail]);
    told.says_in_one_line(&["Result", "awaiting approval: deactivate (out of scope)"])
        .says_in_one_line(&["Next step", &next])
        .never_says("next scan")
        .never_says("full scan");
    let words: Vec<&str> = next.split(' ').skip(1).collect();
    fixture.dir.provisioner(words.iter().chain(&["--by", "Ada Admin"])).run().unwrap().expect_exit(0);
    fixture
        .run(&["explain", &people[0].mail])
        .says_in_one_line(&["Result", "approved by Ada Admin: deactivate"])
        .says_in_one_line(&["Next step", "provisioner sync --config corp.toml"])
        .says_in_one_line(&["Record", "approved"])
        .never_says("awaiting approval")
        .never_says("provisioner approve");
    people[..4].iter().for_each(|person| fixture.join(person));
    fixture.settle(0);

    // A changed configuration, before and after a scan counts its changes.
    fixture
        .configure(|it| it.mapping = it.mapping.replace("title = \"title\"", "title = \"employeeNumber\""));
    let waiting = waits(&fixture, &people[5].mail);
    assert!(waiting[0]["why"].as_str().unwrap().contains("the next scan counts"), "{waiting}");
    fixture.settle(4);
    let waiting = waits(&fixture, &people[5].mail);
    assert!(
        waiting[0]["why"]
            .as_str()
            .unwrap()
            .contains("accounts would be updated by the changed configuration"),
        "{waiting}"
    );
    assert!(waiting[0]["approve"].is_string());
    fixture
        .configure(|it| it.mapping = it.mapping.replace("title = \"employeeNumber\"", "title = \"title\""));

    // The next attempt.
    fixture
        .workplace
        .inject(TargetFault::always(FaultEffect::status(503)).method("PUT").user(&people[6].mail));
    fixture.set(&people[6], "title", &["Chief Gardener"]);
    fixture.settle(3);
    let told = explained(&fixture, &people[6].mail);
    assert_eq!(told["waits"][0]["what"], "retrying", "{told}");
    assert_eq!(told["waits"][0]["until"], told["record"]["next_attempt"]);
    assert!(told["history"][0]["result"].is_string());
}

#[test]
fn explanation_hides_masked_values_and_their_sources() {
    let mut people = enabled_people(2);
    people[1].title = "SECRET-title".to_owned();
    people[1].mobile = Some("SECRET-phone".to_owned());
    people[1].employee_type = "SECRET-type".to_owned();
    let fixture = TerminalFixture::of(&people).configured(|it| {
        it.directory += STATUS;
        it.mapping = it
            .mapping
            .replace("title = \"title\"", "title = { from = \"title\", masked = true, default = \"SECRET-default\" }")
            .replace("= \"mobile\"", "= { from = \"mobile\", masked = true }")
            + "userType = { from = \"employeeType\", masked = true }\n"
            // The same sources, for an unmasked attribute.
            + "nickName = { from = [\"sn\", \"title\", \"mobile\"] }\n";
    });
    for round in 0..2 {
        for command in [&["explain", people[1].mail.as_str()][..], &["explain", "--json", &people[1].mail]] {
            let told = fixture.run(command);
            told.expect_exit(0).never_says("SECRET").says("•••");
        }
        if round == 0 {
            fixture.settle(0);
        }
    }
}

#[test]
fn explanation_hides_a_masked_name_in_the_dn() {
    let people = enabled_people(2);
    let fixture = TerminalFixture::of(&people).configured(|it| {
        it.mapping = it
            .mapping
            .replace("userName = \"mail\"", "userName = { from = \"{{ uid }}@acme.test\", masked = true }")
    });
    fixture.settle(0);
    let told = fixture.run(&["explain", &people[1].mail]);
    told.expect_exit(0).never_says(&people[1].uid);
}

#[test]
fn account_that_was_not_read_is_not_called_different_or_empty() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    let attributes = explained(&fixture, &people[1].mail)["attributes"].clone();
    for row in attributes.as_array().unwrap() {
        // A reference is compared as the account that it refers to.
        assert!(row["account"]["read"].is_string() && row["directory"] == row["account"], "{row}");
        assert_eq!(row["differs"], false, "{row}");
    }
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(503)));
    let told = explained(&fixture, &people[1].mail);
    assert_eq!(told["matched"], "not_read");
    assert!(told["target_error"].is_string());
    for row in told["attributes"].as_array().unwrap() {
        assert_eq!((&row["account"], &row["differs"]), (&json!("not_read"), &json!(false)), "{row}");
    }
    fixture
        .run(&["explain", &people[1].mail])
        .says_in_one_line(&["Result", "the account was not read", "503"])
        .says("provisioner check --config corp.toml")
        .says_in_one_line(&["3. Match", "not read"])
        .says_in_one_line(&["5. Action", "not known"])
        .never_says("Differences");
}

#[test]
fn name_without_a_match_is_answered_with_what_was_searched() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.workplace.seed(json!({ "userName": "visitor@partner.test", "active": true }));
    for name in ["unknown.name", "*", "a*", ")(mail", r"\2a"] {
        let told = fixture.run(&["explain", name]);
        told.expect_exit(1)
            .says_in_one_line(&["Result", "not found"])
            .says_in_one_line(&["directory", "under dc=acme,dc=test"])
            .says("entryUUID, mail, sAMAccountName, userPrincipalName, uid")
            .says_in_one_line(&["state", "user name, anchor, DN and account id"])
            .says_in_one_line(&["target", "no account"]);
    }
    // An account that only the target has.
    let told = fixture.run(&["explain", "visitor@partner.test"]);
    told.expect_exit(0).says_in_one_line(&["Result", "unmanaged", "never linked"]);

    // Several entries with one address are listed with their DN.
    fixture.set(&people[2], "mail", &[&people[1].mail]);
    let told = fixture.run(&["explain", &people[1].mail]);
    told.expect_exit(1)
        .says_in_one_line(&["Result", "2 entries match"])
        .says(&people[1].dn())
        .says(&people[2].dn());
    fixture.run(&["explain", &people[2].dn()]).expect_exit(0);
}
