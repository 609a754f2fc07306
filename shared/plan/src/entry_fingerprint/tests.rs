//! What changes the fingerprint of an entry.

use model::{Entry, UnixSeconds};

use super::EntryFingerprints;
use crate::UserRules;
use crate::status::file_time;
use crate::test_values::{NOW, entry, rules};

#[test]
fn fingerprint_covers_every_attribute_that_a_rule_reads_and_no_other() {
    let rules = rules();
    let mut fingerprints = EntryFingerprints::new(&rules, NOW);
    let ada = [("mail", "ada@x"), ("title", "a"), ("title", "b")];
    let expected = fingerprints.of(&entry("1", &ada));
    let mut is_same = |pairs: &[(&str, &str)]| fingerprints.of(&entry("1", pairs)) == expected;
    assert!(is_same(&[("TITLE", "b"), ("Mail", "ada@x"), ("title", "a")]), "order and case of names");
    assert!(
        is_same(&[("mail", "ada@x"), ("title", "a"), ("title", "b"), ("description", "x")]),
        "not mapped"
    );
    for (pairs, reason) in [
        (vec![("mail", "ada@x"), ("title", "a")], "a missing value"),
        (vec![("mail", "ada@x"), ("title", "ab")], "values keep their boundaries"),
        (vec![("mail", "a"), ("title", "ada@x"), ("title", "b")], "attributes keep their boundaries"),
        ([&ada[..], &[("employeeType", "disabled")]].concat(), "status"),
        ([&ada[..], &[("accountExpires", "0")]].concat(), "expiry"),
    ] {
        assert!(!is_same(&pairs), "{reason}");
    }
    let mut hidden = entry("1", &ada);
    hidden.attributes.hide("employeeType".to_owned());
    assert_ne!(fingerprints.of(&hidden), expected, "a hidden attribute");
    let moved = Entry { dn: "cn=ada,ou=x".into(), ..entry("1", &ada) };
    assert_ne!(fingerprints.of(&moved), expected);
}

#[test]
fn expiry_changes_the_fingerprint_without_a_change_of_the_entry() {
    let rules = rules();
    let expires = file_time(NOW).to_string();
    let ada = entry("1", &[("mail", "ada@x"), ("accountExpires", &expires)]);
    let at = |seconds: i64| EntryFingerprints::new(&rules, UnixSeconds(NOW.0 + seconds)).of(&ada);
    assert_eq!(at(-100), at(-1));
    assert_ne!(at(-1), at(0));
}

#[test]
fn changed_rules_change_every_fingerprint() {
    let (rules, other) = (rules(), UserRules { provision_disabled: true, ..rules() });
    let ada = entry("1", &[("mail", "ada@x")]);
    assert_ne!(EntryFingerprints::new(&rules, NOW).of(&ada), EntryFingerprints::new(&other, NOW).of(&ada));
}
