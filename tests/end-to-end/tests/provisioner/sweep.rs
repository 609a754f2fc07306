//! What somebody else did to the accounts, and what of it is put right.

use serde_json::json;
use simulator::{Effect, Fault};

use crate::said::Said;
use crate::world::{World, staff};

#[test]
fn what_somebody_else_changed_is_found_and_put_right() {
    let people = staff(5);
    let world = World::of(&people);
    world.workplace.seed(json!({"userName": "stranger@acme.test", "name": {"formatted": "S"}}));
    world.settle(0);
    world.run(&["sweep"]).expect_exit(0).says("5 equal, 0 changed, 0 gone, 0 waiting, 1 not ours");
    assert!(world.workplace.writes().is_empty());
    let before = world.workplace.accounts();

    world.workplace.edit(&people[0].mail, json!({"title": "Impostor", "nickName": "Unmapped"}));
    world.workplace.edit(&people[1].mail, json!({"active": false}));
    world.workplace.remove(&people[2].mail);
    world.workplace.clear_requests();
    let found = world.run(&["sweep", "--json"]);
    found.expect_exit(3);
    let found = found.json().unwrap();
    for (what, count) in [
        ("accounts", 5),
        ("equal", 2),
        ("changed", 2),
        ("gone", 1),
        ("strangers", 1),
        ("waiting", 0),
        ("unreadable", 0),
    ] {
        assert_eq!(found[what], count, "{what}: {found}");
    }
    let mut said: Vec<_> = found["found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let changes =
                item["changes"].as_array().unwrap().iter().map(|it| it["attribute"].as_str().unwrap());
            (item["user_name"].as_str().unwrap().to_owned(), changes.collect::<Vec<_>>().join(" "))
        })
        .collect();
    said.sort();
    let mut expected = vec![
        (people[0].mail.clone(), "title".to_owned()),
        (people[1].mail.clone(), "active".to_owned()),
        (people[2].mail.clone(), String::new()),
    ];
    expected.sort();
    assert_eq!(said, expected);
    assert_eq!(found["unlinked"][0]["user_name"], "stranger@acme.test");
    assert!(world.workplace.writes().is_empty(), "to look changes nothing");

    world.run(&["sweep", "--repair"]).expect_exit(0).says("3 users were due by this, 0 still are");
    world.run(&["sweep"]).expect_exit(0).says("5 equal, 0 changed, 0 gone, 0 waiting, 1 not ours");
    let after = world.account(&people[0].mail);
    assert_eq!(after["nickName"], "Unmapped", "what nobody mapped is somebody else's");
    world.expect_active(&people[1].mail, true);
    world.account(&people[2].mail);
    let stranger = |accounts: &[serde_json::Value]| {
        accounts.iter().find(|account| account["userName"] == "stranger@acme.test").cloned()
    };
    assert_eq!(stranger(&before), stranger(&world.workplace.accounts()));
    world.sync().expect_exit(0).says("nothing to do");
}

#[test]
fn who_left_and_was_switched_on_again_is_switched_off() {
    let people = staff(5);
    let world = World::of(&people);
    world.settle(0);
    world.leave(&people[3]);
    world.settle(0);
    world.workplace.edit(&people[3].mail, json!({"active": true, "title": "Back"}));
    world.run(&["sweep"]).expect_exit(3).says("4 equal, 1 changed");
    world.run(&["sweep", "--repair"]).expect_exit(0);
    world.expect_active(&people[3].mail, false);
    assert_eq!(world.account(&people[3].mail)["title"], "Back", "nothing else is sent for who left");
    world.run(&["sweep"]).expect_exit(0).says("5 equal, 0 changed");
    // Who comes back has the account back.
    world.join(&people[3]);
    world.sync().expect_exit(0).says_in_a_line(&[&people[3].mail, "reactivated"]);
}

#[test]
fn an_account_that_is_deleted_after_its_user_left_is_missed_by_nobody() {
    let people = staff(5);
    let world = World::of(&people);
    world.settle(0);
    world.leave(&people[3]);
    world.settle(0);
    world.workplace.remove(&people[3].mail);
    world.run(&["sweep"]).expect_exit(0).says("4 equal, 0 changed, 0 gone");
}

#[test]
fn a_target_that_is_down_is_not_taken_for_an_empty_one() {
    let people = staff(3);
    let world = World::of(&people);
    world.settle(0);
    world.workplace.inject(Fault::always(Effect::status(401)));
    world.run(&["sweep", "--repair"]).expect_exit(1);
    world.workplace.clear_faults();
    world.run(&["sweep"]).expect_exit(0).says("3 equal");
}
