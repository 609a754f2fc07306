//! Random faults of a target. Once they end, the accounts are as the directory says.

use std::{collections::BTreeMap, time::Duration};

use embedded_ldap::EmbeddedLdap;
use end_to_end::{
    EngineFixture, PersonEntry, SeededRandom, advance_clock, embedded_directory, people, seed,
    workplace_group,
};
use serde_json::Value;
use simulator::{FaultEffect, ReplyBody, SimulatedReply, TargetFault};

use super::engine::{EngineOptions, engine_for};

/// Threads, and the schedules of each, one after the other.
const THREADS: u64 = 4;
const SCHEDULES: u64 = 50;
/// Every so many schedules start with an empty state; the others continue.
const EMPTY_STATE_EVERY: u64 = 2;
const PEOPLE: usize = 4;
/// Timeout of a call while faults are injected.
const SHORT_TIMEOUT: Duration = Duration::from_millis(40);

/// A random fault of one call, and its name in the report.
fn effect(random: &mut SeededRandom) -> (&'static str, FaultEffect) {
    let malformed = || SimulatedReply::status(200).content(ReplyBody::MalformedJson);
    let gateway =
        || FaultEffect::Answer(SimulatedReply::json(404, serde_json::json!({"message": "no Route matched"})));
    let empty = |status| SimulatedReply::status(status).content(ReplyBody::Empty);
    let late = u64::try_from(SHORT_TIMEOUT.as_millis()).unwrap() + 10;
    match random.below(19) {
        0 => ("late, after the effect", FaultEffect::EffectThenDelay { ms: late }),
        1 => ("late, before the effect", FaultEffect::Delay { ms: late }),
        2 | 3 => ("lost after the effect", FaultEffect::EffectThenDrop),
        4 => ("lost before the effect", FaultEffect::Drop),
        5 => ("5xx before the effect", FaultEffect::status(503)),
        6 => ("5xx before the effect", FaultEffect::status(500)),
        7 | 8 => ("5xx after the effect", FaultEffect::EffectThenAnswer(SimulatedReply::status(502))),
        9 => ("409 without a reason", FaultEffect::status(409)),
        10 => ("malformed, after the effect", FaultEffect::EffectThenAnswer(malformed())),
        11 => ("malformed, instead of the effect", FaultEffect::Answer(malformed())),
        12 => ("a part of the account", FaultEffect::EffectThenPartial),
        13 => ("404 of a gateway", gateway()),
        14 => ("404 without a body", FaultEffect::Answer(empty(404))),
        15 => ("405", FaultEffect::status(405)),
        16 => ("401 for one request", FaultEffect::status(401)),
        17 => ("403 for one request", FaultEffect::status(403)),
        _ => ("200 without a body, after the effect", FaultEffect::EffectThenAnswer(empty(200))),
    }
}

/// Injects faults for some of the next calls.
fn inject(engine: &EngineFixture, random: &mut SeededRandom, counts: &mut BTreeMap<&'static str, usize>) {
    for _ in 0..1 + random.below(8) {
        let (name, effect) = effect(random);
        let fault = TargetFault::once(effect);
        let fault = match random.below(5) {
            0 => fault.method("POST"),
            1 => fault.method("PUT"),
            2 => fault.method("PATCH"),
            3 => fault.method("GET"),
            _ => fault,
        };
        engine.workplace.inject(fault);
        *counts.entry(name).or_default() += 1;
    }
}

/// What the directory says about one user.
struct ExpectedUser {
    person: PersonEntry,
    title: String,
    is_member: bool,
}

/// Changes one user's title or membership.
fn change(directory: &EmbeddedLdap, people: &mut [ExpectedUser], random: &mut SeededRandom) {
    let position = random.below(people.len());
    let ExpectedUser { person, title, is_member } = &mut people[position];
    if random.chance(50) {
        *title = format!("Title {}", random.below(1_000));
        directory.set(&person.dn(), "title", &[title]).unwrap();
    } else if *is_member {
        directory.remove_member(&workplace_group(), &person.dn()).unwrap();
        *is_member = false;
    } else {
        directory.add_member(&workplace_group(), &person.dn()).unwrap();
        *is_member = true;
    }
}

