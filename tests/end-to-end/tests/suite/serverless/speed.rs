//! Duration of a scan of a large directory without or with few changes, beside `ldapsearch`. Only figures of a
//! release build are meaningful.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use directory::ReadItem;
use end_to_end::TestConfiguration;
use model::{AnchorHash, Fingerprint, UnixSeconds};
use plan::{EntryDiff, SnapshotDiff};
use runtime::Secrets;
use serde_json::{Value, json};
use store::{Snapshot, SnapshotSave};

use super::deployment::{DeploymentFixture, DeploymentOptions};

const USERS: usize = 100_000;
const CHANGES: usize = 100;
/// Measurements of each figure; `ldapsearch` and the scan take turns.
const ROUNDS: usize = 5;

const LARGEST_RATIO: f64 = 2.0;
const MOST_MEMORY_KB: u64 = 100 * 1024;
const LONGEST_UNCHANGED: Duration = Duration::from_millis(100);
const LONGEST_CHANGED: Duration = Duration::from_millis(500);

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

/// Saves the snapshot of a full scan, without the records, which an unchanged scan does not read.
fn save_snapshot_of_all(deployment: &DeploymentFixture) {
    let mut configuration = TestConfiguration::openldap(&deployment.slapd, &deployment.workplace.url());
    configuration.scope_all_people();
    let secret = deployment.dir.path().join("directory-secret.json");
    std::fs::write(&secret, deployment.slapd.reader_secret().to_string()).unwrap();
    let connection =
        runtime::config::parse(&configuration.to_string(), &deployment.dir.path().join("x.toml")).unwrap();
    let store = deployment.store();
    deployment.runtime.block_on(async {
        let now = UnixSeconds(0);
        let mut directory = connection.directory.open(&Secrets::default()).await.unwrap();
        let mut read = directory.read(None, now).await.unwrap();
        let mut planner = SnapshotDiff::new(&connection.policy.rules, &[], now);
        let mut seen: BTreeMap<AnchorHash, Option<Fingerprint>> = BTreeMap::new();
        while let Some(page) = read.next_page().await.unwrap() {
            for item in page {
                let ReadItem::Entry(entry) = item else { panic!("an entry has no anchor") };
                let EntryDiff::Changed(change) = planner.compare(&entry) else {
                    panic!("an entry is read twice")
                };
                seen.insert(change.anchor.hash(), Some(change.fingerprint));
            }
        }
        read.finish().await.unwrap();
        assert_eq!(seen.len(), USERS);
        let lease = store.take_lease("test", now, 600).await.unwrap().unwrap();
        let saved = store.save_snapshot(&lease, Snapshot::default(), seen).await.unwrap();
        assert_eq!(saved, SnapshotSave::Done);
        assert!(store.release(lease, None, None).await.unwrap());
    });
}

#[test]
#[ignore = "for a release build; ./tests/directory-speed"]
fn soak_directory_speed() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        people: USERS,
        members: 10,
        scan_timeout: Duration::from_secs(900),
        configure: TestConfiguration::scope_all_people,
        database_lines: vec![
            "syncprov-checkpoint 1000 10".to_owned(),
            "syncprov-sessionlog 10000".to_owned(),
            "index employeeNumber pres".to_owned(),
        ],
        ..DeploymentOptions::default()
    });
    save_snapshot_of_all(&deployment);
    let scan = |mode: &str| -> (Value, Duration) {
        let started = Instant::now();
        let answer = deployment.scan(json!({ "mode": mode }));
        let took = started.elapsed();
        assert_eq!((&answer["mode"], &answer["complete"]), (&json!(mode), &json!(true)), "{answer}");
        (answer, took)
    };
    // The first scan connects and fetches the secret, so it is not measured.
    let (answer, _) = scan("full");
    assert_eq!((&answer["read"], &answer["unchanged"]), (&json!(USERS), &json!(USERS)), "{answer}");

    let (mut tool, mut full) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        tool.push(deployment.slapd.ldapsearch_all().unwrap());
        full.push(scan("full").1);
    }
    let (tool, full) = (median(tool), median(full));
    let ratio = full.as_secs_f64() / tool.as_secs_f64();
    let peak = deployment.functions.peak_memory_kb("scan").unwrap();
    println!(
        "{USERS} users: ldapsearch {:.2} s, an unchanged full scan {:.2} s: {ratio:.2} times; at most {} MB",
        tool.as_secs_f64(),
        full.as_secs_f64(),
        peak / 1024
    );

    let unchanged = (0..ROUNDS).map(|_| scan("incremental").1).collect();
    let admin = deployment.slapd.admin();
    let mut changed = Vec::new();
    for round in 0..ROUNDS {
        for person in &deployment.people[round * CHANGES..(round + 1) * CHANGES] {
            admin.set(&person.dn(), "title", &["Changed"]).unwrap();
        }
        let (answer, took) = scan("incremental");
        assert_eq!((&answer["read"], &answer["changed"]), (&json!(CHANGES), &json!(CHANGES)), "{answer}");
        changed.push(took);
    }
    let (unchanged, changed) = (median(unchanged), median(changed));
    println!(
        "an incremental scan with nothing changed {:.0} ms, with {CHANGES} changes {:.0} ms; medians of {ROUNDS}",
        unchanged.as_secs_f64() * 1000.0,
        changed.as_secs_f64() * 1000.0
    );
    assert!(ratio <= LARGEST_RATIO, "{ratio}");
    assert!(peak <= MOST_MEMORY_KB, "{peak} KB");
    assert!(unchanged <= LONGEST_UNCHANGED, "{unchanged:?}");
    assert!(changed <= LONGEST_CHANGED, "{changed:?}");
}
