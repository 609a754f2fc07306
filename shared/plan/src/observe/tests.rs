//! Observations of single entries, and the stored form of the rules.

use std::collections::BTreeMap;

use model::ValueKind::{Integer, Text};
use model::{Managed, TargetAttribute, Value};

use super::*;
use crate::mapping::{MappingRule, Template, TextCase, TextExtract, ValueSource};
use crate::test_values::{NOW, entry, rules};

/// The observed user as `name active title`, or the reason for no user.
fn observed(rules: &UserRules, pairs: &[(&str, &str)]) -> String {
    match observe(rules, &entry("ada", pairs), NOW, RecordedValues::default()) {
        Observation::Valid(Desired::Present(user)) => {
            let title = match user.attributes.get(&TargetAttribute::from("title")) {
                Some(Managed::Set(Value::Text(title))) => title.as_str(),
                _ => "-",
            };
            format!("{} {} {title}", user.user_name, user.active)
        }
        Observation::Valid(Desired::Absent { user_name, reason }) => {
            format!("absent {:?}: {reason}", user_name.map(String::from))
        }
        Observation::Invalid { error, dn: _ } => format!("invalid: {error}"),
    }
}

#[test]
fn entry_becomes_an_active_an_absent_or_an_invalid_user() {
    let (mail, disabled) = (("mail", "ada@x"), ("employeeType", "disabled"));
    let (expired, valid, never) =
        (("accountExpires", "1"), ("accountExpires", "9223372036854775806"), ("accountExpires", "0"));
    let unreadable = "invalid: the status attribute 'accountExpires' does not hold a whole number";
    let without_name = "invalid: userName (from 'mail'): userName is empty";
    for (pairs, expected) in [
        (vec![mail, ("title", "Poet")], "ada@x true Poet"),
        (vec![mail], "ada@x true -"),
        (vec![mail, valid], "ada@x true -"),
        (vec![mail, never], "ada@x true -"),
        (vec![mail, disabled], "absent Some(\"ada@x\"): disabled in the directory"),
        (vec![mail, expired], "absent Some(\"ada@x\"): disabled in the directory"),
        (vec![disabled], "absent None: disabled in the directory"),
        (vec![mail, ("accountExpires", "soon")], unreadable),
        (vec![mail, disabled, ("accountExpires", "soon")], unreadable),
        (vec![], without_name),
    ] {
        assert_eq!(observed(&rules(), &pairs), expected, "{pairs:?}");
    }
}

#[test]
fn expiry_does_not_count_unless_configured() {
    let rules = UserRules { expires: None, ..rules() };
    assert_eq!(observed(&rules, &[("mail", "ada@x"), ("accountExpires", "1")]), "ada@x true -");
}

#[test]
fn disabled_users_are_mapped_where_they_are_provisioned() {
    let rules = UserRules { provision_disabled: true, ..rules() };
    let disabled = ("employeeType", "disabled");
    assert_eq!(observed(&rules, &[("mail", "ada@x"), disabled]), "ada@x false -");
    assert_eq!(observed(&rules, &[disabled]), "invalid: userName (from 'mail'): userName is empty");
}

#[test]
fn unreadable_status_is_invalid() {
    let bitmap = || StatusRule::Bitmap { attribute: "userAccountControl".into(), disabled_bits: 2 };
    let with_bitmap = UserRules { status: bitmap(), ..rules() };
    let found = observed(&with_bitmap, &[("mail", "ada@x"), ("userAccountControl", "x")]);
    assert_eq!(found, "invalid: the status attribute 'userAccountControl' does not hold a whole number");
    // Neither an enabled user nor a disabled one, also where disabled users get an account.
    for provision_disabled in [false, true] {
        let rules = UserRules { provision_disabled, status: bitmap(), ..rules() };
        let found = observed(&rules, &[("mail", "ada@x")]);
        assert!(found.starts_with("invalid: the entry does not show the status attribute"), "{found}");
    }
}

/// Stored snapshots and the safeguard compare this serialisation. A change of it makes the next scan read every entry
/// again and count every account as changed.
#[test]
fn serialisation_of_rules_is_pinned() {
    let template = Template::compile("{{ sn }}").unwrap();
    let department = MappingRule {
        create_only: true,
        case: Some(TextCase::Upper),
        extract: Some(TextExtract::CnFromDn),
        ..MappingRule::of(ValueSource::Template(Box::new(template)), Text)
    };
    let number =
        MappingRule { default: Some("0".into()), trim: true, ..MappingRule::plain("Number", Integer) };
    let constant = MappingRule::of(ValueSource::Constant("en_GB".into()), Text);
    let rules = UserRules {
        mapping: Mapping::new(
            MappingRule { case: Some(TextCase::Lower), masked: true, ..MappingRule::plain("mail", Text) },
            BTreeMap::from([
                ("department".into(), department),
                ("locale".into(), constant),
                ("number".into(), number),
            ]),
        ),
        ..rules()
    };
    let mut hash = Fingerprinter::new("test");
    rules.describe(&mut hash);
    let found = hash.serialised().escape_ascii().to_string().replace(r"\x00", "");
    let expected = concat!(
        r"\nattributes\x08\x01\x04mail\x04text\x01\x05lower",
        r"\ndepartment\x08template\x08{{ sn }}\x04text\x01\x05upper\x01\ncn_from_dn\x01",
        r"\x06locale\x08constant\x05en_GB\x04text",
        r"\x06number\nattributes\x08\x01\x06number\x07integer\x01\x010\x01",
        r"\x04flag\x0cemployeeType\x08disabled\x08disabled\x07enabled\x01\x0eaccountExpires\x04test",
    );
    assert_eq!(found, expected);
    assert_eq!(rules.version().to_string(), "181529cedbc8d2a7fc9a5817932004a5");
}

#[test]
fn each_part_of_the_rules_changes_their_version() {
    let bitmap = |bits| StatusRule::Bitmap { attribute: "a".into(), disabled_bits: bits };
    let flag = |value: &str, means, default| StatusRule::Flag {
        attribute: "a".into(),
        value: value.into(),
        means,
        default,
    };
    let with = |status| UserRules { status, ..rules() };
    let (enabled, disabled) = (AccountStatus::Enabled, AccountStatus::Disabled);
    let versions: std::collections::BTreeSet<_> = [
        rules(),
        UserRules { expires: None, ..rules() },
        UserRules { provision_disabled: true, ..rules() },
        UserRules { dialect: "other".into(), ..rules() },
        UserRules { mapping: Mapping::new(MappingRule::plain("mail", Text), BTreeMap::new()), ..rules() },
        with(StatusRule::AlwaysEnabled),
        with(bitmap(2)),
        with(bitmap(4)),
        with(flag("x", disabled, enabled)),
        with(flag("y", disabled, enabled)),
        with(flag("x", enabled, enabled)),
        with(flag("x", disabled, disabled)),
    ]
    .map(|rules| rules.version())
    .into();
    assert_eq!(versions.len(), 12);
}
