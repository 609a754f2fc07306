//! How each target attribute came about: where its value was read, what was done to it, and what it is.

use std::collections::BTreeSet;

use model::{Attributes, Managed, TargetAttribute, Value};
use serde::Serialize;

use super::{Mapping, MappingRule, TextCase, TextExtract, ValueSource, formatted_name};

/// What stands for a value that is not to be shown.
pub const MASK: &str = "•••";

/// How one target attribute came about. What the mapping masks is in none of it, neither as a result nor as a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttributeExplained {
    /// Which.
    pub attribute: TargetAttribute,
    /// Where its value comes from.
    pub from: ValueOrigin,
    /// What the entry has in the directory attributes that are read for it.
    pub sources: Vec<SourceValues>,
    /// What is done to the text that was found, in order.
    pub steps: Vec<TransformStep>,
    /// What stands in when nothing was found.
    pub default: Option<String>,
    /// Whether it does.
    pub used_default: bool,
    /// Whether it is sent when the account is made, and never again.
    pub create_only: bool,
    /// Whether its value is hidden.
    pub masked: bool,
    /// What it is; `None` for empty.
    pub result: Option<String>,
    /// Why it can't be had.
    pub problem: Option<String>,
}

/// Where a value comes from, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueOrigin {
    /// The first of these directory attributes that has a value.
    Attributes(Vec<String>),
    /// An expression.
    Expression(String),
    /// The same for everybody.
    Constant(String),
    /// Made of the parts of the name, because nobody mapped it.
    NameParts,
}

/// What an entry has in one directory attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceValues {
    /// Which.
    pub attribute: String,
    /// Its values; none where the entry has no such attribute.
    pub values: Vec<String>,
}

/// What is done to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformStep {
    /// The CN of a distinguished name is taken.
    CnFromDn,
    /// What stands before the `@` is taken.
    UserNameFromEmail,
    /// Spaces at both ends are taken off.
    Trim,
    /// All lower.
    Lower,
    /// All upper.
    Upper,
}

impl Mapping {
    /// The directory attributes, in lower case, whose values a masked attribute is made of.
    pub fn hidden_sources(&self) -> BTreeSet<String> {
        let rules = std::iter::once(&self.user_name).chain(self.rules.values());
        let masked = rules.filter(|rule| rule.masked);
        masked.flat_map(MappingRule::source_attributes).map(str::to_ascii_lowercase).collect()
    }

    /// How each target attribute came about, the user name first.
    pub fn explain(&self, attributes: &Attributes) -> Vec<AttributeExplained> {
        let hidden = self.hidden_sources();
        let name = self.user_name(attributes).map(|name| Some(Value::Text(name.to_string())));
        let name = name.map_err(|error| error.problem);
        let mut explained = vec![self.user_name.explain("userName".into(), attributes, &hidden, name)];
        explained.extend(self.rules.iter().map(|(attribute, rule)| {
            rule.explain(attribute.clone(), attributes, &hidden, rule.evaluate(attributes))
        }));
        explained.extend(self.explain_formatted_name(attributes));
        explained
    }

    /// `name.formatted`, where it is made of its parts. A masked part masks it.
    fn explain_formatted_name(&self, attributes: &Attributes) -> Option<AttributeExplained> {
        let attribute = formatted_name::attribute();
        if self.rules.contains_key(&attribute) {
            return None;
        }
        let user = self.desired_user(attributes, true).ok()?;
        let Some(Managed::Set(value)) = user.attributes.get(&attribute) else { return None };
        let masked = self.masked().contains(&attribute);
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
}

impl MappingRule {
    fn explain(
        &self,
        attribute: TargetAttribute,
        attributes: &Attributes,
        hidden: &BTreeSet<String>,
        result: Result<Option<Value>, String>,
    ) -> AttributeExplained {
        let Self { source, kind: _, default, create_only, trim, case, extract, masked } = self;
        let shown = |text: &str| if *masked { MASK.to_owned() } else { text.to_owned() };
        let from = match source {
            ValueSource::Attributes(names) => ValueOrigin::Attributes(names.clone()),
            ValueSource::Template(template) => ValueOrigin::Expression(template.text().to_owned()),
            ValueSource::Constant(text) => ValueOrigin::Constant(shown(text)),
        };
        let sources = self.source_attributes().into_iter().map(|name| SourceValues {
            attribute: name.to_owned(),
            values: values(attributes, name, hidden),
        });
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
            used_default: default.is_some() && self.found(attributes) == Ok(None),
            create_only: *create_only,
            masked: *masked,
            result,
            problem,
        }
    }
}

/// The values of an attribute as they can be shown, where those of some are hidden.
pub(crate) fn values(attributes: &Attributes, name: &str, hidden: &BTreeSet<String>) -> Vec<String> {
    let is_hidden = hidden.contains(&name.to_ascii_lowercase());
    let shown = |value: &[u8]| match std::str::from_utf8(value) {
        _ if is_hidden => MASK.to_owned(),
        Ok(text) if value.len() <= MappingRule::MAX_VALUE_BYTES => text.to_owned(),
        _ => format!("({} bytes)", value.len()),
    };
    attributes.all(name).iter().map(|value| shown(value)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::ValueKind::Text;

    use super::super::Template;
    use super::*;

    fn explained(rules: Vec<(&str, MappingRule)>, entry: &[(&str, &str)]) -> Vec<AttributeExplained> {
        let rules: BTreeMap<_, _> = rules.into_iter().map(|(name, rule)| (name.into(), rule)).collect();
        Mapping::new(MappingRule::plain("mail", Text), rules).explain(&entry.iter().copied().collect())
    }

    fn template(text: &str) -> MappingRule {
        MappingRule::of(ValueSource::Template(Box::new(Template::compile(text).unwrap())), Text)
    }

    const ADA: [(&str, &str); 4] =
        [("mail", "ada@acme.test"), ("givenName", " Ada "), ("sn", "Lovelace"), ("mobile", "555-1")];

    #[test]
    fn an_attribute_is_followed_from_its_sources_to_its_value() {
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
    fn a_default_shows_when_it_stands_in() {
        let title =
            || MappingRule { default: Some("Employee".to_owned()), ..MappingRule::plain("title", Text) };
        let without = explained(vec![("title", title())], &ADA);
        assert_eq!((without[1].used_default, without[1].result.as_deref()), (true, Some("Employee")));
        assert_eq!(without[1].sources[0].values, Vec::<String>::new());
        let with = explained(vec![("title", title())], &[ADA[0], ("title", "Countess")]);
        assert_eq!((with[1].used_default, with[1].result.as_deref()), (false, Some("Countess")));
    }

    #[test]
    fn a_masked_attribute_leaks_through_no_other_ones_sources() {
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
        let phone = all.iter().find(|it| it.masked).unwrap();
        assert_eq!(phone.result.as_deref(), Some(MASK));
        assert_eq!(phone.default.as_deref(), Some(MASK));
        let sources = all.iter().flat_map(|it| &it.sources).flat_map(|source| &source.values);
        assert!(sources.into_iter().all(|value| !value.contains("555")), "{all:?}");
    }

    #[test]
    fn what_can_not_be_mapped_says_why_and_the_rest_is_still_explained() {
        let all = explained(vec![("title", template("{{ range(sn) }}"))], &ADA[1..]);
        assert_eq!(all[0].problem.as_deref(), Some("userName is empty"));
        assert!(all[1].problem.as_deref().unwrap().contains("the expression failed"), "{all:?}");
    }

    #[test]
    fn the_formatted_name_is_explained_where_it_is_made_up() {
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
}
