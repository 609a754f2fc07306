//! Explanations of target attributes: sources, transformations and results.

use std::collections::BTreeSet;

use model::{Attributes, Managed, TargetAttribute, Value};
use serde::Serialize;

use super::choice::ChosenValues;
use super::{Mapping, MappingRule, RecordedValues, TextCase, TextExtract, ValueSource, formatted_name};

/// Replacement for a masked value.
pub const MASK: &str = "•••";

/// How a target attribute gets its value. Masked values are replaced in results and in sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttributeExplained {
    /// The target attribute.
    pub attribute: TargetAttribute,
    /// Source of the value.
    pub from: ValueOrigin,
    /// Values of the directory attributes that the source reads.
    pub sources: Vec<SourceValues>,
    /// Transformations, in order.
    pub steps: Vec<TransformStep>,
    /// Configured default.
    pub default: Option<String>,
    /// Whether the default is used.
    pub used_default: bool,
    /// Whether the value is sent at creation and never updated.
    pub create_only: bool,
    /// Whether the value is masked.
    pub masked: bool,
    /// The value; `None` for empty.
    pub result: Option<String>,
    /// Why there is no valid value.
    pub problem: Option<String>,
}

/// Source of a value, as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueOrigin {
    /// The first of these directory attributes that has a value.
    Attributes(Vec<String>),
    /// An expression.
    Expression(String),
    /// The same value for every user.
    Constant(String),
    /// The parts of the name, because `name.formatted` is not mapped.
    NameParts,
}

/// Values of one directory attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceValues {
    /// Name of the attribute.
    pub attribute: String,
    /// Its values; empty where the entry lacks the attribute.
    pub values: Vec<String>,
}

/// A transformation of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformStep {
    /// Extracts the CN of a distinguished name.
    CnFromDn,
    /// Extracts the part before the `@`.
    UserNameFromEmail,
    /// Removes spaces at both ends.
    Trim,
    /// Changes to lower case.
    Lower,
    /// Changes to upper case.
    Upper,
}

/// Explains values of one entry, and hides those that a masked attribute is made of.
pub(crate) struct Explainer<'a> {
    mapping: &'a Mapping,
    attributes: &'a Attributes,
    recorded: RecordedValues<'a>,
    /// Directory attributes in lower case.
    hidden: BTreeSet<String>,
    masked: BTreeSet<TargetAttribute>,
}

impl<'a> Explainer<'a> {
    pub(crate) fn new(
        mapping: &'a Mapping,
        attributes: &'a Attributes,
        recorded: RecordedValues<'a>,
    ) -> Self {
        Self { mapping, attributes, recorded, hidden: mapping.hidden_sources(), masked: mapping.masked() }
    }

