//! Accounts that are gone from the target: one is created anew, and many wait for an approval.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{PersonEntry, TerminalFixture, enabled_people};
use serde_json::Value;

/// Links that are dropped within a day without an approval.
const LIMIT: usize = 10;

fn fixture(users: usize) -> (Vec<PersonEntry>, TerminalFixture<EmbeddedLdap>) {
    let people: Vec<PersonEntry> =
        enabled_people(users).into_iter().map(|person| PersonEntry { manager: None, ..person }).collect();
    let fixture = TerminalFixture::embedded(&people, &people).configured(|it| {
        it.safety = "max_attribute_percent = 100".to_owned();
        // Each account that is gone is asked for over some seconds.
        it.target += "concurrency = 32\ncalls_per_second = 1000\n";
    });
    fixture.settle(0);
    (people, fixture)
}

/// Gives each of these users another title, so that each account is asked for.
fn retitle(fixture: &TerminalFixture<EmbeddedLdap>, people: &[PersonEntry], title: &str) {
    fixture.set_all(people, "title", |_| vec![title.to_owned()]);
}

/// The number of users with this status.
fn with_status(fixture: &TerminalFixture<EmbeddedLdap>, word: &str) -> u64 {
    let status = fixture.run(&["status", "--json"]).json().unwrap();
    status["users"][word].as_u64().unwrap_or_default()
}

#[test]
fn single_account_that_is_gone_is_created_anew_at_once() {
    let (people, fixture) = fixture(20);
    assert!(fixture.workplace.remove(&people[3].mail));
    retitle(&fixture, &people[3..4], "Chief Gardener");
    fixture.sync().expect_exit(0).says("1 created");
    assert_eq!(fixture.account(&people[3].mail)["title"], "Chief Gardener");
}

#[test]
fn accounts_gone_in_mass_keep_their_links_until_an_approval() {
    let (people, fixture) = fixture(101);
    let (gone, other) = people.split_at(100);
    let before: Vec<Value> = gone.iter().map(|person| fixture.account(&person.mail)).collect();
    gone.iter().for_each(|person| assert!(fixture.workplace.remove(&person.mail)));
    retitle(&fixture, &people, "Chief Gardener");
    fixture.workplace.clear_requests();

    let held = fixture.sync();
    held.expect_exit(3)
        .says("10 created, 1 updated")
        .says("90 account deleted at the target")
        .says("90 accounts are gone from the target")
        .says("limit max_link_drops = 10")
        .says("provisioner approve ")
        .says_in_one_line(&["account deleted at the target", "safety.max_link_drops"]);
    assert_eq!(fixture.account(&other[0].mail)["title"], "Chief Gardener", "the other user goes on");
    assert_eq!(fixture.workplace.accounts().len(), LIMIT + 1);
    fixture
        .run(&["status"])
        .expect_exit(3)
        .says("90 account deleted at the target")
        .says("provisioner approve ");
    fixture.plan().expect_exit(3).says("90 account deleted at the target, 11 in sync (101 in scope)");

    // The tenant shows its accounts again: the links were kept, so a retry makes no second account.
    let created: Vec<&PersonEntry> =
        gone.iter().filter(|person| fixture.workplace.account(&person.mail).is_some()).collect();
    assert_eq!(created.len(), LIMIT);
    let copy = fixture.copy();
    for account in before.iter().filter(|account| copy.workplace.account(name_of(account)).is_none()) {
        copy.workplace.seed(account.clone());
    }
    copy.run(&["retry", "--failed"]).expect_exit(0);
    copy.sync().expect_exit(0).says("90 updated").never_says(" created,");
    assert_eq!(copy.workplace.accounts().len(), 101);

    // A later run drops no more, whatever changes.
    retitle(&fixture, gone, "Gardener");
    fixture.sync().expect_exit(3).never_says(" created,");
    assert_eq!(with_status(&fixture, "account_gone"), 90);
    assert_eq!(fixture.workplace.accounts().len(), LIMIT + 1);

    fixture.approve_held();
    fixture.sync().expect_exit(0).says("90 created");
    assert_eq!(fixture.workplace.accounts().len(), 101);
    assert_eq!(with_status(&fixture, "account_gone"), 0);
}

fn name_of(account: &Value) -> &str {
    account["userName"].as_str().unwrap()
}

#[test]
fn raised_limit_releases_links_after_a_retry() {
    let (people, mut fixture) = fixture(20);
    people[..14].iter().for_each(|person| assert!(fixture.workplace.remove(&person.mail)));
    retitle(&fixture, &people[..14], "Chief Gardener");
    fixture.sync().expect_exit(3).says("10 created").says("4 account deleted at the target");
    fixture.configure(|it| it.safety += "\nmax_link_drops = 20");
    fixture.run(&["retry", "--failed"]).expect_exit(0);
    fixture.sync().expect_exit(0).says("4 created");
}
