//! The mapping as its users know it: one line an expectation.

use model::ValueKind::{Boolean, Integer, Reference, Text};
use model::{DnKey, ValueKind};

use super::*;

fn ada() -> Attributes {
    [
        ("uid", "ada"),
        ("mail", "Ada.Lovelace@acme.test"),
        ("givenName", "Ada"),
        ("sn", " Lovelace "),
        ("title", ""),
        ("manager", "CN=Charles Babbage,OU=People,DC=acme,DC=test"),
        ("employeeNumber", "42"),
    ]
    .into_iter()
    .collect()
}

fn mapping(rules: Vec<(&str, MappingRule)>) -> Mapping {
    let rules = rules.into_iter().map(|(name, rule)| (TargetAttribute::from(name), rule)).collect();
    Mapping::new(MappingRule::plain("mail", Text), rules)
}

fn check(rule: MappingRule, expected: Option<Value>) {
    let shown = format!("{rule:?}");
    let user = mapping(vec![("title", rule)]).desired_user(&ada(), true).unwrap();
    let found = user.attributes.get(&TargetAttribute::from("title")).cloned();
    assert_eq!(found, Some(expected.map_or(Managed::Clear, Managed::Set)), "{shown}");
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

fn template(text: &str) -> MappingRule {
    MappingRule::of(ValueSource::Template(Box::new(Template::compile(text).unwrap())), Text)
}

#[test]
fn plain_attributes_and_transforms() {
    check(MappingRule::plain("givenName", Text), text("Ada"));
    check(MappingRule::plain("GIVENNAME", Text), text("Ada"));
    check(MappingRule::plain("sn", Text), text(" Lovelace "));
    check(MappingRule { trim: true, ..MappingRule::plain("sn", Text) }, text("Lovelace"));
    check(MappingRule { case: Some(TextCase::Upper), ..MappingRule::plain("uid", Text) }, text("ADA"));
    check(
        MappingRule { case: Some(TextCase::Lower), ..MappingRule::plain("mail", Text) },
        text("ada.lovelace@acme.test"),
    );
    check(
        MappingRule { extract: Some(TextExtract::CnFromDn), ..MappingRule::plain("manager", Text) },
        text("Charles Babbage"),
    );
    check(
        MappingRule { extract: Some(TextExtract::UserNameFromEmail), ..MappingRule::plain("mail", Text) },
        text("Ada.Lovelace"),
    );
    check(MappingRule { extract: Some(TextExtract::CnFromDn), ..MappingRule::plain("uid", Text) }, None);
}

#[test]
fn several_sources_defaults_and_constants() {
    let several = |names: &[&str]| {
        MappingRule::of(ValueSource::Attributes(names.iter().map(ToString::to_string).collect()), Text)
    };
    check(several(&["title", "description", "uid"]), text("ada"));
    check(several(&["title", "description"]), None);
    check(
        MappingRule { default: Some("Employee".into()), ..MappingRule::plain("title", Text) },
        text("Employee"),
    );
    check(MappingRule { default: Some("Employee".into()), ..MappingRule::plain("uid", Text) }, text("ada"));
    check(MappingRule::of(ValueSource::Constant("en_GB".into()), Text), text("en_GB"));
}

#[test]
fn expressions() {
    check(template("{{ givenName }} {{ sn | trim }}"), text("Ada Lovelace"));
    check(template("{{ manager | cn | upper }}"), text("CHARLES BABBAGE"));
    check(template("{{ mail | user_name }}"), text("Ada.Lovelace"));
    check(template("{% if description is defined %}{{ description }}{% endif %}"), None);
    check(template("{{ description }}"), None);
    check(MappingRule { default: Some("-".into()), ..template("{{ description }}") }, text("-"));
    check(MappingRule { default: Some("-".into()), ..template("{{ range(givenName) }}") }, text("-"));
    assert_eq!(
        Template::compile("{{ a }} {{ b | upper }}").unwrap().attributes().collect::<Vec<_>>(),
        ["a", "b"]
    );
}

#[test]
fn an_expression_that_fails_without_a_default_leaves_the_user_alone() {
    let error =
        mapping(vec![("title", template("{{ range(givenName) }}"))]).desired_user(&ada(), true).unwrap_err();
    assert!(
        error.to_string().starts_with("title (from \"{{ range(givenName) }}\"): the expression failed"),
        "{error}"
    );
    assert!(!error.to_string().contains("Ada"), "{error}");
}

#[test]
fn an_endless_expression_is_stopped() {
    let endless = template("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}");
    assert!(mapping(vec![("title", endless)]).desired_user(&ada(), true).is_err());
}

#[test]
fn bad_syntax_says_what_and_where() {
    let error = Template::compile("{{ givenName | shout }").unwrap_err().to_string();
    assert!(error.contains("{{ givenName | shout }") && error.contains("line 1"), "{error}");
    assert!(Template::compile("{{ 1 + }}").is_err());
    let error = Template::compile("{{ givenName | shout }}").unwrap_err().to_string();
    assert!(error.contains("shout"), "{error}");
}

#[test]
fn kinds_are_converted() {
    check(MappingRule::plain("employeeNumber", Integer), Some(Value::Integer(42)));
    check(MappingRule::of(ValueSource::Constant("TRUE".into()), Boolean), Some(Value::Boolean(true)));
    check(
        MappingRule::plain("manager", Reference),
        Some(Value::Reference(DnKey::of("cn=charles babbage,ou=people,dc=acme,dc=test"))),
    );
    for kind in [Integer, Boolean] {
        assert!(
            mapping(vec![("title", MappingRule::plain("uid", kind))]).desired_user(&ada(), true).is_err()
        );
    }
}

#[test]
fn create_only_values_are_no_reason_for_an_update() {
    let create_only = || MappingRule { create_only: true, ..MappingRule::plain("uid", Text) };
    let user = mapping(vec![("title", create_only())]).desired_user(&ada(), true).unwrap();
    assert_eq!(user.attributes.len(), 0);
    assert_eq!(user.create_only.get(&"title".into()), text("ada").as_ref());
    let other = mapping(vec![]).desired_user(&ada(), true).unwrap();
    assert_eq!(user.update_fingerprint(), other.update_fingerprint());
}

#[test]
fn the_formatted_name_is_made_of_its_parts() {
    let parts = || {
        vec![
            ("name.familyName", MappingRule::plain("sn", Text)),
            ("name.givenName", MappingRule::plain("givenName", Text)),
        ]
    };
    let formatted = |mapping: Mapping| {
        mapping.desired_user(&ada(), true).unwrap().attributes.remove(&"name.formatted".into())
    };
    assert_eq!(formatted(mapping(parts())), text("Ada Lovelace").map(Managed::Set));
    let mapped = parts().into_iter().chain([("name.formatted", MappingRule::plain("uid", Text))]).collect();
    assert_eq!(formatted(mapping(mapped)), text("ada").map(Managed::Set));
    assert_eq!(formatted(mapping(vec![])), None);
}

#[test]
fn bad_values_name_the_attribute_and_show_nothing() {
    let try_with = |name: &str, value: Vec<u8>| {
        let mut attributes = ada();
        attributes.insert(name.to_owned(), [value.into()]);
        mapping(vec![("title", MappingRule::plain("description", Text))])
            .desired_user(&attributes, true)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        try_with("description", vec![0xff, 0xfe]),
        "title (from 'description'): the value of 'description' is not valid UTF-8"
    );
    assert_eq!(
        try_with("description", vec![b'x'; 1_000_000]),
        "title (from 'description'): the value of 'description' has 1000000 bytes, more than the 8192 that are allowed"
    );
}

#[test]
fn a_user_without_a_name_is_no_user() {
    for rule in [
        MappingRule::plain("title", Text),
        MappingRule { trim: true, ..MappingRule::of(ValueSource::Constant("  ".into()), Text) },
    ] {
        let error = Mapping::new(rule, BTreeMap::new()).desired_user(&ada(), true).unwrap_err();
        assert_eq!(error.problem, "userName is empty");
    }
    let long = MappingRule::of(ValueSource::Constant("x".repeat(400)), Text);
    assert!(Mapping::new(long, BTreeMap::new()).desired_user(&ada(), true).is_err());
}

#[test]
fn every_part_of_a_rule_counts_in_the_mapping_version() {
    let version = |rule: MappingRule| {
        let mut hash = Fingerprinter::new("test");
        mapping(vec![("title", rule)]).describe(&mut hash);
        hash.finish()
    };
    let plain = |kind: ValueKind| MappingRule::plain("uid", kind);
    let versions: BTreeSet<_> = [
        version(plain(Text)),
        version(plain(Integer)),
        version(MappingRule::plain("sn", Text)),
        version(template("{{ uid }}")),
        version(MappingRule::of(ValueSource::Constant("uid".into()), Text)),
        version(MappingRule { default: Some("x".into()), ..plain(Text) }),
        version(MappingRule { create_only: true, ..plain(Text) }),
        version(MappingRule { trim: true, ..plain(Text) }),
        version(MappingRule { case: Some(TextCase::Lower), ..plain(Text) }),
        version(MappingRule { extract: Some(TextExtract::CnFromDn), ..plain(Text) }),
    ]
    .into_iter()
    .collect();
    assert_eq!(versions.len(), 10);
    assert_eq!(version(plain(Text)), version(MappingRule { masked: true, ..plain(Text) }));
}
