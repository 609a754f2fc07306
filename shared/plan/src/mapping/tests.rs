//! The mapping, one line per case.

use model::ValueKind::{Boolean, Integer, Reference, Text};
use model::{Desired, DnKey, UserRecord, ValueKind};

use super::*;
use crate::test_values;

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
    let user = mapping(vec![("title", rule)]).desired_user(&ada(), true, RecordedValues::default()).unwrap();
    let found = user.attributes.get(&TargetAttribute::from("title")).cloned();
    assert_eq!(found, Some(expected.map_or(Managed::Clear, Managed::Set)), "{shown}");
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

fn template(text: &str) -> MappingRule {
    MappingRule::of(ValueSource::Template(Box::new(Template::compile(text).unwrap())), Text)
}

/// The user name and the title of an entry, after a scan that recorded these.
fn kept(title: MappingRule, entry: &[(&str, &str)], recorded: (&str, &str)) -> (String, String) {
    let mapping = mapping(vec![("title", title)]);
    let user =
        DesiredUser { user_name: UserName::new(recorded.0).unwrap(), ..test_values::user(true, recorded.1) };
    let record = UserRecord { desired: Some(Desired::Present(user)), ..test_values::record("ada") };
    let attributes = entry.iter().copied().collect();
    let user = mapping.desired_user(&attributes, true, RecordedValues::of(&record)).unwrap();
    let Some(Managed::Set(title)) = user.attributes.get(&"title".into()) else { panic!("{user:?}") };
    (user.user_name.to_string(), title.to_string())
}

#[test]
fn recorded_value_is_kept_while_the_entry_has_it() {
    let plain = || MappingRule::plain("cn", Text);
    let same = |rule, entry: &[(&str, &str)], recorded: (&str, &str)| {
        assert_eq!(kept(rule, entry, recorded), (recorded.0.to_owned(), recorded.1.to_owned()), "{entry:?}");
    };
    let aliases = [("mail", "ada@x"), ("mail", "aaa@x"), ("cn", "B"), ("cn", "A")];
    same(plain(), &aliases, ("ada@x", "B"));
    same(plain(), &aliases, ("aaa@x", "A"));
    // A value that is gone is replaced by the smallest, and an only value always counts.
    assert_eq!(kept(plain(), &aliases, ("old@x", "C")), ("aaa@x".to_owned(), "A".to_owned()));
    let only = [("mail", "new@x"), ("cn", "B")];
    assert_eq!(kept(plain(), &only, ("ada@x", "A")), ("new@x".to_owned(), "B".to_owned()));
    // Through transformations, expressions and lists of attributes.
    let upper = MappingRule { case: Some(TextCase::Upper), ..plain() };
    same(upper, &[("mail", "ada@x"), ("cn", "b"), ("cn", "a")], ("ada@x", "B"));
    let names = [("mail", "ada@x"), ("cn", "B"), ("cn", "A"), ("sn", "Y"), ("sn", "X")];
    same(template("{{ cn }} {{ sn }}"), &names, ("ada@x", "B Y"));
    let list = || MappingRule::of(ValueSource::Attributes(vec!["title".into(), "cn".into()]), Text);
    same(list(), &aliases, ("ada@x", "B"));
    // An attribute earlier in the list counts first.
    let earlier = [("mail", "ada@x"), ("title", "T"), ("title", "S"), ("cn", "B")];
    assert_eq!(kept(list(), &earlier, ("ada@x", "B")).1, "S");
}

#[test]
fn attribute_with_a_hyphen_is_refused_in_an_expression() {
    for (text, name) in [
        ("{{ acme-desk }}", Some("acme-desk")),
        ("{{- sn -}} {{ cn | upper }}{{ acme-desk-no|lower }}", Some("acme-desk-no")),
        ("{% if acme-desk %}x{% endif %}", Some("acme-desk")),
        ("{{- sn -}}", None),
        ("Floor-a {{ sn | replace(\"a-b\", 'c-d') }}", None),
    ] {
        let problem = Template::compile(text).err().map(|error| error.problem);
        let is_named =
            |name: &str| problem.as_ref().is_some_and(|it| it.contains(&format!("use from = \"{name}\"")));
        assert!(name.map_or(problem.is_none(), is_named), "{text}: {problem:?}");
    }
}

