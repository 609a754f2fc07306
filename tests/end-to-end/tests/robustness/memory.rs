//! Memory is a page and a few bytes a user, however large the directory is.

use std::time::Instant;

use end_to_end::{Configuration, Finished, Group, Person, Slapd, SlapdOptions, people};

use crate::site::Site;

/// What a run may hold at its most.
const LIMIT_KIB: u64 = 100 * 1024;

fn company(count: usize) -> (Slapd, Vec<Person>, Site) {
    let people = people::generate(count, 1);
    let groups = vec![Group::of("workplace", &people)];
    let slapd = Slapd::start(SlapdOptions { people: people.clone(), groups, ..SlapdOptions::default() });
    let slapd = slapd.unwrap();
    let site = Site::new(Configuration::openldap(&slapd, ""), &slapd.reader_secret());
    (slapd, people, site)
}

#[track_caller]
fn expect_small(what: &str, users: usize, finished: &Finished) {
    let peak = finished.peak_rss_kib;
    println!("{what} of {users} users: at most {} MiB, {:?}", peak / 1024, finished.duration);
    assert!(peak > 0 && peak < LIMIT_KIB, "{what} of {users} users held {peak} KiB");
}

fn a_first_plan(users: usize) {
    let (_slapd, _, site) = company(users);
    let plan = site.plan().timeout(std::time::Duration::from_secs(600)).run().unwrap();
    plan.expect_exit(0);
    assert_eq!(plan.json().unwrap()["summary"]["actions"]["create"], users);
    expect_small("a first plan", users, &plan);
}

fn a_first_and_an_unchanged_sync(users: usize) {
    let (_slapd, _, site) = company(users);
    let started = Instant::now();
    let first = site.sync().timeout(std::time::Duration::from_secs(600)).run().unwrap();
    first.expect_exit(0);
    assert_eq!(site.workplace.accounts().len(), users);
    println!("a first sync of {users} users: {:?}", started.elapsed());
    expect_small("a first sync", users, &first);

    site.workplace.clear_requests();
    let unchanged = site.sync().run().unwrap();
    unchanged.expect_exit(0);
    assert_eq!(site.workplace.request_count(), 0);
    expect_small("an unchanged sync", users, &unchanged);
}

#[test]
fn a_first_plan_is_small() {
    a_first_plan(2_000);
}

#[test]
fn a_first_and_an_unchanged_sync_are_small() {
    a_first_and_an_unchanged_sync(400);
}

#[test]
#[ignore = "long: meant for a release build, as in ./tests/run --soak"]
fn soak_a_first_plan_of_ten_thousand_is_small() {
    a_first_plan(10_000);
}

#[test]
#[ignore = "long: meant for a release build, as in ./tests/run --soak"]
fn soak_a_first_and_an_unchanged_sync_of_ten_thousand_are_small() {
    a_first_and_an_unchanged_sync(10_000);
}
