//! The server's schema (RFC 4512, section 4.2): names of attributes, and what a class demands.

use std::collections::HashMap;

use model::Attributes;
use strsim::levenshtein;

use crate::connection::LdapConnection;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::search::SearchQuery;

const ATTRIBUTE_TYPES: &str = "attributeTypes";
const OBJECT_CLASSES: &str = "objectClasses";

/// Most edits between a name and the name that was meant.
const MOST_EDITS: usize = 2;

/// First names of common attributes in every product: those of RFC 4519, 4524, 2798 and 4512, and of the presets.
const FIRST_NAMES: &str = "businessCategory c carLicense cn createTimestamp departmentNumber description displayName \
                           ds-pwp-account-disabled employeeNumber employeeType entryUUID facsimileTelephoneNumber \
                           givenName homePhone initials isMemberOf jpegPhoto l labeledURI mail manager memberOf \
                           mobile modifyTimestamp nsAccountLock nsUniqueId o objectGUID ou pager \
                           physicalDeliveryOfficeName postalAddress postalCode preferredLanguage \
                           pwdAccountLockedTime roomNumber secretary sn st street telephoneNumber title uid \
                           userAccountControl";

/// Whether every server answers an attribute by this name.
pub(crate) fn is_first_name(name: &str) -> bool {
    let plain = name.split(';').next().unwrap_or_default();
    FIRST_NAMES.split(' ').any(|first| first.eq_ignore_ascii_case(plain))
}

/// Names and demands of a schema. Without a readable one it is empty.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    /// First name of each attribute, by all of its names and its object identifier, in lower case.
    names: HashMap<String, String>,
    /// Attributes that each class demands, in lower case.
    demands: HashMap<String, Vec<String>>,
}

/// A configured attribute that the schema does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAttribute {
    /// Name as configured.
    pub name: String,
    /// The most similar name of the schema.
    pub nearest: Option<String>,
}

impl Schema {
    /// Reads the schema at a DN. A refused or missing one is empty.
    pub(crate) async fn read(connection: &mut LdapConnection, dn: &str) -> Result<Self> {
        let attributes = [ATTRIBUTE_TYPES, OBJECT_CLASSES];
        let query = SearchQuery::entry(dn, &attributes, DirectoryOperation::ReadingSchema);
        match connection.search_one(query).await {
            Ok(entry) => Ok(entry.map(|entry| Self::of(&entry.attributes)).unwrap_or_default()),
            Err(DirectoryError::Refused { .. }) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn of(attributes: &Attributes) -> Self {
        let texts = |name| attributes.all(name).iter().map(|value| String::from_utf8_lossy(value));
        let mut schema = Self::default();
        for text in texts(ATTRIBUTE_TYPES) {
            let names = words_after(&text, "NAME");
            let Some(first) = names.first() else { continue };
            let oid = text.trim_start_matches(['(', ' ']).split(' ').next().unwrap_or_default();
            for name in names.iter().copied().chain([oid]) {
                schema.names.insert(name.to_ascii_lowercase(), (*first).to_owned());
            }
        }
        for text in texts(OBJECT_CLASSES) {
            let demands = words_after(&text, "MUST").into_iter().map(str::to_ascii_lowercase);
            let demands: Vec<String> = demands.collect();
            for name in words_after(&text, "NAME") {
                schema.demands.insert(name.to_ascii_lowercase(), demands.clone());
            }
        }
        schema
    }

    /// Name by which the server answers an attribute, with the options; `None` if it is the same, or not in the schema.
    pub(crate) fn answered_name(&self, name: &str) -> Option<String> {
        let (plain, options) = name.split_at(name.find(';').unwrap_or(name.len()));
        let first = self.names.get(&plain.to_ascii_lowercase())?;
        (!first.eq_ignore_ascii_case(plain)).then(|| format!("{first}{options}"))
    }

    /// Whether a class demands an attribute; `None` if the schema does not have the class.
    pub(crate) fn demands(&self, class: &str, attribute: &str) -> Option<bool> {
        let demands = self.demands.get(&class.to_ascii_lowercase())?;
        Some(demands.iter().any(|one| one.eq_ignore_ascii_case(attribute)))
    }

    /// The attribute, if a schema that has attributes at all does not have it.
    pub(crate) fn unknown(&self, name: &str) -> Option<UnknownAttribute> {
        let plain = name.split(';').next().unwrap_or_default().to_ascii_lowercase();
        if self.names.is_empty() || self.names.contains_key(&plain) {
            return None;
        }
        let nearest = self.names.iter().map(|(known, first)| (levenshtein(&plain, known), first));
        let nearest = nearest.filter(|(edits, _)| *edits <= MOST_EDITS).min();
        Some(UnknownAttribute { name: name.to_owned(), nearest: nearest.map(|(_, first)| first.clone()) })
    }
}

/// Words behind a keyword of a definition: one, or a list in parentheses, with `$` between its words.
fn words_after<'t>(definition: &'t str, keyword: &str) -> Vec<&'t str> {
    let mut words = definition.split([' ', '\t', '\n']).filter(|word| !word.is_empty());
    if !words.by_ref().any(|word| word == keyword) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut is_list = false;
    for word in words {
        match word {
            "(" => is_list = true,
            ")" => break,
            "$" => {}
            word => found.push(word.trim_matches(['\'', '(', ')'])),
        }
        if !is_list {
            break;
        }
    }
    found.retain(|word| !word.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let definitions = [
            (ATTRIBUTE_TYPES, "( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'RFC2256: last NAME' SUP name )"),
            (ATTRIBUTE_TYPES, "( 2.5.4.12 NAME 'title' DESC 'a MUST' SUP name )"),
            (
                OBJECT_CLASSES,
                "( 2.5.6.9 NAME 'groupOfNames' SUP top STRUCTURAL MUST ( member $ cn ) MAY owner )",
            ),
            (
                OBJECT_CLASSES,
                "( 2.5.6.17 NAME 'groupOfUniqueNames' SUP top MUST cn MAY ( uniqueMember $ o ) )",
            ),
        ];
        Schema::of(&definitions.into_iter().collect())
    }

    #[test]
    fn aliases_and_oids_are_answered_by_the_first_name() {
        let answered = |name| schema().answered_name(name);
        assert_eq!(answered("Surname").as_deref(), Some("sn"));
        assert_eq!(answered("2.5.4.4;lang-de").as_deref(), Some("sn;lang-de"));
        assert_eq!((answered("SN"), answered("sn;lang-de"), answered("mail")), (None, None, None));
    }

    #[test]
    fn class_demands_what_the_schema_says() {
        assert_eq!(schema().demands("GroupOfNames", "member"), Some(true));
        assert_eq!(schema().demands("groupOfUniqueNames", "uniqueMember"), Some(false));
        assert_eq!(schema().demands("groupOfURLs", "memberURL"), None);
    }

    #[test]
    fn unknown_attribute_has_a_nearest_name() {
        let unknown = schema().unknown("titel;lang-de").unwrap();
        assert_eq!((unknown.name.as_str(), unknown.nearest.as_deref()), ("titel;lang-de", Some("title")));
        assert_eq!(schema().unknown("employeeBadgeColour").unwrap().nearest, None);
        assert_eq!(schema().unknown("surname"), None);
        assert_eq!(Schema::default().unknown("titel"), None, "without a schema nothing is known");
    }
}
