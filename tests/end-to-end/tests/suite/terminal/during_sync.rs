//! Other commands, and Ctrl-C, while a `sync` runs.

use std::thread;
use std::time::Duration;

use end_to_end::{PersonEntry, RunningProgram, Slapd, TerminalFixture, enabled_people};

/// So many users that no `sync` ends before the test acts: each takes two requests, and sixteen users are in progress.
const USERS: usize = 120;
const LATENCY: Duration = Duration::from_millis(500);

/// A `sync` that has created the first accounts.
fn sync_under_way() -> (Vec<PersonEntry>, TerminalFixture<Slapd>, RunningProgram) {
    let mut people = enabled_people(USERS);
    // No user waits for the account of a manager.
    people.iter_mut().for_each(|person| person.manager = None);
    let fixture = TerminalFixture::of(&people);
    fixture.workplace.set_latency(LATENCY);
    let mut sync = fixture.call(&["sync"]).start().unwrap();
    while fixture.workplace.accounts().is_empty() {
        assert!(!sync.has_ended(), "no account was created");
        thread::sleep(Duration::from_millis(1));
    }
    (people, fixture, sync)
}

/// The next `sync` does the rest: one active account for each user.
fn expect_rest_is_done(fixture: &TerminalFixture<Slapd>) {
    fixture.workplace.set_latency(Duration::ZERO);
    fixture.sync().expect_exit(0);
    assert_eq!((fixture.active().len(), fixture.workplace.accounts().len()), (USERS, USERS));
}

#[test]
fn state_is_read_during_a_sync_and_a_command_that_writes_names_the_process() {
    let (people, fixture, mut sync) = sync_under_way();
    // No further user is finished, so that the sync outlasts the other commands on a slow machine, too.
    fixture.workplace.set_latency(Duration::from_secs(3600));
    fixture.run(&["status"]).expect_exit(0).says("pending");
    fixture.run(&["history", &people[0].mail]).expect_exit(0);
    fixture.run(&["approve"]).expect_exit(0).says("nothing waits for approval");
    let process = format!("process {}", sync.id());
    fixture.run(&["retry", "--failed"]).expect_exit(1).says("another run is in progress").says(&process);
    assert!(!sync.has_ended());
    sync.kill().unwrap();
    expect_rest_is_done(&fixture);
}

#[test]
fn interrupted_sync_finishes_the_users_in_progress_and_says_what_is_left() {
    let (_, fixture, sync) = sync_under_way();
    sync.interrupt().unwrap();
    let output = sync.finish().unwrap();
    output.expect_exit(1).says("Interrupted:");
    let created = fixture.workplace.accounts().len();
    assert!(created < USERS, "{output:?}");
    output.says(&format!("{created} created")).says(&format!("{} pending", USERS - created));
    // Each account that exists is linked, and none has a create intent.
    fixture.run(&["status"]).says(&format!("{} pending", USERS - created));
    expect_rest_is_done(&fixture);
}

#[test]
fn sync_that_is_interrupted_twice_ends_at_once() {
    let (_, fixture, sync) = sync_under_way();
    fixture.workplace.set_latency(Duration::from_secs(3600));
    // The users in progress now wait for the target until their requests time out, and would be retried then.
    let mut running = sync;
    while !running.has_ended() {
        running.interrupt().unwrap();
        thread::sleep(Duration::from_millis(200));
    }
    let output = running.finish().unwrap();
    let created = fixture.workplace.accounts().len();
    output.expect_exit(1).says("Interrupted:").says(&format!("{} pending", USERS - created));
    expect_rest_is_done(&fixture);
}