    /// The values of a directory attribute as they may be shown.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let is_hidden = self.hidden.contains(&name.to_ascii_lowercase());
        let shown = |value: &[u8]| match std::str::from_utf8(value) {
            _ if is_hidden => MASK.to_owned(),
            Ok(text) if value.len() <= MappingRule::MAX_VALUE_BYTES => text.to_owned(),
            _ => format!("({} bytes)", value.len()),
        };
        self.attributes.all(name).iter().map(|value| shown(value)).collect()
    }

    /// Every target attribute, the user name first.
    pub(crate) fn mapping(&self) -> Vec<AttributeExplained> {
        let Self { mapping, attributes, recorded, .. } = *self;
        let name = mapping.user_name(attributes, recorded).map(|name| Some(Value::Text(name.to_string())));
        let name = name.map_err(|error| error.problem);
        let user_name = self.rule(&mapping.user_name, "userName".into(), name);
        let rules = mapping.rules.iter();
        let others = rules.map(|(name, rule)| {
            self.rule(rule, name.clone(), rule.evaluate(attributes, recorded.attribute(name)))
        });
        std::iter::once(user_name).chain(others).chain(self.formatted_name()).collect()
    }

    /// `name.formatted`, where it is made of its parts.
    fn formatted_name(&self) -> Option<AttributeExplained> {
        let attribute = formatted_name::attribute();
        if self.mapping.rules.contains_key(&attribute) {
            return None;
        }
        let user = self.mapping.desired_user(self.attributes, true, self.recorded).ok()?;
        let Some(Managed::Set(value)) = user.attributes.get(&attribute) else { return None };
        let masked = self.masked.contains(&attribute);
        Some(AttributeExplained {
            attribute,
            from: ValueOrigin::NameParts,
            sources: Vec::new(),
            steps: Vec::new(),
            default: None,
            used_default: false,
            create_only: false,
            masked,
            result: Some(if masked { MASK.to_owned() } else { value.to_string() }),
            problem: None,
        })
    }

    fn rule(
        &self,
        rule: &MappingRule,
        attribute: TargetAttribute,
        result: Result<Option<Value>, String>,
    ) -> AttributeExplained {
        let MappingRule { source, kind: _, prefer, default, create_only, trim, case, extract, masked: _ } =
            rule;
        let values = ChosenValues::new(self.attributes, prefer.as_ref());
        let masked = self.masked.contains(&attribute);
        let shown = |text: &str| if masked { MASK.to_owned() } else { text.to_owned() };
        let from = match source {
            ValueSource::Attributes(names) => ValueOrigin::Attributes(names.clone()),
            ValueSource::Template(template) => ValueOrigin::Expression(template.text().to_owned()),
            ValueSource::Constant(text) => ValueOrigin::Constant(shown(text)),
        };
        let sources = rule.source_attributes().into_iter();
        let sources =
            sources.map(|name| SourceValues { attribute: name.to_owned(), values: self.values(name) });
        let extract = extract.map(|extract| match extract {
            TextExtract::CnFromDn => TransformStep::CnFromDn,
            TextExtract::UserNameFromEmail => TransformStep::UserNameFromEmail,
        });
        let case = case.map(|case| match case {
            TextCase::Lower => TransformStep::Lower,
            TextCase::Upper => TransformStep::Upper,
        });
        let (result, problem) = match result {
            Ok(value) => (value.map(|value| shown(&value.to_string())), None),
            Err(problem) => (None, Some(problem)),
        };
        AttributeExplained {
            attribute,
            from,
            sources: sources.collect(),
            steps: extract.into_iter().chain(trim.then_some(TransformStep::Trim)).chain(case).collect(),
            default: default.as_deref().map(shown),
            used_default: default.is_some() && rule.found(&values) == Ok(None),
            create_only: *create_only,
            masked,
            result,
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::ValueKind::Text;

    use super::super::Template;
    use super::*;

    fn explained(rules: Vec<(&str, MappingRule)>, entry: &[(&str, &str)]) -> Vec<AttributeExplained> {
        let rules: BTreeMap<_, _> = rules.into_iter().map(|(name, rule)| (name.into(), rule)).collect();
        let mapping = Mapping::new(MappingRule::plain("mail", Text), rules);
        Explainer::new(&mapping, &entry.iter().copied().collect(), RecordedValues::default()).mapping()
    }

    fn template(text: &str) -> MappingRule {
        MappingRule::of(ValueSource::Template(Box::new(Template::compile(text).unwrap())), Text)
    }

    const ADA: [(&str, &str); 4] =
        [("mail", "ada@acme.test"), ("givenName", " Ada "), ("sn", "Lovelace"), ("mobile", "555-1")];

    #[test]
    fn attribute_shows_source_steps_and_result() {
        let rule = MappingRule { case: Some(TextCase::Upper), ..template("{{ givenName | trim }} {{ sn }}") };
        let all = explained(vec![("displayName", rule)], &ADA);
        assert_eq!(all[0].attribute.as_str(), "userName");
        assert_eq!(all[0].result.as_deref(), Some("ada@acme.test"));
        let display = &all[1];
        assert_eq!(display.from, ValueOrigin::Expression("{{ givenName | trim }} {{ sn }}".to_owned()));
        let sources: Vec<_> =
            display.sources.iter().map(|s| (s.attribute.as_str(), s.values.clone())).collect();
        assert_eq!(sources, [("givenName", vec![" Ada ".to_owned()]), ("sn", vec!["Lovelace".to_owned()])]);
        assert_eq!(
            (display.steps.as_slice(), display.result.as_deref()),
            (&[TransformStep::Upper][..], Some("ADA LOVELACE"))
        );
    }

    #[test]
    fn default_shows_whether_it_is_used() {
        let title =
            || MappingRule { default: Some("Employee".to_owned()), ..MappingRule::plain("title", Text) };
        let without = explained(vec![("title", title())], &ADA);
        assert_eq!((without[1].used_default, without[1].result.as_deref()), (true, Some("Employee")));
        assert_eq!(without[1].sources[0].values, Vec::<String>::new());
        let with = explained(vec![("title", title())], &[ADA[0], ("title", "Countess")]);
        assert_eq!((with[1].used_default, with[1].result.as_deref()), (false, Some("Countess")));
    }

    #[test]
    fn masked_value_is_hidden_in_the_sources_of_other_attributes() {
        let masked = MappingRule {
            masked: true,
            default: Some("secret".to_owned()),
            ..MappingRule::plain("Mobile", Text)
        };
        let other =
            MappingRule::of(ValueSource::Attributes(vec!["pager".to_owned(), "mobile".to_owned()]), Text);
        let all = explained(
            vec![("phoneNumbers.mobile", masked), ("title", MappingRule { trim: true, ..other })],
            &ADA,
        );
        let phone = all.iter().find(|it| it.attribute.as_str() == "phoneNumbers.mobile").unwrap();
        assert_eq!(phone.result.as_deref(), Some(MASK));
        let title = all.iter().find(|it| it.attribute.as_str() == "title").unwrap();
        assert_eq!(title.result.as_deref(), Some(MASK), "made of the masked source");
        assert_eq!(phone.default.as_deref(), Some(MASK));
        let sources = all.iter().flat_map(|it| &it.sources).flat_map(|source| &source.values);
        assert!(sources.into_iter().all(|value| !value.contains("555")), "{all:?}");
    }

    #[test]
    fn problem_of_one_attribute_leaves_the_others_explained() {
        let all = explained(vec![("title", template("{{ range(sn) }}"))], &ADA[1..]);
        assert_eq!(all[0].problem.as_deref(), Some("userName is empty"));
        assert!(all[1].problem.as_deref().unwrap().contains("the expression failed"), "{all:?}");
    }

    #[test]
    fn formatted_name_is_explained_where_it_is_not_mapped() {
        let parts = |masked| {
            let given = MappingRule { trim: true, masked, ..MappingRule::plain("givenName", Text) };
            explained(
                vec![("name.givenName", given), ("name.familyName", MappingRule::plain("sn", Text))],
                &ADA,
            )
        };
        let made = parts(false).pop().unwrap();
        assert_eq!((made.from, made.result.as_deref()), (ValueOrigin::NameParts, Some("Ada Lovelace")));
        assert_eq!(parts(true).pop().unwrap().result.as_deref(), Some(MASK));
    }

    #[test]
    fn binary_and_overlong_values_show_their_size() {
        let mapping = Mapping::new(MappingRule::plain("mail", Text), BTreeMap::new());
        let mut attributes = Attributes::default();
        let longest = "x".repeat(MappingRule::MAX_VALUE_BYTES);
        let values = [vec![0xff, 0xfe], longest.clone().into_bytes(), format!("{longest}x").into_bytes()];
        attributes.insert("mail".to_owned(), values.map(Into::into));
        let shown = Explainer::new(&mapping, &attributes, RecordedValues::default()).values("mail");
        assert_eq!(shown, ["(2 bytes)", &longest, "(8193 bytes)"]);
    }

    #[test]
    fn steps_are_listed_in_their_order() {
        let steps = |rule: MappingRule| explained(vec![("title", rule)], &ADA)[1].steps.clone();
        let plain = || MappingRule::plain("sn", Text);
        let extract = Some(TextExtract::UserNameFromEmail);
        let rule = MappingRule { trim: true, case: Some(TextCase::Lower), extract, ..plain() };
        assert_eq!(
            steps(rule),
            [TransformStep::UserNameFromEmail, TransformStep::Trim, TransformStep::Lower]
        );
        let rule = MappingRule { extract: Some(TextExtract::CnFromDn), ..plain() };
        assert_eq!(steps(rule), [TransformStep::CnFromDn]);
    }
}
