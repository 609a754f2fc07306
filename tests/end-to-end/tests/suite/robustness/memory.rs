//! Memory is bounded by a page and a few bytes for each user, whatever the size of the directory.

use std::time::Instant;

use end_to_end::{
    GroupEntry, PersonEntry, ProgramOutput, Slapd, SlapdOptions, TerminalFixture, TestConfiguration, people,
};

/// Most memory of a run.
const LIMIT_KIB: u64 = 100 * 1024;

fn company(count: usize) -> (Slapd, Vec<PersonEntry>, TerminalFixture) {
    let people = people::generate(count, 1);
    let groups = vec![GroupEntry::of("workplace", &people)];
    let slapd = Slapd::start(SlapdOptions { people: people.clone(), groups, ..SlapdOptions::default() });
    let slapd = slapd.unwrap();
    let fixture = TerminalFixture::new(TestConfiguration::openldap(&slapd, ""), &slapd.reader_secret());
    (slapd, people, fixture)
}

#[track_caller]
fn expect_little_memory(what: &str, users: usize, finished: &ProgramOutput) {
    let peak = finished.peak_rss_kib;
    println!("{what} of {users} users: at most {} MiB, {:?}", peak / 1024, finished.duration);
    assert!(peak > 0 && peak < LIMIT_KIB, "{what} of {users} users held {peak} KiB");
}

fn plan_first_time(users: usize) {
    let (_slapd, _, fixture) = company(users);
    let plan = fixture.call(&["plan", "--json"]).timeout(std::time::Duration::from_secs(600)).run().unwrap();
    plan.expect_exit(0);
    assert_eq!(plan.json().unwrap()["summary"]["actions"]["create"], users);
    expect_little_memory("a first plan", users, &plan);
}

fn sync_twice(users: usize) {
    let (_slapd, _, fixture) = company(users);
    let started = Instant::now();
    let first = fixture.call(&["sync"]).timeout(std::time::Duration::from_secs(600)).run().unwrap();
    first.expect_exit(0);
    assert_eq!(fixture.workplace.accounts().len(), users);
    println!("a first sync of {users} users: {:?}", started.elapsed());
    expect_little_memory("a first sync", users, &first);

    fixture.workplace.clear_requests();
    let unchanged = fixture.sync();
    unchanged.expect_exit(0);
    assert_eq!(fixture.workplace.request_count(), 0);
    expect_little_memory("an unchanged sync", users, &unchanged);
}

#[test]
fn first_plan_uses_little_memory() {
    plan_first_time(2_000);
}

#[test]
fn syncs_use_little_memory() {
    sync_twice(400);
}

#[test]
#[ignore = "long: meant for a release build, as in ./tests/run --soak"]
fn soak_first_plan_of_ten_thousand_uses_little_memory() {
    plan_first_time(10_000);
}

#[test]
#[ignore = "long: meant for a release build, as in ./tests/run --soak"]
fn soak_syncs_of_ten_thousand_use_little_memory() {
    sync_twice(10_000);
}
