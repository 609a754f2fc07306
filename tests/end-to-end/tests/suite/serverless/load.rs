//! First load of many users.

use std::time::{Duration, Instant};

use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions, names};

/// Creates all users. The ideal is two calls for each: a look-up and a creation.
fn load(people: usize, timeout: Duration) {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        people,
        members: people,
        workers: 8,
        scan_timeout: Duration::from_secs(900),
        provision_timeout: Duration::from_secs(120),
        visibility_seconds: 600,
        configure: |configuration| {
            // A manager's account created later costs another call, which other tests count.
            configuration.mapping =
                configuration.mapping.replace("manager = { reference = \"manager\" }\n", "");
        },
        ..DeploymentOptions::default()
    });
    let started = Instant::now();
    let answer = deployment.scan(json!({ "connection": "corp" }));
    assert_eq!(answer["created"], people, "{answer}");
    let scanned = started.elapsed();
    let peak = deployment.functions.peak_memory_kb("scan").unwrap();

    deployment.workplace.set_latency(Duration::from_millis(20));
    let started = Instant::now();
    let delivery = deployment.delivery(|options| {
        options.batch_size = 10;
        options.concurrency = 8;
        options.visibility_timeout_seconds = 600;
    });
    delivery.drain(timeout).unwrap();
    let drained = started.elapsed();
    delivery.stop().unwrap();

    let calls = deployment.workplace.request_count();
    let ideal = Duration::from_millis(20) * u32::try_from(2 * people).unwrap() / 8;
    println!(
        "{people} new users: scanned in {:.1} s with {:.0} MB at most; provisioned by 8 workers in {:.1} s \
         (ideal for 20 ms a call: {:.1} s) with {calls} calls, {:.3} a user",
        scanned.as_secs_f64(),
        peak as f64 / 1024.0,
        drained.as_secs_f64(),
        ideal.as_secs_f64(),
        calls as f64 / people as f64
    );
    assert_eq!(deployment.active(), names(&deployment.people));
    assert_eq!(deployment.creates(), people);
    assert!(calls as f64 <= 2.0 * people as f64 + 1.2 * people as f64, "{calls} calls");
    assert!(peak < 128 * 1024, "{peak} KB");
}

#[test]
fn five_hundred_new_users() {
    load(500, Duration::from_secs(300));
}

#[test]
#[ignore = "long; ./tests/run --soak"]
fn soak_ten_thousand_new_users() {
    load(10_000, Duration::from_secs(3_600));
}
