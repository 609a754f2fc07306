//! Snapshot comparison of small reads.

use std::collections::HashSet;

use model::Desired;

use super::*;
use crate::test_values::{NOW, complete, entry, rules};

#[test]
fn entry_is_new_once() {
    let rules = rules();
    let (ada, grace) = (entry("ada", &[("mail", "ada@x")]), entry("grace", &[("mail", "grace@x")]));
    let mut first = SnapshotDiff::new(&rules, &[], NOW);
    let EntryDiff::Changed(change) = first.compare(&ada) else { panic!("ada is new") };
    assert_eq!((&change.anchor, change.dn), (&ada.anchor, DnKey::of(&ada.dn)));
    assert!(matches!(&change.observation, Observation::Valid(Desired::Present(_))));
    assert!(matches!(first.compare(&ada), EntryDiff::Repeated));
    let other = Entry { dn: "cn=contractor".into(), ..ada.clone() };
    assert!(matches!(first.compare(&other), EntryDiff::Duplicate(anchor) if anchor == ada.anchor));
    assert_eq!(first.known(), 0);
    assert_eq!((first.has_seen(&ada.anchor.hash()), first.has_seen(&grace.anchor.hash())), (true, false));
}

#[test]
fn known_entry_is_unchanged_changed_repeated_or_a_duplicate() {
    let rules = rules();
    let ada = entry("ada", &[("mail", "ada@x")]);
    let known = [(ada.anchor.hash(), EntryFingerprints::new(&rules, NOW).of(&ada))];
    let mut second = SnapshotDiff::new(&rules, &known, NOW);
    assert_eq!((second.known(), second.has_seen(&ada.anchor.hash())), (1, false));
    assert!(matches!(second.compare(&ada), EntryDiff::Unchanged));
    assert!(matches!(second.compare(&ada), EntryDiff::Repeated));
    let other = Entry { dn: "cn=contractor".into(), ..ada.clone() };
    assert!(matches!(second.compare(&other), EntryDiff::Duplicate(_)));
    assert!(second.has_seen(&ada.anchor.hash()));

    let mut third = SnapshotDiff::new(&rules, &known, NOW);
    let moved = Entry { dn: "cn=ada,ou=x".into(), ..ada };
    assert!(matches!(third.compare(&moved), EntryDiff::Changed(_)));
}

#[test]
fn departed_users_are_known_unseen_and_accounted_for() {
    let rules = rules();
    let [ada, grace] = ["ada", "grace"].map(|name| entry(name, &[("mail", name)]));
    let mut known = [&ada, &grace].map(|entry| (entry.anchor.hash(), Fingerprint([1; 16])));
    known.sort_unstable();
    let mut diff = SnapshotDiff::new(&rules, &known, NOW);
    diff.compare(&ada);
    let grace = grace.anchor.hash();
    assert_eq!(diff.departed(&complete(None)), [grace]);
    assert_eq!(diff.departed(&complete(Some([grace].into()))), [grace]);
    assert_eq!(diff.departed(&complete(Some(HashSet::new()))), []);
}
