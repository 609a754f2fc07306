//! The mapping from an entry's attributes to a desired user.

mod choice;
mod explain;
mod formatted_name;
mod rule;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Attributes, DesiredUser, Entry, Fingerprinter, Managed, TargetAttribute, UserName, Value, ValueKind,
};

pub use choice::{RecordedValues, ValuePattern};
pub(crate) use explain::Explainer;
pub use explain::{AttributeExplained, MASK, SourceValues, TransformStep, ValueOrigin};
pub use rule::{MappingRule, TextCase, TextExtract, ValueSource};
pub use template::{Template, TemplateError};

/// Why the mapping can't make a user of an entry. It contains no value of the entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{attribute} (from {source_text}): {problem}")]
pub struct MappingError {
    /// The target attribute.
    pub attribute: TargetAttribute,
    /// Source of its value.
    pub source_text: String,
    /// The problem.
    pub problem: String,
}

/// Shorter values occur in too many DNs to identify a user.
const SHORTEST_VALUE: usize = 3;

/// The mapping rules of a connection.
#[derive(Debug)]
pub struct Mapping {
    user_name: MappingRule,
    rules: BTreeMap<TargetAttribute, MappingRule>,
    missing_user_name: MissingUserName,
}

/// How to treat an entry without a value for `userName`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingUserName {
    /// The entry is invalid.
    #[default]
    Refused,
    /// The mapped `externalId` replaces the user name.
    ByExternalId,
}

impl Mapping {
    /// Combines the rule for `userName` with those for the other target attributes.
    pub fn new(user_name: MappingRule, rules: BTreeMap<TargetAttribute, MappingRule>) -> Self {
        Self { user_name, rules, missing_user_name: MissingUserName::default() }
    }

    /// The same mapping with another treatment of entries without a user name.
    #[must_use]
    pub fn with_missing_user_name(self, missing_user_name: MissingUserName) -> Self {
        Self { missing_user_name, ..self }
    }

    /// The directory attributes that the rules read, in lower case.
    pub fn source_attributes(&self) -> BTreeSet<String> {
        self.all_rules()
            .flat_map(MappingRule::source_attributes)
            .map(|name| name.to_ascii_lowercase())
            .collect()
    }

    /// Target attributes that lose their value, or a part of it, where no entry has these directory attributes (in lower case):
    /// each with the sources that are missing. A list of sources counts only if all of them are missing.
    pub fn without(&self, missing: &BTreeSet<String>) -> Vec<(TargetAttribute, Vec<String>)> {
        let user_name = TargetAttribute::from("userName");
        let rules = std::iter::once((&user_name, &self.user_name)).chain(&self.rules);
        let lost = rules.map(|(attribute, rule)| (attribute.clone(), rule.missing_sources(missing)));
        lost.filter(|(_, sources)| !sources.is_empty()).collect()
    }

    /// All rules, the one for `userName` first.
    fn all_rules(&self) -> impl Iterator<Item = &MappingRule> {
        std::iter::once(&self.user_name).chain(self.rules.values())
    }

    /// The directory attributes that hold the DN of another user.
    pub fn reference_attributes(&self) -> Vec<String> {
        let references = self.rules.values().filter(|rule| rule.kind == ValueKind::Reference);
        references.flat_map(MappingRule::source_attributes).map(str::to_owned).collect()
    }

    /// The directory attributes that the rule for `userName` reads.
    pub fn user_name_attributes(&self) -> Vec<String> {
        self.user_name.source_attributes().into_iter().map(str::to_owned).collect()
    }

    /// The target attributes with masked values: those of masked rules, and those that another rule makes of the same
    /// sources. A mask holds for a value, wherever it goes.
    pub fn masked(&self) -> BTreeSet<TargetAttribute> {
        let hidden = self.hidden_sources();
        let user_name = TargetAttribute::from("userName");
        let external_id = TargetAttribute::from("externalId");
        let rules = std::iter::once((&user_name, &self.user_name)).chain(&self.rules);
        let masked = rules.filter(|(_, rule)| rule.masked || rule.reads(&hidden));
        let mut masked: BTreeSet<TargetAttribute> = masked.map(|(name, _)| name.clone()).collect();
        // The external id is shown as the name of a user without one.
        if self.missing_user_name == MissingUserName::ByExternalId && masked.contains(&external_id) {
            masked.insert(user_name);
        }
        // A name made of a masked part would show that part.
        if !self.rules.contains_key(&formatted_name::attribute())
            && masked.iter().any(formatted_name::is_part)
        {
            masked.insert(formatted_name::attribute());
        }
        masked
    }

