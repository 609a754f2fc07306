//! What a directory is read with.

use std::time::Duration;

use model::{Fingerprint, Fingerprinter};
use secrecy::SecretString;

/// Where the directory is, who reads it, and whom it is about.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// `ldaps://host`, or `ldap://host`; a port if it is not the usual one. The servers of one directory, in the order in
    /// which they are tried; what was begun with one is never ended with another.
    pub urls: Vec<String>,
    /// Whether a connection to an `ldap://` address is made secure before anything else is said.
    pub start_tls: bool,
    /// The certificates, in PEM, of the authorities that may vouch for the server, and no others.
    /// Without any, those of the operating system.
    pub ca_pem: Option<Vec<u8>>,
    /// Who reads.
    pub bind: Bind,
    /// The entry under which the users are.
    pub base_dn: String,
    /// What makes an entry a user, as [`ServerPreset::user_filter`](crate::ServerPreset) has it for each kind of server.
    pub user_filter: String,
    /// The attribute that holds the immutable id.
    pub anchor: AnchorAttribute,
    /// Which users are meant.
    pub scope: Scope,
    /// The attributes that mapping and account status need. What scope and anchor need is added.
    pub attributes: Vec<String>,
    /// Those of them that hold the DN of another user.
    pub references: Vec<String>,
    /// The attribute with the moment at which an account expires, in Active Directory's form; `None` where that makes
    /// no difference.
    pub expires: Option<String>,
    /// How to ask for what has changed.
    pub changes: ChangeDetection,
    /// How many entries are asked for at a time.
    pub page_size: i32,
    /// How long each answer may take. In a search every entry is an answer.
    pub timeout: Duration,
}

/// Who reads the directory.
#[derive(Clone, Debug)]
pub enum Bind {
    /// A name and a password.
    Simple {
        /// A DN; Active Directory takes `user@domain` as well.
        dn: String,
        /// The password. An empty one is refused here, because servers accept it as if nobody had signed in.
        password: SecretString,
    },
    /// Nobody in particular.
    Anonymous,
    /// Whoever the certificate says that is shown when the connection is secured (SASL EXTERNAL).
    External {
        /// The client's certificate, and those between it and the authority, in PEM.
        certificate: String,
        /// Its private key, in PEM.
        private_key: SecretString,
    },
}

/// How to ask for what has changed since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangeDetection {
    /// In the best of the ways that the server offers.
    #[default]
    Auto,
    /// By Active Directory's DirSync control.
    DirSync,
    /// By Active Directory's update sequence numbers.
    Usn,
    /// By content synchronisation (RFC 4533).
    Sync,
    /// By the time of the last modification, and by comparing who is in scope.
    Timestamp,
    /// Not at all: everybody is read each time.
    None,
}

/// Which attribute holds the immutable id, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorAttribute {
    /// The attribute.
    pub attribute: String,
    /// What its value looks like.
    pub form: AnchorForm,
}

/// What an anchor's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorForm {
    /// A UUID as text: `entryUUID`.
    Uuid,
    /// A Microsoft GUID of sixteen bytes: `objectGUID`.
    Guid,
    /// Any other text: `nsUniqueId`, an employee number. It is remembered in lower case, so an attribute that the
    /// server compares with case makes a poor anchor.
    Text,
    /// Any other bytes.
    Binary,
}

/// Which of the users under the base DN are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The members of a group.
    Group {
        /// The group.
        dn: String,
        /// Where its membership is written.
        membership: Membership,
        /// Whether the members of its member groups count too.
        nested: bool,
    },
    /// Those that match a filter.
    Filter(String),
}

/// Where it is written who is in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Each user names the groups, by DN. The quickest, because the server does the choosing.
    MemberOf {
        /// `memberOf`, `isMemberOf`.
        attribute: String,
    },
    /// The group names the users, by DN.
    Member {
        /// `member`, `uniqueMember`.
        attribute: String,
    },
    /// The group names the users, by an id of theirs.
    MemberUid {
        /// The group's attribute: `memberUid`.
        attribute: String,
        /// The user's attribute: `uid`.
        user_attribute: String,
    },
}

impl Membership {
    /// Whether the group lists its members, rather than each user the groups.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::Member { .. } | Self::MemberUid { .. })
    }
}

impl DirectoryConfig {
    /// What tells who an entry is: the anchor, and what the scope goes by.
    pub(crate) fn identifying(&self) -> Vec<String> {
        let id = match &self.scope {
            Scope::Group { membership: Membership::MemberUid { user_attribute, .. }, .. } => {
                Some(user_attribute)
            }
            _ => None,
        };
        each_once(std::iter::once(&self.anchor.attribute).chain(id))
    }

    /// Everything to be asked for about a user.
    pub(crate) fn requested(&self) -> Vec<String> {
        each_once(self.identifying().iter().chain(&self.attributes).chain(&self.expires))
    }

    /// What makes a cursor useless when it changes: who is in scope, and what is read about them.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let Self { base_dn, user_filter, anchor, scope, attributes, references, expires, changes, .. } = self;
        let mut hash = Fingerprinter::new("provisioner 2026 directory scope");
        hash.text(&format!("{base_dn:?} {user_filter:?} {anchor:?} {scope:?}"));
        hash.text(&format!("{attributes:?} {references:?} {expires:?} {changes:?}"));
        hash.finish()
    }
}

fn each_once<'a>(attributes: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for attribute in attributes {
        if !once.iter().any(|known| known.eq_ignore_ascii_case(attribute)) {
            once.push(attribute.clone());
        }
    }
    once
}
