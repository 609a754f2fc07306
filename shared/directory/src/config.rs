//! Settings of a directory.

use std::time::Duration;

use model::{Fingerprint, Fingerprinter};
use secrecy::SecretString;

use crate::errors::{DirectoryError, Result};
use crate::filter::check_filter;

/// Servers, credentials, scope and attributes of a directory.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// `ldaps://host` or `ldap://host`, with a port if it is not the default. The servers of one directory, in the order in
    /// which they are tried; a read never changes the server.
    pub urls: Vec<String>,
    /// Whether an `ldap://` connection is encrypted by StartTLS before the bind.
    pub start_tls: bool,
    /// PEM certificates of the only trusted authorities. `None` trusts those of the operating system.
    pub ca_pem: Option<Vec<u8>>,
    /// Credentials of the bind account.
    pub bind: Bind,
    /// Entry under which the users are.
    pub base_dn: String,
    /// Filter that every user matches, see [`ServerPreset::user_filter`](crate::ServerPreset).
    pub user_filter: String,
    /// Attribute that holds the anchor.
    pub anchor: AnchorAttribute,
    /// Users that are targeted.
    pub scope: Scope,
    /// Attributes for mapping and account status. Those of scope and anchor are added.
    pub attributes: Vec<String>,
    /// Those of the attributes that hold the DN of another user.
    pub references: Vec<String>,
    /// Attribute with the time at which an account expires, in Active Directory's format; `None` where expiry is ignored.
    pub expires: Option<String>,
    /// Method of change detection.
    pub changes: ChangeDetection,
    /// Entries per page.
    pub page_size: i32,
    /// Longest wait for one answer. In a search every entry is an answer.
    pub timeout: Duration,
}

/// Credentials of the bind account.
#[derive(Clone, Debug)]
pub enum Bind {
    /// Simple bind.
    Simple {
        /// DN; Active Directory accepts `user@domain` too.
        dn: String,
        /// Password. An empty one is refused, because servers treat it as an anonymous bind.
        password: SecretString,
    },
    /// Anonymous bind.
    Anonymous,
    /// SASL EXTERNAL with a client certificate.
    External {
        /// Client certificate and its chain, in PEM.
        certificate: String,
        /// Private key, in PEM.
        private_key: SecretString,
    },
}

/// Method of change detection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangeDetection {
    /// Best method that the server offers.
    #[default]
    Auto,
    /// Active Directory's DirSync control.
    DirSync,
    /// Content synchronisation (RFC 4533).
    Sync,
    /// Time of the last modification, with a comparison of the scope by anchor.
    Timestamp,
    /// None: every scan is full.
    None,
}

/// Attribute that holds the anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorAttribute {
    /// Name of the attribute.
    pub attribute: String,
    /// Form of its value.
    pub form: AnchorForm,
}

/// Form of an anchor's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorForm {
    /// UUID as text: `entryUUID`.
    Uuid,
    /// Microsoft GUID of sixteen bytes: `objectGUID`.
    Guid,
    /// Other text: `nsUniqueId`, an employee number. It is stored in lower case, so an attribute that the server
    /// compares with case is a poor anchor.
    Text,
    /// Other bytes.
    Binary,
}

/// Users under the base DN that are targeted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Members of a group.
    Group {
        /// DN of the group.
        dn: String,
        /// Attribute that holds the membership.
        membership: Membership,
        /// Whether members of nested groups are in scope.
        nested: bool,
    },
    /// Users that match a filter.
    Filter(String),
}

/// Attribute that holds the membership of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Attribute of the user with the DNs of the groups. The fastest, because the server filters.
    MemberOf {
        /// `memberOf`, `isMemberOf`.
        attribute: String,
    },
    /// Attribute of the group with the DNs of the members.
    Member {
        /// `member`, `uniqueMember`.
        attribute: String,
    },
    /// Attribute of the group with an id of each member.
    MemberUid {
        /// Attribute of the group: `memberUid`.
        attribute: String,
        /// Attribute of the user: `uid`.
        user_attribute: String,
    },
}

impl Membership {
    /// Whether the group lists its members.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::Member { .. } | Self::MemberUid { .. })
    }
}

impl DirectoryConfig {
    /// Attributes that identify a user: the anchor, and the id of a membership list.
    pub(crate) fn identifying(&self) -> Vec<String> {
        let id = match &self.scope {
            Scope::Group { membership: Membership::MemberUid { user_attribute, .. }, .. } => {
                Some(user_attribute)
            }
            _ => None,
        };
        unique(std::iter::once(&self.anchor.attribute).chain(id))
    }

    /// All attributes that are read of a user.
    pub(crate) fn requested(&self) -> Vec<String> {
        unique(self.identifying().iter().chain(&self.attributes).chain(&self.expires))
    }

    /// Checks every setting that becomes part of a filter.
    pub(crate) fn check_filters(&self) -> Result<()> {
        let check = |filter: &String| {
            check_filter(filter).map_err(|error| DirectoryError::Filter { filter: filter.clone(), error })
        };
        check(&self.user_filter)?;
        check_attribute(&self.anchor.attribute)?;
        match &self.scope {
            Scope::Filter(filter) => check(filter),
            Scope::Group { membership: Membership::MemberOf { attribute }, .. } => check_attribute(attribute),
            Scope::Group { .. } => Ok(()),
        }
    }

