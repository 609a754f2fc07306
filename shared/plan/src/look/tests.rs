//! What counts in an entry's look, one line an expectation.

use std::collections::BTreeMap;

use model::{Anchor, Attributes, Entry, UnixSeconds, ValueKind};

use super::EntryFingerprints;
use crate::UserRules;
use crate::mapping::{Mapping, MappingRule};
use crate::status::{AccountStatus, StatusRule, file_time};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn rules() -> UserRules {
    let title = MappingRule::plain("Title", ValueKind::Text);
    UserRules {
        mapping: Mapping::new(
            MappingRule::plain("mail", ValueKind::Text),
            BTreeMap::from([("title".into(), title)]),
        ),
        status: StatusRule::Flag {
            attribute: "employeeType".into(),
            value: "disabled".into(),
            means: AccountStatus::Disabled,
            default: AccountStatus::Enabled,
        },
        expires: Some("accountExpires".into()),
        provision_disabled: false,
        dialect: "test".into(),
    }
}

fn entry(pairs: &[(&str, &str)]) -> Entry {
    Entry {
        anchor: Anchor::from_text("1").unwrap(),
        dn: "cn=ada".into(),
        attributes: pairs.iter().copied().collect::<Attributes>(),
    }
}

#[test]
fn all_that_decides_counts_and_nothing_else() {
    let rules = rules();
    let mut looks = EntryFingerprints::new(&rules, NOW);
    let ada = [("mail", "ada@x"), ("title", "a"), ("title", "b")];
    let mut alike = |pairs: &[(&str, &str)]| looks.of(&entry(pairs)) == looks.of(&entry(&ada));
    assert!(alike(&[("TITLE", "b"), ("Mail", "ada@x"), ("title", "a")]), "neither order nor case of names");
    assert!(alike(&[("mail", "ada@x"), ("title", "a"), ("title", "b"), ("description", "x")]), "not mapped");
    assert!(!alike(&[("mail", "ada@x"), ("title", "a")]), "a value less");
    assert!(!alike(&[("mail", "ada@x"), ("title", "ab")]), "values don't run into each other");
    assert!(!alike(&[("mail", "a"), ("title", "ada@x"), ("title", "b")]), "nor do attributes");
    assert!(
        !alike(&[("mail", "ada@x"), ("title", "a"), ("title", "b"), ("employeeType", "disabled")]),
        "status"
    );
    assert!(!alike(&[("mail", "ada@x"), ("title", "a"), ("title", "b"), ("accountExpires", "0")]), "expiry");
    let moved = Entry { dn: "cn=ada,ou=x".into(), ..entry(&ada) };
    assert_ne!(looks.of(&moved), looks.of(&entry(&ada)));
}

#[test]
fn an_account_expires_without_anybodys_doing() {
    let rules = rules();
    let expires = file_time(NOW).to_string();
    let ada = entry(&[("mail", "ada@x"), ("accountExpires", &expires)]);
    let at = |seconds: i64| EntryFingerprints::new(&rules, UnixSeconds(NOW.0 + seconds)).of(&ada);
    assert_eq!(at(-100), at(-1));
    assert_ne!(at(-1), at(0));
}

#[test]
fn other_rules_are_another_look() {
    let (rules, other) = (rules(), UserRules { provision_disabled: true, ..rules() });
    let ada = entry(&[("mail", "ada@x")]);
    assert_ne!(EntryFingerprints::new(&rules, NOW).of(&ada), EntryFingerprints::new(&other, NOW).of(&ada));
}
