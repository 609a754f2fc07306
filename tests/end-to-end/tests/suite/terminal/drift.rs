//! `provisioner drift`: changes made at the target are found, and repaired on request.

use end_to_end::{TerminalFixture, enabled_people};
use serde_json::json;
use simulator::{FaultEffect, TargetFault};

const UNLINKED: &str = "unlinked@acme.test";

#[test]
fn drift_is_reported_and_repaired() {
    let people = enabled_people(5);
    let fixture = TerminalFixture::of(&people);
    fixture.workplace.seed(json!({"userName": UNLINKED, "name": {"formatted": "S"}}));
    fixture.settle(0);
    fixture.run(&["drift"]).expect_exit(0).says("5 equal, 0 changed, 0 gone, 0 waiting, 1 not linked");
    assert!(fixture.workplace.writes().is_empty());
    let before = fixture.workplace.accounts();

    fixture.workplace.edit(&people[0].mail, json!({"title": "Impostor", "nickName": "Unmapped"}));
    fixture.workplace.edit(&people[1].mail, json!({"active": false}));
    fixture.workplace.remove(&people[2].mail);
    fixture.workplace.clear_requests();
    let found = fixture.run(&["drift", "--json"]);
    found.expect_exit(3);
    let found = found.json().unwrap();
    for (what, count) in [
        ("accounts", 5),
        ("equal", 2),
        ("changed", 2),
        ("gone", 1),
        ("unlinked", 1),
        ("waiting", 0),
        ("unreadable", 0),
    ] {
        assert_eq!(found[what], count, "{what}: {found}");
    }
    let mut reported: Vec<_> = found["found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let changes =
                item["changes"].as_array().unwrap().iter().map(|it| it["attribute"].as_str().unwrap());
            (item["user_name"].as_str().unwrap().to_owned(), changes.collect::<Vec<_>>().join(" "))
        })
        .collect();
    reported.sort();
    let mut expected = vec![
        (people[0].mail.clone(), "title".to_owned()),
        (people[1].mail.clone(), "active".to_owned()),
        (people[2].mail.clone(), String::new()),
    ];
    expected.sort();
    assert_eq!(reported, expected);
    assert_eq!(found["unlinked_accounts"][0]["user_name"], UNLINKED);
    assert!(fixture.workplace.writes().is_empty(), "a comparison writes nothing");

    fixture.run(&["drift", "--repair"]).expect_exit(0).says("3 users were pending, 0 are not in sync yet");
    fixture.run(&["drift"]).expect_exit(0).says("5 equal, 0 changed, 0 gone, 0 waiting, 1 not linked");
    let after = fixture.account(&people[0].mail);
    assert_eq!(after["nickName"], "Unmapped", "an unmapped attribute is not repaired");
    fixture.expect_active(&people[1].mail, true);
    fixture.account(&people[2].mail);
    let unlinked = |accounts: &[serde_json::Value]| {
        accounts.iter().find(|account| account["userName"] == UNLINKED).cloned()
    };
    assert_eq!(unlinked(&before), unlinked(&fixture.workplace.accounts()));
    fixture.sync().expect_exit(0).says("nothing to do");
}

#[test]
fn reactivated_account_of_a_leaver_is_deactivated_again() {
    let people = enabled_people(5);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.leave(&people[3]);
    fixture.settle(0);
    fixture.workplace.edit(&people[3].mail, json!({"active": true, "title": "Back"}));
    fixture.run(&["drift"]).expect_exit(3).says("4 equal, 1 changed");
    fixture.run(&["drift", "--repair"]).expect_exit(0);
    fixture.expect_active(&people[3].mail, false);
    assert_eq!(
        fixture.account(&people[3].mail)["title"],
        "Back",
        "only the active flag is sent for a leaver"
    );
    fixture.run(&["drift"]).expect_exit(0).says("5 equal, 0 changed");
    fixture.join(&people[3]);
    fixture.sync().expect_exit(0).says_in_one_line(&[&people[3].mail, "reactivated"]);
}

#[test]
fn deleted_account_of_a_leaver_is_not_drift() {
    let people = enabled_people(5);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.leave(&people[3]);
    fixture.settle(0);
    fixture.workplace.remove(&people[3].mail);
    fixture.run(&["drift"]).expect_exit(0).says("4 equal, 0 changed, 0 gone");
}

#[test]
fn unreachable_target_is_not_an_empty_target() {
    let people = enabled_people(3);
    let fixture = TerminalFixture::of(&people);
    fixture.settle(0);
    fixture.workplace.inject(TargetFault::always(FaultEffect::status(401)));
    fixture.run(&["drift", "--repair"]).expect_exit(1);
    fixture.workplace.clear_faults();
    fixture.run(&["drift"]).expect_exit(0).says("3 equal");
}
