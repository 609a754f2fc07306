//! How many entries a second the planner looks at, on one core, by itself.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "it is a measurement")]

#[path = "../src/million.rs"]
#[allow(dead_code, reason = "the benchmark uses the users alone")]
mod million;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use model::UnixSeconds;
use plan::{EntryDiff, SnapshotDiff, plan_change};

const USERS: u32 = 10_000;
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn planner(criterion: &mut Criterion) {
    let rules = million::rules();
    let entries: Vec<_> = (0..USERS).map(million::entry).collect();
    let mut first = SnapshotDiff::new(&rules, &[], NOW);
    let mut known: Vec<_> = entries
        .iter()
        .filter_map(|entry| match first.compare(entry) {
            EntryDiff::Changed(change) => Some((change.anchor.hash(), change.fingerprint)),
            _ => None,
        })
        .collect();
    known.sort_unstable();

    let mut group = criterion.benchmark_group("planner");
    // One of these is one entry.
    group.bench_function("unchanged", |bencher| {
        bencher.iter_custom(|rounds| {
            each(rounds, |entries_left| {
                let mut planner = SnapshotDiff::new(&rules, &known, NOW);
                for entry in entries.iter().take(entries_left) {
                    black_box(planner.compare(entry));
                }
            })
        });
    });
    group.bench_function("changed", |bencher| {
        bencher.iter_custom(|rounds| {
            each(rounds, |entries_left| {
                let mut planner = SnapshotDiff::new(&rules, &[], NOW);
                for entry in entries.iter().take(entries_left) {
                    if let EntryDiff::Changed(change) = planner.compare(entry) {
                        black_box(plan_change(&change, None));
                    }
                }
            })
        });
    });
    group.finish();
}

/// Goes through the users as often as so many entries need, and says how long that took.
fn each(entries: u64, mut go_through: impl FnMut(usize)) -> std::time::Duration {
    let mut left = entries;
    let started = std::time::Instant::now();
    while left > 0 {
        let now = left.min(u64::from(USERS));
        go_through(usize::try_from(now).unwrap());
        left -= now;
    }
    started.elapsed()
}

criterion_group!(benches, planner);
criterion_main!(benches);
