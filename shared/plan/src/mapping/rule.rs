//! A mapping rule: the source of a target attribute's value, and its transformations.

use std::collections::BTreeSet;

use model::{Attributes, DnKey, Fingerprinter, TargetAttribute, Value, ValueKind, cn_of};

use super::choice::ChosenValues;
use super::{MappingError, Template, ValuePattern};

/// A mapping rule for one target attribute.
#[derive(Debug)]
pub struct MappingRule {
    /// Source of the value.
    pub source: ValueSource,
    /// Type of the target attribute.
    pub kind: ValueKind,
    /// Form of the value that counts among several.
    pub prefer: Option<ValuePattern>,
    /// Value for a source that fails or is empty.
    pub default: Option<String>,
    /// Sent at creation and never updated.
    pub create_only: bool,
    /// Remove spaces at both ends.
    pub trim: bool,
    /// Change to upper or lower case.
    pub case: Option<TextCase>,
    /// Extract a part of the value.
    pub extract: Option<TextExtract>,
    /// The value is not shown in plans, logs and reports.
    pub masked: bool,
}

/// Source of a value.
#[derive(Debug)]
pub enum ValueSource {
    /// The first of these directory attributes that has a value.
    Attributes(Vec<String>),
    /// An expression over directory attributes.
    Template(Box<Template>),
    /// The same value for every user.
    Constant(String),
}

/// A change of case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextCase {
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
}

/// A part of a value to extract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextExtract {
    /// The CN of a distinguished name.
    CnFromDn,
    /// The part of an e-mail address before the `@`.
    UserNameFromEmail,
}

impl MappingRule {
    /// Longest value that is read or sent, in bytes. No account attribute needs more, and the size of a record is
    /// limited.
    pub const MAX_VALUE_BYTES: usize = 8 * 1024;

    /// A rule that copies one directory attribute.
    pub fn plain(attribute: &str, kind: ValueKind) -> Self {
        Self::of(ValueSource::Attributes(vec![attribute.to_owned()]), kind)
    }

    /// A rule with this source, without default and transformations.
    pub fn of(source: ValueSource, kind: ValueKind) -> Self {
        Self {
            source,
            kind,
            prefer: None,
            default: None,
            create_only: false,
            trim: false,
            case: None,
            extract: None,
            masked: false,
        }
    }

    /// The directory attributes that this rule reads.
    pub fn source_attributes(&self) -> Vec<&str> {
        match &self.source {
            ValueSource::Attributes(names) => names.iter().map(String::as_str).collect(),
            ValueSource::Template(template) => template.attributes().collect(),
            ValueSource::Constant(_) => Vec::new(),
        }
    }

    /// Sources that are among these directory attributes, in lower case; of a list, all or none.
    pub(super) fn missing_sources(&self, missing: &BTreeSet<String>) -> Vec<String> {
        let sources = self.source_attributes();
        let is_missing = |name: &&str| missing.contains(&name.to_ascii_lowercase());
        let is_list = matches!(self.source, ValueSource::Attributes(_));
        if is_list && !sources.iter().all(is_missing) {
            return Vec::new();
        }
        sources.into_iter().filter(is_missing).map(str::to_owned).collect()
    }

    /// Whether the rule reads one of these directory attributes, in lower case.
    pub(super) fn reads(&self, attributes: &BTreeSet<String>) -> bool {
        self.source_attributes().iter().any(|name| attributes.contains(&name.to_ascii_lowercase()))
    }

    /// The value for these attributes, or the default; `None` for empty. Among several values the recorded one is kept.
    pub(super) fn evaluate(
        &self,
        attributes: &Attributes,
        recorded: Option<&Value>,
    ) -> Result<Option<Value>, String> {
        let values = ChosenValues::new(attributes, self.prefer.as_ref());
        let value = self.value_of(&values);
        let Some(recorded) = recorded.filter(|recorded| value.as_ref() != Ok(&Some((*recorded).clone())))
        else {
            return value;
        };
        let choices = values.choices(&self.sources_in_use(attributes));
        let is_recorded = choices
            .iter()
            .any(|choice| self.value_of(choice).is_ok_and(|value| value.as_ref() == Some(recorded)));
        if is_recorded { Ok(Some(recorded.clone())) } else { value }
    }

    /// Source attributes that the value depends on: of a list, the first with a value.
    fn sources_in_use(&self, attributes: &Attributes) -> Vec<&str> {
        let mut names = self.source_attributes();
        if let ValueSource::Attributes(_) = &self.source {
            names.retain(|name| attributes.one(name).is_some());
            names.truncate(1);
        }
        names
    }