    /// The directory attributes, in lower case, that a masked target attribute reads.
    pub fn hidden_sources(&self) -> BTreeSet<String> {
        let masked = self.all_rules().filter(|rule| rule.masked);
        masked.flat_map(MappingRule::source_attributes).map(str::to_ascii_lowercase).collect()
    }

    /// The DN of an entry; `None` if it contains a masked value.
    pub fn shown_dn(&self, entry: &Entry) -> Option<String> {
        let folded = entry.dn.to_lowercase();
        let sources = self.hidden_sources();
        let values = sources.iter().flat_map(|source| entry.attributes.all(source));
        let mut values = values.map(|value| String::from_utf8_lossy(value).trim().to_lowercase());
        let has_masked =
            values.any(|value| value.chars().count() >= SHORTEST_VALUE && folded.contains(&value));
        (!has_masked).then(|| entry.dn.clone())
    }

    /// Adds the canonical serialisation of the rules to a fingerprint.
    pub fn describe(&self, hash: &mut Fingerprinter) {
        // `missing_user_name` follows from the dialect, which is part of the fingerprint.
        let Self { user_name, rules, missing_user_name: _ } = self;
        user_name.describe(hash);
        for (attribute, rule) in rules {
            hash.text(attribute.as_str());
            rule.describe(hash);
        }
    }

    /// Whether a rule reads an attribute of which these attributes have several values.
    pub(crate) fn has_choice(&self, attributes: &Attributes) -> bool {
        self.all_rules().flat_map(MappingRule::source_attributes).any(|name| attributes.all(name).len() > 1)
    }

    /// The user name alone, by which an account can be found.
    pub fn user_name(
        &self,
        attributes: &Attributes,
        recorded: RecordedValues<'_>,
    ) -> Result<UserName, MappingError> {
        let attribute = TargetAttribute::from("userName");
        let fail = |problem: String| self.user_name.error(&attribute, problem);
        match self.user_name.evaluate(attributes, recorded.user_name().as_ref()).map_err(fail)? {
            Some(Value::Text(text)) => UserName::named(&text).map_err(|problem| fail(problem.to_string())),
            Some(_) => Err(fail("userName must be text".to_owned())),
            None => match self.external_id(attributes, recorded) {
                Some(id) => UserName::external(&id).map_err(|problem| fail(problem.to_string())),
                None => Err(fail("userName is empty".to_owned())),
            },
        }
    }

    /// The external id that replaces a missing user name.
    fn external_id(&self, attributes: &Attributes, recorded: RecordedValues<'_>) -> Option<String> {
        if self.missing_user_name == MissingUserName::Refused {
            return None;
        }
        let attribute = TargetAttribute::from("externalId");
        match self.rules.get(&attribute)?.evaluate(attributes, recorded.attribute(&attribute)) {
            Ok(Some(Value::Text(id))) => Some(id),
            _ => None,
        }
    }

    /// The desired user of an entry with these attributes.
    pub fn desired_user(
        &self,
        attributes: &Attributes,
        active: bool,
        recorded: RecordedValues<'_>,
    ) -> Result<DesiredUser, MappingError> {
        let mut user = DesiredUser {
            user_name: self.user_name(attributes, recorded)?,
            active,
            attributes: BTreeMap::new(),
            create_only: BTreeMap::new(),
        };
        for (attribute, rule) in &self.rules {
            let value = rule.evaluate(attributes, recorded.attribute(attribute));
            let value = value.map_err(|problem| rule.error(attribute, problem))?;
            match (value, rule.create_only) {
                (Some(value), true) => drop(user.create_only.insert(attribute.clone(), value)),
                (None, true) => {}
                (Some(value), false) => drop(user.attributes.insert(attribute.clone(), Managed::Set(value))),
                (None, false) => drop(user.attributes.insert(attribute.clone(), Managed::Clear)),
            }
        }
        formatted_name::fill_in(&mut user, self.rules.keys());
        Ok(user)
    }
}

#[cfg(test)]
mod tests;
