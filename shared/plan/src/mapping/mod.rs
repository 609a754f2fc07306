//! The mapping: what an entry's attributes make of a user.

mod explain;
mod formatted_name;
mod rule;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use model::{Attributes, DesiredUser, Fingerprinter, Managed, TargetAttribute, UserName, Value, ValueKind};

pub(crate) use explain::values;
pub use explain::{AttributeExplained, MASK, SourceValues, TransformStep, ValueOrigin};
pub use rule::{MappingRule, TextCase, TextExtract, ValueSource};
pub use template::{Template, TemplateError};

/// Why an entry can't be made into a user. It names the target attribute and what the problem is, and holds none
/// of the entry's values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{attribute} (from {source_text}): {problem}")]
pub struct MappingError {
    /// The target attribute.
    pub attribute: TargetAttribute,
    /// Where its value should come from.
    pub source_text: String,
    /// What is wrong.
    pub problem: String,
}

/// All rules of a connection.
#[derive(Debug)]
pub struct Mapping {
    user_name: MappingRule,
    rules: BTreeMap<TargetAttribute, MappingRule>,
    nameless: MissingUserName,
}

/// What becomes of an entry that has no value for `userName`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingUserName {
    /// It can't be mapped.
    #[default]
    Refused,
    /// It is known by its `externalId`, if that is mapped.
    ByExternalId,
}

impl Mapping {
    /// Puts the rule for `userName` and those for the other target attributes together.
    pub fn new(user_name: MappingRule, rules: BTreeMap<TargetAttribute, MappingRule>) -> Self {
        Self { user_name, rules, nameless: MissingUserName::default() }
    }

    /// The same for a target that says what becomes of entries without a user name.
    #[must_use]
    pub fn with_missing_user_name(self, nameless: MissingUserName) -> Self {
        Self { nameless, ..self }
    }

    /// The directory attributes that any rule reads, in lower case.
    pub fn source_attributes(&self) -> BTreeSet<String> {
        let rules = std::iter::once(&self.user_name).chain(self.rules.values());
        rules.flat_map(MappingRule::source_attributes).map(|name| name.to_ascii_lowercase()).collect()
    }

    /// The directory attributes that hold the DN of another user.
    pub fn reference_attributes(&self) -> Vec<String> {
        let references = self.rules.values().filter(|rule| rule.kind == ValueKind::Reference);
        references.flat_map(MappingRule::source_attributes).map(str::to_owned).collect()
    }

    /// The directory attributes that the user name is made of.
    pub fn user_name_attributes(&self) -> Vec<String> {
        self.user_name.source_attributes().into_iter().map(str::to_owned).collect()
    }

    /// The target attributes whose values are not to be shown.
    pub fn masked(&self) -> BTreeSet<TargetAttribute> {
        let user_name = self.user_name.masked.then(|| TargetAttribute::from("userName"));
        let masked = self.rules.iter().filter(|(_, rule)| rule.masked).map(|(name, _)| name.clone());
        let mut masked: BTreeSet<TargetAttribute> = user_name.into_iter().chain(masked).collect();
        // What is made of a masked part would show it.
        if !self.rules.contains_key(&formatted_name::attribute())
            && masked.iter().any(formatted_name::is_part)
        {
            masked.insert(formatted_name::attribute());
        }
        masked
    }

    /// Adds all that the rules say to a hash, so that a changed mapping makes everybody be looked at again.
    pub fn describe(&self, hash: &mut Fingerprinter) {
        // That follows from the dialect, which is hashed beside this.
        let Self { user_name, rules, nameless: _ } = self;
        user_name.describe(hash);
        for (attribute, rule) in rules {
            hash.text(attribute.as_str());
            rule.describe(hash);
        }
    }

    /// The user name alone: enough to look for an account.
    pub fn user_name(&self, attributes: &Attributes) -> Result<UserName, MappingError> {
        let attribute = TargetAttribute::from("userName");
        let fail = |problem: String| self.user_name.error(&attribute, problem);
        match self.user_name.evaluate(attributes).map_err(fail)? {
            Some(Value::Text(text)) => UserName::named(&text).map_err(|problem| fail(problem.to_string())),
            Some(_) => Err(fail("a user name is text".to_owned())),
            None => match self.external_id(attributes) {
                Some(id) => UserName::external(&id).map_err(|problem| fail(problem.to_string())),
                None => Err(fail("userName is empty".to_owned())),
            },
        }
    }

    /// What stands in for a missing user name.
    fn external_id(&self, attributes: &Attributes) -> Option<String> {
        if self.nameless == MissingUserName::Refused {
            return None;
        }
        match self.rules.get(&TargetAttribute::from("externalId"))?.evaluate(attributes) {
            Ok(Some(Value::Text(id))) => Some(id),
            _ => None,
        }
    }

    /// What the entry's attributes make of a user.
    pub fn desired_user(&self, attributes: &Attributes, active: bool) -> Result<DesiredUser, MappingError> {
        let mut user = DesiredUser {
            user_name: self.user_name(attributes)?,
            active,
            attributes: BTreeMap::new(),
            create_only: BTreeMap::new(),
        };
        for (attribute, rule) in &self.rules {
            let value = rule.evaluate(attributes).map_err(|problem| rule.error(attribute, problem))?;
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
