//! What a directory is read with.

use std::time::Duration;

use secrecy::SecretString;

/// Where the directory is, who reads it, and whom it is about.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// `ldaps://host`, or `ldap://host`; a port if it is not the usual one.
    pub url: String,
    /// Whether a connection to an `ldap://` address is made secure before anything else is said.
    pub start_tls: bool,
    /// The certificates, in PEM, of the authorities that may vouch for the server, and no others.
    /// Without any, those of the operating system.
    pub ca_pem: Option<Vec<u8>>,
    /// Who reads.
    pub bind: Bind,
    /// The entry under which the users are.
    pub base_dn: String,
    /// What makes an entry a user, as [`Preset::user_filter`](crate::Preset) has it for each kind of server.
    pub user_filter: String,
    /// The attribute that holds the immutable id.
    pub anchor: AnchorAttribute,
    /// Which users are meant.
    pub scope: Scope,
    /// The attributes that mapping and account status need. What scope and anchor need is added.
    pub attributes: Vec<String>,
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
        each_once(self.identifying().iter().chain(&self.attributes))
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