    /// Fingerprint of the query behind a cursor: scope, attributes and method. A cursor of another query is useless.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hash = Fingerprinter::new("provisioner 2026 directory query");
        self.describe_selection(&mut hash);
        let expires: Vec<String> = self.expires.iter().cloned().collect();
        for list in [&self.attributes, &self.references, &expires] {
            hash.bytes(&(list.len() as u64).to_le_bytes());
            list.iter().for_each(|name| hash.text(name));
        }
        hash.text(self.changes.word());
        hash.finish()
    }

    /// Adds the canonical serialisation of the settings that select and identify the users to a fingerprint.
    pub fn describe_selection(&self, hash: &mut Fingerprinter) {
        let Self {
            base_dn,
            user_filter,
            anchor: AnchorAttribute { attribute, form },
            scope,
            // They decide what is read of a user.
            attributes: _,
            references: _,
            expires: _,
            // They decide how the directory is read.
            changes: _,
            urls: _,
            start_tls: _,
            ca_pem: _,
            bind: _,
            page_size: _,
            timeout: _,
        } = self;
        for text in [base_dn, user_filter, attribute] {
            hash.text(text);
        }
        hash.text(form.word());
        scope.add_to(hash);
    }
}

// The words below are part of stored fingerprints: renaming a variant must not change them.

impl AnchorForm {
    fn word(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Guid => "guid",
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }
}

impl ChangeDetection {
    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::DirSync => "dirsync",
            Self::Sync => "sync",
            Self::Timestamp => "timestamp",
            Self::None => "none",
        }
    }
}

impl Scope {
    fn add_to(&self, hash: &mut Fingerprinter) {
        match self {
            Self::Filter(filter) => ["filter", filter].into_iter().for_each(|text| hash.text(text)),
            Self::Group { dn, membership, nested } => {
                let (kind, attribute, user_attribute) = match membership {
                    Membership::MemberOf { attribute } => ("member-of", attribute, ""),
                    Membership::Member { attribute } => ("member", attribute, ""),
                    Membership::MemberUid { attribute, user_attribute } => {
                        ("member-uid", attribute, user_attribute.as_str())
                    }
                };
                ["group", dn, kind, attribute, user_attribute].into_iter().for_each(|text| hash.text(text));
                hash.flag(*nested);
            }
        }
    }
}

/// Checks that an attribute name is only a name before it becomes part of a filter.
pub(crate) fn check_attribute(attribute: &str) -> Result<()> {
    let filter = format!("({attribute}=*)");
    check_filter(&filter).map_err(|error| DirectoryError::Filter { filter, error })
}

fn unique<'a>(attributes: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for attribute in attributes {
        if !unique.iter().any(|known| known.eq_ignore_ascii_case(attribute)) {
            unique.push(attribute.clone());
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(scope: Scope) -> DirectoryConfig {
        DirectoryConfig {
            urls: vec!["ldaps://dc1.corp.example".to_owned()],
            start_tls: false,
            ca_pem: None,
            bind: Bind::Anonymous,
            base_dn: "DC=corp,DC=example".to_owned(),
            user_filter: "(objectClass=user)".to_owned(),
            anchor: AnchorAttribute { attribute: "objectGUID".to_owned(), form: AnchorForm::Guid },
            scope,
            attributes: vec!["mail".to_owned(), "manager".to_owned()],
            references: vec!["manager".to_owned()],
            expires: Some("accountExpires".to_owned()),
            changes: ChangeDetection::Auto,
            page_size: 1000,
            timeout: Duration::from_secs(60),
        }
    }

    /// Stored cursors hold these bytes: other bytes make every connection's next scan a full one.
    #[test]
    fn query_fingerprint_is_pinned() {
        let group = |membership, nested| Scope::Group { dn: "CN=g".to_owned(), membership, nested };
        let member_uid =
            Membership::MemberUid { attribute: "memberUid".to_owned(), user_attribute: "uid".to_owned() };
        let prints = [
            Scope::Filter("(mail=*)".to_owned()),
            group(Membership::MemberOf { attribute: "memberOf".to_owned() }, true),
            group(Membership::Member { attribute: "member".to_owned() }, false),
            group(member_uid, false),
        ]
        .map(|scope| config(scope).fingerprint().to_string());
        let pinned = [
            "66c6f3749f2f57ca632b25e2d065103a",
            "350b322e2060e3500b6151f5db5a7a8c",
            "6d4a35b3b7221669a6aa3a20d66ea408",
            "0e0a16ba49b34a7d99d1033bef1cd6b8",
        ];
        assert_eq!(prints, pinned);
    }

    #[test]
    fn query_fingerprint_ignores_server_and_credentials() {
        let one = config(Scope::Filter("(mail=*)".to_owned()));
        let other = DirectoryConfig {
            urls: vec!["ldaps://dc2.corp.example".to_owned()],
            page_size: 5,
            timeout: Duration::from_secs(1),
            ..one.clone()
        };
        assert_eq!(one.fingerprint(), other.fingerprint());
        // A name that moves from one list to the next is another query.
        let moved = DirectoryConfig {
            attributes: vec!["mail".to_owned()],
            references: vec!["manager".to_owned(), "manager".to_owned()],
            ..one.clone()
        };
        assert_ne!(one.fingerprint(), moved.fingerprint());
    }
}
