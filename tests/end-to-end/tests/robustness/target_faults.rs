//! A target that fails in every way in which a target can, at random: afterwards the accounts are as the directory says.

use std::collections::BTreeMap;

use embedded_ldap::EmbeddedLdap;
use end_to_end::{Person, Random, people};
use serde_json::Value;
use simulator::{Content, Effect, Fault, Reply};

use crate::site::{group_dn, seed};
use crate::workshop::{LATE, Workshop, directory_of, pass};

/// So many workers, each with so many schedules one after the other.
const WORKERS: u64 = 4;
const SCHEDULES: u64 = 50;
/// Every so many schedules begin with nothing; the others go on with what there is.
const FRESH: u64 = 2;
const PEOPLE: usize = 4;

/// What may happen to one call, and its name in the report.
fn effect(random: &mut Random) -> (&'static str, Effect) {
    let malformed = || Reply::status(200).content(Content::MalformedJson);
    let late = u64::try_from(LATE.as_millis()).unwrap() + 10;
    match random.below(12) {
        0 => ("late, after the effect", Effect::EffectThenDelay { ms: late }),
        1 => ("late, before the effect", Effect::Delay { ms: late }),
        2 | 3 => ("lost after the effect", Effect::EffectThenDrop),
        4 => ("lost before the effect", Effect::Drop),
        5 => ("5xx before the effect", Effect::status(503)),
        6 => ("5xx before the effect", Effect::status(500)),
        7 | 8 => ("5xx after the effect", Effect::EffectThenAnswer(Reply::status(502))),
        9 => ("409 that says nothing", Effect::status(409)),
        10 => ("malformed, after the effect", Effect::EffectThenAnswer(malformed())),
        _ => ("malformed, instead", Effect::Answer(malformed())),
    }
}

/// Lets some of the next calls go wrong.
fn arm(workshop: &Workshop, random: &mut Random, counts: &mut BTreeMap<&'static str, usize>) {
    for _ in 0..1 + random.below(8) {
        let (name, effect) = effect(random);
        let fault = Fault::once(effect);
        let fault = match random.below(5) {
            0 => fault.method("POST"),
            1 => fault.method("PUT"),
            2 => fault.method("PATCH"),
            3 => fault.method("GET"),
            _ => fault,
        };
        workshop.workplace.inject(fault);
        *counts.entry(name).or_default() += 1;
    }
}

/// What the directory says of somebody.
struct Truth {
    person: Person,
    title: String,
    is_member: bool,
}

/// Somebody changes something in the directory.
fn change(directory: &EmbeddedLdap, people: &mut [Truth], random: &mut Random) {
    let position = random.below(people.len());
    let Truth { person, title, is_member } = &mut people[position];
    if random.chance(50) {
        *title = format!("Title {}", random.below(1_000));
        directory.set(&person.dn(), "title", &[title]).unwrap();
    } else if *is_member {
        directory.remove_member(&group_dn(), &person.dn()).unwrap();
        *is_member = false;
    } else {
        directory.add_member(&group_dn(), &person.dn()).unwrap();
        *is_member = true;
    }
}

#[test]
fn whatever_goes_wrong_the_accounts_end_as_the_directory_says() {
    let number = seed("faults of the target");
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(run(number.wrapping_add(worker)))
            })
        })
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for worker in workers {
        for (name, count) in worker.join().unwrap() {
            *counts.entry(name).or_default() += count;
        }
    }
    let total: usize = counts.values().sum();
    let schedules = WORKERS * SCHEDULES;
    println!("{schedules} schedules with {total} faults, seed {number}: {counts:?}");
}

/// One part of the schedules; says how many faults of which kind there were.
async fn run(number: u64) -> BTreeMap<&'static str, usize> {
    let mut random = Random::seeded(number);
    let mut people = people::generate(PEOPLE, 5);
    people.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
    let directory = directory_of(&people).await;
    let truth = |person: Person| Truth { title: person.title.clone(), person, is_member: true };
    let mut people: Vec<Truth> = people.into_iter().map(truth).collect();
    let mut counts = BTreeMap::new();
    let mut workshop = Workshop::new(&directory, "").await;
    for schedule in 0..SCHEDULES {
        if schedule % FRESH == 0 {
            workshop = Workshop::new(&directory, "").await;
        }
        for _ in 0..2 {
            change(&directory, &mut people, &mut random);
            workshop.scan().await;
            arm(&workshop, &mut random, &mut counts);
            workshop.drive().await;
        }
        // Then everything goes right again, and time passes.
        workshop.workplace.clear_faults();
        let mut left = BTreeMap::new();
        for _ in 0..3 {
            pass(7_200);
            workshop.scan().await;
            workshop.drive().await;
            left = workshop.store.count_by_status().await.unwrap();
            if left.is_empty() {
                break;
            }
        }
        check(&workshop, &people, &format!("schedule {schedule} of seed {number}"));
        assert!(left.is_empty(), "schedule {schedule} of seed {number}: {left:?}");
    }
    counts
}

/// Every member has exactly one account, which is right; nobody else has an active one.
fn check(workshop: &Workshop, people: &[Truth], what: &str) {
    let mut accounts: BTreeMap<String, Value> = BTreeMap::new();
    for account in workshop.workplace.accounts() {
        let name = account["userName"].as_str().unwrap().to_lowercase();
        assert!(accounts.insert(name.clone(), account).is_none(), "{what}: two are called {name}");
    }
    for Truth { person, title, is_member } in people {
        let Some(account) = accounts.remove(&person.mail.to_lowercase()) else {
            assert!(!is_member, "{what}: {} has no account", person.mail);
            continue;
        };
        assert_eq!(account["active"], *is_member, "{what}: {account}");
        if *is_member {
            assert_eq!(account["title"], *title, "{what}: {account}");
            assert_eq!(account["name"]["formatted"], person.name(), "{what}");
        }
    }
    assert!(accounts.is_empty(), "{what}: {accounts:?}");
}
