//! Consecutive scans without a directory or a store: a snapshot and records that follow the plans.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Anchor, AnchorHash, Attributes, Desired, Entry, Fingerprint, ScanVersion, Status, UnixSeconds,
    UserRecord, ValueKind,
};
use plan::{
    EntryChange, EntryDiff, Mapping, Observation, RecordPlan, SnapshotDiff, UserRules,
    mapping::MappingRule,
    plan_change, plan_departure,
    status::{AccountStatus, StatusRule},
};
use proptest::{collection::btree_map, option, prelude::*, sample::select};

use crate::arbitrary::complete;

/// A person in the directory. Without a mail address the mapping can't make a user.
#[derive(Clone, Debug)]
struct TestPerson {
    place: u8,
    mail: Option<&'static str>,
    title: Option<&'static str>,
    enabled: bool,
}

fn person() -> impl Strategy<Value = TestPerson> {
    let mail = option::weighted(0.9, select(vec!["ada@acme.test", "grace@acme.test", "wei@acme.test"]));
    let title = option::of(select(vec!["Engineer", "Chief"]));
    (0..3_u8, mail, title, prop::bool::weighted(0.7)).prop_map(|(place, mail, title, enabled)| TestPerson {
        place,
        mail,
        title,
        enabled,
    })
}

/// People by number.
type TestDirectory = BTreeMap<u8, TestPerson>;

fn directory() -> impl Strategy<Value = TestDirectory> {
    btree_map(0..30_u8, person(), 0..20)
}

fn entries(directory: &TestDirectory) -> Vec<Entry> {
    let entry = |(number, person): (&u8, &TestPerson)| {
        let TestPerson { place, mail, title, enabled } = person;
        let status = Some(if *enabled { "active" } else { "disabled" });
        let pairs = [("mail", *mail), ("title", *title), ("employeeType", status)];
        Entry {
            anchor: anchor(*number),
            dn: format!("uid={number},ou={place},dc=test"),
            attributes: pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect::<Attributes>(),
        }
    };
    directory.iter().map(entry).collect()
}

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn anchor(number: u8) -> Anchor {
    Anchor::from_text(&format!("anchor-{number}")).unwrap()
}

fn rules(provision_disabled: bool) -> UserRules {
    let text = |attribute: &str| MappingRule::plain(attribute, ValueKind::Text);
    UserRules {
        mapping: Mapping::new(text("mail"), BTreeMap::from([("title".into(), text("title"))])),
        status: StatusRule::Flag {
            attribute: "employeeType".into(),
            value: "disabled".into(),
            means: AccountStatus::Disabled,
            default: AccountStatus::Enabled,
        },
        expires: None,
        provision_disabled,
        dialect: "test".into(),
    }
}

/// The snapshot and the records after a scan.
#[derive(Default)]
struct StoredScans {
    snapshot: BTreeMap<AnchorHash, Fingerprint>,
    records: BTreeMap<AnchorHash, UserRecord>,
}

/// Result of one scan.
struct ScanFindings {
    changes: Vec<EntryChange>,
    departed: Vec<AnchorHash>,
    repeated: usize,
    unchanged: usize,
}

impl StoredScans {
    fn scan(&self, rules: &UserRules, entries: &[Entry]) -> ScanFindings {
        let known: Vec<_> = self.snapshot.iter().map(|(hash, print)| (*hash, *print)).collect();
        let mut planner = SnapshotDiff::new(rules, &known, NOW);
        let mut scanned =
            ScanFindings { changes: Vec::new(), departed: Vec::new(), repeated: 0, unchanged: 0 };
        for entry in entries {
            match planner.compare(entry) {
                EntryDiff::Unchanged => scanned.unchanged += 1,
                EntryDiff::Changed(change) => scanned.changes.push(*change),
                EntryDiff::Repeated | EntryDiff::Duplicate(_) => scanned.repeated += 1,
            }
        }
        assert!(entries.iter().all(|entry| planner.has_seen(&entry.anchor.hash())));
        scanned.departed = planner.departed(&complete());
        scanned
    }

    /// Writes what a scan found, where no user has an account.
    fn apply(&mut self, scanned: &ScanFindings) {
        for change in &scanned.changes {
            let hash = change.anchor.hash();
            let plan = plan_change(change, self.records.get(&hash));
            self.write(&change.anchor, Some(change.dn), plan);
            self.snapshot.insert(hash, change.fingerprint);
        }
        for hash in &scanned.departed {
            if let Some(record) = self.records.get(hash).cloned() {
                let plan = plan_departure(&record, model::DeprovisionReason::Deleted);
                self.write(&record.anchor, None, plan);
            }
            self.snapshot.remove(hash);
        }
    }

