//! Start time and size of the functions. Only figures of a release build are meaningful.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions, TIMEOUT};

/// Measured starts of each function.
const STARTS: usize = 9;

/// Limit of the unzipped program.
const LARGEST_BINARY: u64 = 12 << 20;

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

#[test]
#[ignore = "for a release build; ./tests/cold-start"]
fn soak_cold_start() {
    let mut inits = [Vec::new(), Vec::new()];
    let mut firsts = [Vec::new(), Vec::new()];
    let names = ["scan", "provision"];
    for _ in 0..STARTS {
        // One user, so that the start is measured and not the work.
        let deployment = DeploymentFixture::start(DeploymentOptions {
            people: 3,
            members: 1,
            workers: 1,
            ..DeploymentOptions::default()
        });
        let scan = json!({ "connection": "corp" });
        for (at, name) in names.into_iter().enumerate() {
            let start = Instant::now();
            while deployment.functions.inits(name).is_empty() {
                assert!(start.elapsed() < TIMEOUT, "{}", deployment.functions.log(name));
                thread::sleep(Duration::from_millis(1));
            }
            inits[at].extend(deployment.functions.inits(name));
            let event = match name {
                "scan" => scan.clone(),
                _ => json!({ "anchor": deployment.pending_anchor() }),
            };
            let start = Instant::now();
            deployment.functions.invoke(name, &event).unwrap();
            firsts[at].push(start.elapsed());
        }
    }
    for (at, name) in names.into_iter().enumerate() {
        let size = fs::metadata(end_to_end::program(name)).unwrap().len();
        println!(
            "{name}: binary {:.1} MB, init {:.0} ms, first invocation {:.0} ms (medians of {STARTS} starts)",
            size as f64 / 1e6,
            median(inits[at].clone()).as_secs_f64() * 1000.0,
            median(firsts[at].clone()).as_secs_f64() * 1000.0
        );
        assert!(size < LARGEST_BINARY, "{name} has {size} bytes; is this a release build?");
    }
}