#[test]
fn preferred_form_comes_before_the_recorded_value() {
    let prefer = |pattern: &str| MappingRule {
        prefer: Some(ValuePattern::of(pattern)),
        ..MappingRule::plain("cn", Text)
    };
    let entry = [("mail", "ada@x"), ("cn", "a@old"), ("cn", "b@new"), ("cn", "c@new")];
    assert_eq!(kept(prefer("*@new"), &entry, ("ada@x", "a@old")).1, "b@new");
    assert_eq!(kept(prefer("*@new"), &entry, ("ada@x", "c@new")).1, "c@new", "kept among the preferred");
    assert_eq!(kept(prefer("*@other"), &entry, ("ada@x", "b@new")).1, "b@new", "none has the form");
}

#[test]
fn primary_proxy_address_counts() {
    let entry = |primary: &'static str| {
        let other = if primary == "SMTP:ada@x" { "smtp:b@x" } else { "smtp:ada@x" };
        [
            ("mail", "ada@x"),
            ("proxyAddresses", "SIP:ada@x"),
            ("proxyAddresses", primary),
            ("proxyAddresses", other),
        ]
    };
    let address = || template("{{ proxyAddresses | replace(\"SMTP:\", \"\") }}");
    assert_eq!(kept(address(), &entry("SMTP:ada@x"), ("ada@x", "b@x")).1, "ada@x");
    assert_eq!(kept(address(), &entry("SMTP:b@x"), ("ada@x", "ada@x")).1, "b@x", "the primary address moved");
}