    fn write(&mut self, anchor: &Anchor, dn: Option<model::DnKey>, plan: RecordPlan) {
        let record = self.records.entry(anchor.hash()).or_insert_with(|| UserRecord {
            anchor: anchor.clone(),
            dn: None,
            desired: None,
            version: ScanVersion(0),
            removal_released: false,
            link: None,
            create_intent: None,
            status: Status::InSync,
            attempts: 0,
            next_attempt: UnixSeconds(0),
        });
        match plan {
            RecordPlan::Nothing => {}
            RecordPlan::SetDesired { desired, status } => {
                (record.desired, record.status, record.dn) = (Some(desired), status, dn);
            }
            RecordPlan::SetStatus(status) => (record.status, record.dn) = (status, dn),
            RecordPlan::Remove(candidate) => panic!("no user has an account: {candidate:?}"),
        }
    }
}

proptest! {
    #[test]
    fn planning_after_applying_is_empty(
        directories in proptest::collection::vec(directory(), 1..5), provision_disabled: bool,
    ) {
        let rules = rules(provision_disabled);
        let mut remembered = StoredScans::default();
        for directory in &directories {
            let entries = entries(directory);
            let before: BTreeSet<AnchorHash> = remembered.snapshot.keys().copied().collect();
            let scanned = remembered.scan(&rules, &entries);
            let now: BTreeSet<AnchorHash> = entries.iter().map(|entry| entry.anchor.hash()).collect();
            let departed: BTreeSet<AnchorHash> = scanned.departed.iter().copied().collect();
            prop_assert_eq!(departed, before.difference(&now).copied().collect::<BTreeSet<_>>());
            let changed: BTreeSet<AnchorHash> =
                scanned.changes.iter().map(|change| change.anchor.hash()).collect();
            prop_assert!(now.difference(&before).all(|newcomer| changed.contains(newcomer)), "{changed:?}");
            remembered.apply(&scanned);

            let again = remembered.scan(&rules, &entries);
            prop_assert!(again.changes.is_empty() && again.departed.is_empty(), "{:?}", again.changes);
            prop_assert_eq!(again.unchanged, entries.len());
            // The records suffice without a snapshot, as after a crash.
            let forgetful = StoredScans { snapshot: BTreeMap::new(), records: remembered.records.clone() };
            for change in forgetful.scan(&rules, &entries).changes {
                let record = forgetful.records.get(&change.anchor.hash());
                prop_assert_eq!(plan_change(&change, record), RecordPlan::Nothing);
            }
        }
    }

    #[test]
    fn order_of_entries_does_not_matter(
        first in directory(), second in directory(), shuffled in any::<prop::sample::Index>(),
    ) {
        let rules = rules(false);
        let mut remembered = StoredScans::default();
        remembered.apply(&remembered.scan(&rules, &entries(&first)));
        let mut reordered = entries(&second);
        let expected = remembered.scan(&rules, &reordered);
        reordered.reverse();
        let at = if reordered.is_empty() { 0 } else { shuffled.index(reordered.len()) };
        reordered.rotate_left(at);
        // Each entry twice: the first one counts.
        let twice = reordered.iter().flat_map(|entry| [entry.clone(), entry.clone()]).collect::<Vec<_>>();
        let found = remembered.scan(&rules, &twice);
        prop_assert_eq!(found.repeated, reordered.len());
        prop_assert_eq!(found.departed, expected.departed);
        let sorted = |changes: Vec<EntryChange>| {
            let by_anchor: BTreeMap<Anchor, Fingerprint> =
                changes.into_iter().map(|change| (change.anchor, change.fingerprint)).collect();
            by_anchor
        };
        prop_assert_eq!(sorted(found.changes), sorted(expected.changes));
    }

    #[test]
    fn plan_is_empty_unless_the_user_changes(before in person(), after in person()) {
        let rules = rules(true);
        let mut remembered = StoredScans::default();
        let mappable = |observation: &Observation| matches!(observation, Observation::Valid(Desired::Present(_)));
        let observe = |person: &TestPerson| {
            let entries = entries(&BTreeMap::from([(1, person.clone())]));
            (plan::observe(&rules, &entries[0], NOW, plan::mapping::RecordedValues::default()), entries)
        };
        let ((old, old_entries), (new, new_entries)) = (observe(&before), observe(&after));
        remembered.apply(&remembered.scan(&rules, &old_entries));
        // A changed entry is planned; the plan decides whether anything is done.
        let changes = remembered.scan(&rules, &new_entries).changes;
        let plans = changes.iter().map(|change| plan_change(change, remembered.records.get(&change.anchor.hash())));
        let planned = plans.filter(|plan| *plan != RecordPlan::Nothing).count();
        // Nothing is known about an invalid entry, not even its place.
        let moved = before.place != after.place && mappable(&new);
        prop_assert_eq!(planned == 1, old != new || moved);
        prop_assert_eq!(mappable(&new), after.mail.is_some());
    }
}