#[test]
fn accounts_match_the_directory_after_random_target_faults() {
    let seed = seed("target faults");
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(run_schedules(seed.wrapping_add(thread)))
            })
        })
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for thread in threads {
        for (name, count) in thread.join().unwrap() {
            *counts.entry(name).or_default() += count;
        }
    }
    let total: usize = counts.values().sum();
    println!("{} schedules with {total} faults, seed {seed}: {counts:?}", THREADS * SCHEDULES);
}

/// Runs one thread's schedules, and counts the faults by name.
async fn run_schedules(seed: u64) -> BTreeMap<&'static str, usize> {
    let mut random = SeededRandom::seeded(seed);
    let people = people::enabled(PEOPLE, 5);
    let directory = embedded_directory(&people).await.unwrap();
    let expected =
        |person: PersonEntry| ExpectedUser { title: person.title.clone(), person, is_member: true };
    let mut people: Vec<ExpectedUser> = people.into_iter().map(expected).collect();
    let mut counts = BTreeMap::new();
    let mut engine = engine_for(&directory, EngineOptions::default()).await;
    for schedule in 0..SCHEDULES {
        if schedule % EMPTY_STATE_EVERY == 0 {
            engine = engine_for(&directory, EngineOptions::default()).await;
        }
        engine.set_call_timeout(SHORT_TIMEOUT).unwrap();
        for _ in 0..2 {
            change(&directory, &mut people, &mut random);
            engine.scan(scan::ScanMode::Auto).await.unwrap();
            inject(&engine, &mut random, &mut counts);
            engine.provision_due().await.unwrap();
        }
        let context = format!("schedule {schedule} of seed {seed}");
        expect_recovery(&mut engine, &people, &context).await;
    }
    counts
}

/// Ends the faults, lets the waits before retries pass, and compares the accounts with the directory.
async fn expect_recovery(engine: &mut EngineFixture, people: &[ExpectedUser], context: &str) {
    engine.workplace.clear_faults();
    engine.reset_call_timeout().unwrap();
    let mut unfinished = BTreeMap::new();
    for _ in 0..3 {
        advance_clock(7_200);
        // A refusal waits for a change or for an operator.
        for user in engine.store.fetch_by_status("failed", None, 99).await.unwrap().items {
            engine.provisioner("operator").provision_now(user.anchor.hash()).await.unwrap();
        }
        engine.sync().await.unwrap();
        unfinished = engine.store.count_by_status().await.unwrap();
        if unfinished.is_empty() {
            break;
        }
    }
    check_accounts(engine, people, context);
    assert!(unfinished.is_empty(), "{context}: {unfinished:?}");
}

/// Expects exactly one correct account for each member, and no other active account.
fn check_accounts(engine: &EngineFixture, people: &[ExpectedUser], context: &str) {
    let mut accounts: BTreeMap<String, Value> = BTreeMap::new();
    for account in engine.workplace.accounts() {
        let name = account["userName"].as_str().unwrap().to_lowercase();
        assert!(accounts.insert(name.clone(), account).is_none(), "{context}: two accounts named {name}");
    }
    for ExpectedUser { person, title, is_member } in people {
        let Some(account) = accounts.remove(&person.mail.to_lowercase()) else {
            assert!(!is_member, "{context}: {} has no account", person.mail);
            continue;
        };
        assert_eq!(account["active"], *is_member, "{context}: {account}");
        if *is_member {
            assert_eq!(account["title"], *title, "{context}: {account}");
            assert_eq!(account["name"]["formatted"], person.name(), "{context}");
        }
    }
    assert!(accounts.is_empty(), "{context}: {accounts:?}");
}
