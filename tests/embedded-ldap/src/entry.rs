//! Stored entries, and the syntax of attributes without a schema.

use std::collections::BTreeMap;

use crate::dn::DnPath;

/// Internal id of an entry. It survives renames, and searches answer in its order.
pub(crate) type EntryId = u64;

/// Entry with its operational attributes; only `memberOf` is computed instead of stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredEntry {
    /// DN as it was written.
    pub(crate) dn: String,
    pub(crate) path: DnPath,
    /// Attributes by name in lower case.
    pub(crate) attributes: BTreeMap<String, StoredAttribute>,
}

/// Attribute with the spelling of its name in answers.
#[derive(Debug, Clone)]
pub(crate) struct StoredAttribute {
    pub(crate) name: String,
    pub(crate) values: Vec<Vec<u8>>,
}

impl StoredEntry {
    /// Values of an attribute, by its name in lower case.
    pub(crate) fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes.get(name).map_or(&[], |attribute| &attribute.values)
    }

    /// Replaces an attribute's values; no values remove it.
    pub(crate) fn put(&mut self, name: &str, values: Vec<Vec<u8>>) {
        let lower = name.to_ascii_lowercase();
        if values.is_empty() {
            self.attributes.remove(&lower);
        } else {
            self.attributes.insert(lower, StoredAttribute { name: name.to_owned(), values });
        }
    }
}

pub(crate) const ENTRY_UUID: &str = "entryuuid";
pub(crate) const MEMBER: &str = "member";
pub(crate) const MEMBER_OF: &str = "memberof";

/// Anchor attributes of all kinds of servers.
pub(crate) const ANCHORS: [&str; 3] = [ENTRY_UUID, "objectguid", "nsuniqueid"];

/// Attributes that are answered only when requested by name or by `+`.
const OPERATIONAL: [&str; 5] = [ENTRY_UUID, "modifytimestamp", "createtimestamp", MEMBER_OF, "nsuniqueid"];

/// Attributes that hold DNs of other entries and that referential integrity updates.
pub(crate) const REFERENCES: [&str; 5] = [MEMBER, "uniquemember", "owner", "manager", "secretary"];

/// Comparison rule of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttributeSyntax {
    /// Text without case.
    Text,
    /// Distinguished name.
    Dn,
    /// Bytes, even if they are valid UTF-8.
    Octets,
}

/// Syntax of an attribute, by its name in lower case.
pub(crate) fn syntax(name: &str) -> AttributeSyntax {
    match name {
        MEMBER_OF | "distinguishedname" | "seealso" | "roleoccupant" => AttributeSyntax::Dn,
        "objectguid" | "objectsid" | "jpegphoto" | "userpassword" | "usercertificate" => {
            AttributeSyntax::Octets
        }
        name if REFERENCES.contains(&name) => AttributeSyntax::Dn,
        _ => AttributeSyntax::Text,
    }
}

/// Whether an attribute, by its name in lower case, is answered only on request.
pub(crate) fn is_operational(name: &str) -> bool {
    OPERATIONAL.contains(&name)
}