    fn value_of(&self, values: &ChosenValues<'_>) -> Result<Option<Value>, String> {
        let text = self.found(values)?.or_else(|| self.default.clone());
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        match self.kind {
            ValueKind::Text => Ok(Some(Value::Text(text))),
            ValueKind::Integer => text
                .trim()
                .parse()
                .map(|number| Some(Value::Integer(number)))
                .map_err(|_| "not a whole number".into()),
            ValueKind::Boolean => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Ok(Some(Value::Boolean(true))),
                "false" => Ok(Some(Value::Boolean(false))),
                _ => Err("neither true nor false".into()),
            },
            ValueKind::Reference => Ok(Some(Value::Reference(DnKey::of(&text)))),
        }
    }

    /// The transformed text of the source, without the default.
    pub(super) fn found(&self, values: &ChosenValues<'_>) -> Result<Option<String>, String> {
        let text = self.source_text(values)?.map(|text| self.transformed(text));
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn source_text(&self, values: &ChosenValues<'_>) -> Result<Option<String>, String> {
        match &self.source {
            ValueSource::Constant(text) => Ok(Some(text.clone())),
            ValueSource::Attributes(names) => {
                for name in names {
                    if let Some(text) = attribute_text(values, name)? {
                        return Ok(Some(text));
                    }
                }
                Ok(None)
            }
            ValueSource::Template(template) => match template.render(values)? {
                Ok(text) => Ok(text),
                // The default covers an expression that fails. Without a default the entry is invalid.
                Err(_) if self.default.is_some() => Ok(None),
                Err(problem) => Err(problem),
            },
        }
    }

    fn transformed(&self, text: String) -> String {
        let text = match self.extract {
            None => text,
            Some(TextExtract::CnFromDn) => cn_of(&text).unwrap_or_default(),
            Some(TextExtract::UserNameFromEmail) => {
                text.rsplit_once('@').map(|(user, _)| user.to_owned()).unwrap_or(text)
            }
        };
        let text = if self.trim { text.trim().to_owned() } else { text };
        match self.case {
            None => text,
            Some(TextCase::Lower) => text.to_lowercase(),
            Some(TextCase::Upper) => text.to_uppercase(),
        }
    }

    /// The error for this rule's target attribute.
    pub(super) fn error(&self, attribute: &TargetAttribute, problem: String) -> MappingError {
        let source_text = match &self.source {
            ValueSource::Constant(_) => "a constant".to_owned(),
            ValueSource::Attributes(names) => format!("'{}'", names.join("', '")),
            ValueSource::Template(template) => format!("\"{}\"", template.text()),
        };
        MappingError { attribute: attribute.clone(), source_text, problem }
    }

    /// Adds the canonical serialisation of the rule to a fingerprint.
    pub(super) fn describe(&self, hash: &mut Fingerprinter) {
        // `masked` changes what is shown, not what is sent.
        let Self { source, kind, prefer, default, create_only, trim, case, extract, masked: _ } = self;
        match source {
            ValueSource::Attributes(names) => {
                hash.text("attributes");
                hash.number(names.len() as u64);
                names.iter().for_each(|name| hash.text(&name.to_ascii_lowercase()));
            }
            ValueSource::Template(template) => {
                hash.text("template");
                hash.text(template.text());
            }
            ValueSource::Constant(text) => {
                hash.text("constant");
                hash.text(text);
            }
        }
        hash.text(match kind {
            ValueKind::Text => "text",
            ValueKind::Integer => "integer",
            ValueKind::Boolean => "boolean",
            ValueKind::Reference => "reference",
        });
        hash.optional_text(case.map(|case| match case {
            TextCase::Lower => "lower",
            TextCase::Upper => "upper",
        }));
        hash.optional_text(extract.map(|extract| match extract {
            TextExtract::CnFromDn => "cn_from_dn",
            TextExtract::UserNameFromEmail => "user_name_from_email",
        }));
        hash.optional_text(prefer.as_ref().map(ValuePattern::text));
        hash.optional_text(default.as_deref());
        hash.flag(*create_only);
        hash.flag(*trim);
    }
}

/// The text of an attribute's value.
pub(super) fn attribute_text(values: &ChosenValues<'_>, name: &str) -> Result<Option<String>, String> {
    let Some(value) = values.one(name) else { return Ok(None) };
    if value.len() > MappingRule::MAX_VALUE_BYTES {
        let (length, most) = (value.len(), MappingRule::MAX_VALUE_BYTES);
        return Err(format!("the value of '{name}' has {length} bytes; at most {most} are allowed"));
    }
    match std::str::from_utf8(value) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(format!("the value of '{name}' is not valid UTF-8")),
    }
}
