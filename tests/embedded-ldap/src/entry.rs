//! One entry, and what the server knows about attributes without having a schema.

use std::collections::BTreeMap;

use crate::dn::Key;

/// What an entry is known by inside the server. Entries keep theirs when they are renamed, and searches answer in this
/// order: the order of adding.
pub(crate) type EntryId = u64;

/// An entry as added, with its operational attributes among the others; `memberOf` alone is computed and never stored.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The name as its author wrote it.
    pub(crate) dn: String,
    /// The same name as the server compares it.
    pub(crate) key: Key,
    /// By name in lower case, because attribute names have no case.
    pub(crate) attributes: BTreeMap<String, Attribute>,
}

/// An attribute under the spelling it is answered with.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) values: Vec<Vec<u8>>,
}

impl Entry {
    /// The values of an attribute, whose name is given in lower case.
    pub(crate) fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes.get(name).map_or(&[], |attribute| &attribute.values)
    }

    /// Replaces an attribute's values; none removes it.
    pub(crate) fn put(&mut self, name: &str, values: Vec<Vec<u8>>) {
        let lower = name.to_ascii_lowercase();
        if values.is_empty() {
            self.attributes.remove(&lower);
        } else {
            self.attributes.insert(lower, Attribute { name: name.to_owned(), values });
        }
    }
}

pub(crate) const ENTRY_UUID: &str = "entryuuid";
pub(crate) const MEMBER: &str = "member";
pub(crate) const MEMBER_OF: &str = "memberof";
pub(crate) const MODIFY_TIMESTAMP: &str = "modifytimestamp";

/// Attributes by which a client may recognise an entry again, whichever kind of server it believes to talk to.
pub(crate) const ANCHORS: [&str; 3] = [ENTRY_UUID, "objectguid", "nsuniqueid"];

/// Attributes that are answered only when asked for by name or by `+`.
const OPERATIONAL: [&str; 5] = [ENTRY_UUID, MODIFY_TIMESTAMP, "createtimestamp", MEMBER_OF, "nsuniqueid"];

/// Attributes whose values name other entries, and which referential integrity therefore keeps in step.
pub(crate) const REFERENCES: [&str; 5] = [MEMBER, "uniquemember", "owner", "manager", "secretary"];

/// How an attribute's values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Text without case.
    Text,
    /// A distinguished name.
    Name,
    /// Bytes, even where they happen to be valid UTF-8.
    Octets,
}

/// The syntax of an attribute, whose name is given in lower case.
pub(crate) fn syntax(name: &str) -> Syntax {
    match name {
        MEMBER_OF | "distinguishedname" | "seealso" | "roleoccupant" => Syntax::Name,
        "objectguid" | "objectsid" | "jpegphoto" | "userpassword" | "usercertificate" => Syntax::Octets,
        name if REFERENCES.contains(&name) => Syntax::Name,
        _ => Syntax::Text,
    }
}

/// Whether an attribute, given in lower case, is answered only on request.
pub(crate) fn is_operational(name: &str) -> bool {
    OPERATIONAL.contains(&name)
}