#[test]
fn attributes_are_copied_and_transformed() {
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
fn sources_defaults_and_constants() {
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
fn failing_expression_without_default_is_invalid() {
    let error = mapping(vec![("title", template("{{ range(givenName) }}"))])
        .desired_user(&ada(), true, RecordedValues::default())
        .unwrap_err();
    assert!(
        error.to_string().starts_with("title (from \"{{ range(givenName) }}\"): the expression failed"),
        "{error}"
    );
    assert!(!error.to_string().contains("Ada"), "{error}");
}

#[test]
fn endless_expression_is_stopped() {
    let endless = template("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}");
    assert!(mapping(vec![("title", endless)]).desired_user(&ada(), true, RecordedValues::default()).is_err());
}

#[test]
fn syntax_error_names_expression_and_line() {
    let error = Template::compile("{{ givenName | shout }").unwrap_err().to_string();
    assert!(error.contains("{{ givenName | shout }") && error.contains("line 1"), "{error}");
    assert!(Template::compile("{{ 1 + }}").is_err());
    let error = Template::compile("{{ givenName | shout }}").unwrap_err().to_string();
    assert!(error.contains("shout"), "{error}");
}

#[test]
fn values_are_converted_to_the_target_type() {
    check(MappingRule::plain("employeeNumber", Integer), Some(Value::Integer(42)));
    check(MappingRule::of(ValueSource::Constant("TRUE".into()), Boolean), Some(Value::Boolean(true)));
    check(
        MappingRule::plain("manager", Reference),
        Some(Value::Reference(DnKey::of("cn=charles babbage,ou=people,dc=acme,dc=test"))),
    );
    for kind in [Integer, Boolean] {
        assert!(
            mapping(vec![("title", MappingRule::plain("uid", kind))])
                .desired_user(&ada(), true, RecordedValues::default())
                .is_err()
        );
    }
}

#[test]
fn create_only_values_need_no_update() {
    let create_only = || MappingRule { create_only: true, ..MappingRule::plain("uid", Text) };
    let user = mapping(vec![("title", create_only())])
        .desired_user(&ada(), true, RecordedValues::default())
        .unwrap();
    assert_eq!(user.attributes.len(), 0);
    assert_eq!(user.create_only.get(&"title".into()), text("ada").as_ref());
    let other = mapping(vec![]).desired_user(&ada(), true, RecordedValues::default()).unwrap();
    assert_eq!(user.update_fingerprint(), other.update_fingerprint());
}

#[test]
fn formatted_name_consists_of_its_parts() {
    let parts = || {
        vec![
            ("name.familyName", MappingRule::plain("sn", Text)),
            ("name.givenName", MappingRule::plain("givenName", Text)),
        ]
    };
    let formatted = |mapping: Mapping| {
        mapping
            .desired_user(&ada(), true, RecordedValues::default())
            .unwrap()
            .attributes
            .remove(&"name.formatted".into())
    };
    assert_eq!(formatted(mapping(parts())), text("Ada Lovelace").map(Managed::Set));
    let mapped = parts().into_iter().chain([("name.formatted", MappingRule::plain("uid", Text))]).collect();
    assert_eq!(formatted(mapping(mapped)), text("ada").map(Managed::Set));
    assert_eq!(formatted(mapping(vec![])), None);
}

#[test]
fn unreadable_value_names_the_attribute_and_hides_the_value() {
    let try_with = |name: &str, value: Vec<u8>| {
        let mut attributes = ada();
        attributes.insert(name.to_owned(), [value.into()]);
        mapping(vec![("title", MappingRule::plain("description", Text))])
            .desired_user(&attributes, true, RecordedValues::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        try_with("description", vec![0xff, 0xfe]),
        "title (from 'description'): the value of 'description' is not valid UTF-8"
    );
    assert_eq!(
        try_with("description", vec![b'x'; 1_000_000]),
        "title (from 'description'): the value of 'description' has 1000000 bytes; at most 8192 are allowed"
    );
}

#[test]
fn user_name_is_required() {
    for rule in [
        MappingRule::plain("title", Text),
        MappingRule { trim: true, ..MappingRule::of(ValueSource::Constant("  ".into()), Text) },
    ] {
        let error = Mapping::new(rule, BTreeMap::new())
            .desired_user(&ada(), true, RecordedValues::default())
            .unwrap_err();
        assert_eq!(error.problem, "userName is empty");
    }
    let long = MappingRule::of(ValueSource::Constant("x".repeat(400)), Text);
    assert!(
        Mapping::new(long, BTreeMap::new()).desired_user(&ada(), true, RecordedValues::default()).is_err()
    );
}

#[test]
fn each_part_of_a_rule_except_masking_changes_the_version() {
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

#[test]
fn external_id_replaces_a_missing_user_name_where_allowed() {
    let mapping = |rule: MappingRule| {
        Mapping::new(MappingRule::plain("title", Text), BTreeMap::from([("externalId".into(), rule)]))
    };
    let by_external_id = |rule| mapping(rule).with_missing_user_name(MissingUserName::ByExternalId);
    let plain = |name: &str| MappingRule::plain(name, Text);
    assert_eq!(
        by_external_id(plain("uid")).user_name(&ada(), RecordedValues::default()).unwrap().external_id(),
        Some("ada")
    );
    for (mapping, problem) in [
        (mapping(plain("uid")), "userName is empty"),
        (by_external_id(plain("title")), "userName is empty"),
        (by_external_id(MappingRule::plain("employeeNumber", Integer)), "userName is empty"),
        (by_external_id(MappingRule::of(ValueSource::Constant(" ".into()), Text)), "userName is empty"),
        (
            Mapping::new(MappingRule::plain("employeeNumber", Integer), BTreeMap::new()),
            "userName must be text",
        ),
        (
            Mapping::new(
                MappingRule::of(ValueSource::Constant("externalId=1".into()), Text),
                BTreeMap::new(),
            ),
            "userName begins with externalId=, which marks an external id",
        ),
    ] {
        assert_eq!(mapping.user_name(&ada(), RecordedValues::default()).unwrap_err().problem, problem);
    }
    let named = Mapping::new(MappingRule::plain("mail", Text), BTreeMap::new());
    let named = named.with_missing_user_name(MissingUserName::ByExternalId);
    assert_eq!(
        named.user_name(&ada(), RecordedValues::default()).unwrap().as_str(),
        "Ada.Lovelace@acme.test"
    );
}

#[test]
fn attributes_are_listed_by_use() {
    let mapping = mapping(vec![
        ("manager", MappingRule::plain("Manager", Reference)),
        ("displayName", template("{{ givenName }} {{ sn }}")),
        ("locale", MappingRule::of(ValueSource::Constant("en".into()), Text)),
    ]);
    let sources: Vec<_> = mapping.source_attributes().into_iter().collect();
    assert_eq!(sources, ["givenname", "mail", "manager", "sn"]);
    assert_eq!(mapping.reference_attributes(), ["Manager"]);
    assert_eq!(mapping.user_name_attributes(), ["mail"]);
}

#[test]
fn masked_part_masks_the_formatted_name() {
    let masked = |name: &'static str| (name, MappingRule { masked: true, ..MappingRule::plain("sn", Text) });
    let names = |rules| -> Vec<String> { mapping(rules).masked().into_iter().map(|name| name.0).collect() };
    let formatted = ("name.formatted", MappingRule::plain("cn", Text));
    assert_eq!(names(vec![masked("title")]), ["title"]);
    assert_eq!(names(vec![masked("name.familyName")]), ["name.familyName", "name.formatted"]);
    assert_eq!(names(vec![masked("name.familyName"), formatted]), ["name.familyName"]);
    let user_name = MappingRule { masked: true, ..MappingRule::plain("mail", Text) };
    let masked = Mapping::new(user_name, BTreeMap::new()).masked();
    assert_eq!(masked.into_iter().collect::<Vec<_>>(), [TargetAttribute::from("userName")]);
}

#[test]
fn longest_value_is_taken() {
    let of = |length: usize| {
        let attributes: Attributes =
            [("mail", "ada@x"), ("title", "x".repeat(length).as_str())].into_iter().collect();
        let rule = MappingRule::plain("title", Text);
        (
            mapping(vec![("title", rule)]).desired_user(&attributes, true, RecordedValues::default()).is_ok(),
            mapping(vec![("title", template("{{ title }}"))])
                .desired_user(&attributes, true, RecordedValues::default())
                .is_ok(),
            mapping(vec![("title", template("{{ title }}x"))])
                .desired_user(&attributes, true, RecordedValues::default())
                .is_ok(),
        )
    };
    assert_eq!(of(MappingRule::MAX_VALUE_BYTES), (true, true, false));
    assert_eq!(of(MappingRule::MAX_VALUE_BYTES + 1), (false, false, false));
}

#[test]
fn mask_holds_for_the_value_wherever_it_goes() {
    let masked = |name: &str| MappingRule { masked: true, ..MappingRule::plain(name, ValueKind::Text) };
    let plain = |name: &str| MappingRule::plain(name, ValueKind::Text);
    let names =
        |mapping: Mapping| -> Vec<String> { mapping.masked().iter().map(ToString::to_string).collect() };
    let rules = BTreeMap::from([
        ("title".into(), masked("employeeNumber")),
        ("nickName".into(), plain("EMPLOYEENUMBER")),
        ("displayName".into(), plain("cn")),
    ]);
    assert_eq!(names(Mapping::new(plain("mail"), rules)), ["nickName", "title"]);
    // The external id is the name of a user without a user name.
    let by_id = || BTreeMap::from([("externalId".into(), masked("employeeNumber"))]);
    assert_eq!(names(Mapping::new(plain("mail"), by_id())), ["externalId"]);
    let replaced = Mapping::new(plain("mail"), by_id()).with_missing_user_name(MissingUserName::ByExternalId);
    assert_eq!(names(replaced), ["externalId", "userName"]);
}
