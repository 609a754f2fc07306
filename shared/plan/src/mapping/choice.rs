//! Choice of one value of an attribute that has several. LDAP values have no order, so the choice must not depend on one, and
//! it must not move when a value is added.

use model::{Attributes, Desired, DesiredUser, Managed, TargetAttribute, UserName, UserRecord, Value};

/// Most combinations of values that are tried for one rule.
const MOST_CHOICES: usize = 64;

/// Attribute that holds all addresses of a mailbox. Microsoft Exchange marks the primary one by `SMTP:` in capitals.
const PROXY_ADDRESSES: &str = "proxyAddresses";
const PRIMARY: &str = "SMTP:*";

/// Values of a user as the last scan recorded them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordedValues<'a> {
    user_name: Option<&'a UserName>,
    user: Option<&'a DesiredUser>,
}

impl<'a> RecordedValues<'a> {
    /// Values of a record.
    pub fn of(record: &'a UserRecord) -> Self {
        let user = match &record.desired {
            Some(Desired::Present(user)) => Some(user),
            Some(Desired::Absent { .. }) | None => None,
        };
        Self { user_name: record.user_name(), user }
    }

    pub(super) fn user_name(&self) -> Option<Value> {
        self.user_name.map(|name| Value::Text(name.as_str().to_owned()))
    }

    pub(super) fn attribute(&self, attribute: &TargetAttribute) -> Option<&'a Value> {
        let user = self.user?;
        match user.attributes.get(attribute) {
            Some(Managed::Set(value)) => Some(value),
            Some(Managed::Clear) => None,
            None => user.create_only.get(attribute),
        }
    }
}

/// Form of the values that a rule prefers: text in which `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePattern(String);

impl ValuePattern {
    /// Pattern of this text.
    pub fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text of the pattern.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Whether a value has the form of a pattern. Case counts.
fn matches(pattern: &str, value: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == value };
    let Some(value) = value.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    let mut value = value;
    for part in parts {
        let Some((_, after)) = value.split_once(part) else { return false };
        value = after;
    }
    value.ends_with(end)
}

/// Attributes of an entry, of which each shows one value.
#[derive(Clone, Debug)]
pub(super) struct ChosenValues<'a> {
    attributes: &'a Attributes,
    prefer: Option<&'a ValuePattern>,
    /// Values that are chosen instead of the smallest.
    chosen: Vec<(&'a str, &'a [u8])>,
}

impl<'a> ChosenValues<'a> {
    /// The smallest of the preferred values of each attribute.
    pub(super) fn new(attributes: &'a Attributes, prefer: Option<&'a ValuePattern>) -> Self {
        Self { attributes, prefer, chosen: Vec::new() }
    }

    /// The value of an attribute.
    pub(super) fn one(&self, name: &str) -> Option<&'a [u8]> {
        match self.chosen.iter().find(|(chosen, _)| *chosen == name) {
            Some((_, value)) => Some(value),
            None => self.candidates(name).into_iter().min(),
        }
    }

    /// The values that count: those of the preferred form, or all where none has it.
    fn candidates(&self, name: &str) -> Vec<&'a [u8]> {
        let values =
            self.attributes.all(name).iter().map(|value| &value[..]).filter(|value| !value.is_empty());
        let values: Vec<&[u8]> = values.collect();
        let pattern = match self.prefer {
            Some(pattern) => Some(pattern.text()),
            None => name.eq_ignore_ascii_case(PROXY_ADDRESSES).then_some(PRIMARY),
        };
        let Some(pattern) = pattern.filter(|_| values.len() > 1) else { return values };
        let is_preferred = |value: &&[u8]| matches(pattern, &String::from_utf8_lossy(value));
        let preferred: Vec<&[u8]> = values.iter().copied().filter(is_preferred).collect();
        if preferred.is_empty() { values } else { preferred }
    }

    /// Every other choice among the values of these attributes; none where each has one value.
    pub(super) fn choices(&self, names: &[&'a str]) -> Vec<Self> {
        let mut choices = vec![Vec::new()];
        for name in names {
            let candidates = self.candidates(name);
            if candidates.len() > 1 {
                let with = |choice: &Vec<(&'a str, &'a [u8])>, value| {
                    [choice.as_slice(), &[(*name, value)]].concat()
                };
                let extended = choices
                    .iter()
                    .flat_map(|choice| candidates.iter().map(move |value| with(choice, *value)));
                choices = extended.take(MOST_CHOICES).collect();
            }
        }
        let choices = choices.into_iter().filter(|chosen| !chosen.is_empty());
        choices.map(|chosen| Self { chosen, ..self.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asterisk_stands_for_any_text() {
        for (pattern, value, expected) in [
            ("*@acme.test", "ada@acme.test", true),
            ("*@acme.test", "ada@acme.test.example", false),
            ("SMTP:*", "SMTP:ada@x", true),
            ("SMTP:*", "smtp:ada@x", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("a*a", "a", false),
            ("ada", "ada", true),
            ("ada", "adam", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn choices_are_bounded() {
        let names: Vec<String> = (0..9).map(|number| format!("a{number}")).collect();
        let values: Vec<String> = (0..9).map(|number| format!("v{number}")).collect();
        let pairs =
            names.iter().flat_map(|name| values.iter().map(move |value| (name.as_str(), value.as_str())));
        let attributes: Attributes = pairs.collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(ChosenValues::new(&attributes, None).choices(&names).len(), MOST_CHOICES);
        assert_eq!(ChosenValues::new(&attributes, None).choices(&names[..1]).len(), 9);
    }
}
