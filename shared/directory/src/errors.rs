//! What can go wrong with a directory, by meaning.

use std::fmt;
use std::time::Duration;

use crate::filter::FilterError;

/// Why the directory could not be used. Each message says what was tried, on what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The address is not one. It isn't shown, because people put passwords into addresses.
    #[error(
        "the directory's address can't be used: {0}; write ldaps://HOST or ldap://HOST, with :PORT if it is not the \
         usual one"
    )]
    Address(&'static str),
    /// One of the filters is not one.
    #[error("the filter {filter} can't be used: {error}")]
    Filter {
        /// The filter as configured.
        filter: String,
        /// What is wrong with it.
        error: FilterError,
    },
    /// The password, and perhaps everybody's data, would go over the network for all to read.
    #[error(
        "nobody signs in to {url} in the clear: a password could be read, and a certificate can't be shown; use an \
         ldaps:// address or switch on StartTLS"
    )]
    Insecure {
        /// The address.
        url: String,
    },
    /// No connection.
    #[error(
        "can't reach the directory at {url}: {detail}; check the address and the port, and that \
         the network lets this machine through"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// What the operating system says.
        detail: String,
    },
    /// A connection, but not a secure one to the right server.
    #[error("no secure connection to the directory at {url}: {detail}; {advice}")]
    Tls {
        /// The address.
        url: String,
        /// What was wrong.
        detail: String,
        /// What to do.
        advice: &'static str,
    },
    /// The name or the password is missing, which servers take for an anonymous bind that succeeds.
    #[error(
        "no sign-in to {url} without a name and a password: servers accept an empty one as if nobody had signed \
         in; put both into the directory's secret"
    )]
    NoCredentials {
        /// The address.
        url: String,
    },
    /// The server knows the name, the password, or both not; or the account may not sign in.
    #[error(
        "the directory at {url} refused the sign-in: {reason}; check the bind DN and the password in the directory's \
         secret"
    )]
    InvalidCredentials {
        /// The address.
        url: String,
        /// What the server lets on.
        reason: &'static str,
    },
    /// There is no base entry, or the account used can't see it.
    #[error(
        "the base entry {base_dn} is not there, or the account used for reading may not see it; check the base DN \
         and the account's access rights"
    )]
    BaseNotFound {
        /// The base DN.
        base_dn: String,
    },
    /// There is no such group, or the account used can't see it. It is not taken for an empty one.
    #[error(
        "the group {dn} is not there, or the account used for reading may not see it; check the group's DN \
         and the account's access rights"
    )]
    GroupNotFound {
        /// The group's DN.
        dn: String,
    },
    /// More groups are nested in the configured one than a scope can have.
    #[error(
        "more than {most} groups are nested in the group {dn}; is it the right one? If so, split the connection, or \
         use a filter"
    )]
    TooManyGroups {
        /// The configured group's DN.
        dn: String,
        /// How many there may be.
        most: usize,
    },
    /// None of several servers can be used.
    #[error("none of the directory's servers can be used: {}", .reasons.join("; "))]
    NoServer {
        /// Why not, server by server.
        reasons: Vec<String>,
    },
    /// The server says no.
    #[error("{doing} ended with LDAP result {code} ({meaning}){}", Advice(*code))]
    Refused {
        /// What was being done.
        doing: DirectoryOperation,
        /// The LDAP result code.
        code: u32,
        /// What the code means.
        meaning: &'static str,
    },
    /// No answer in time.
    #[error(
        "{doing} took longer than {} s; the directory may be overloaded, or the attributes that the filter uses not \
         indexed; the timeout can be raised", .limit.as_secs_f64()
    )]
    Timeout {
        /// What was being done.
        doing: DirectoryOperation,
        /// The time that was given.
        limit: Duration,
    },
    /// The connection ended by itself.
    #[error("{doing} was cut off: {detail}; try again, and look into the server's log if it happens again")]
    ConnectionLost {
        /// What was being done.
        doing: DirectoryOperation,
        /// Why, as far as it is known.
        detail: String,
    },
    /// The server says something that the protocol doesn't provide for.
    #[error("{doing} brought an answer that can't be used: {detail}")]
    Protocol {
        /// What was being done.
        doing: DirectoryOperation,
        /// What is wrong with it.
        detail: String,
    },
}

/// What was being done when something went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryOperation {
    /// Opening the connection.
    Connecting {
        /// The address.
        url: String,
    },
    /// Saying who reads.
    SigningIn {
        /// The address.
        url: String,
    },
    /// Reading what the server says about itself.
    ReadingRootDse,
    /// Looking whether the base entry is there.
    ReadingBase {
        /// The base DN.
        base_dn: String,
    },
    /// Looking whether the group is there, and who is in it.
    ReadingGroup {
        /// The group's DN.
        dn: String,
    },
    /// Reading the users.
    ReadingUsers {
        /// The base DN.
        base_dn: String,
    },
    /// Asking for what has changed.
    ReadingChanges,
    /// Looking for single users.
    LookingUp {
        /// The attribute by which.
        attribute: String,
    },
}

impl fmt::Display for DirectoryOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { url } => write!(f, "connecting to {url}"),
            Self::SigningIn { url } => write!(f, "signing in to {url}"),
            Self::ReadingRootDse => f.write_str("reading the server's own description (the root DSE)"),
            Self::ReadingBase { base_dn } => write!(f, "reading the base entry {base_dn}"),
            Self::ReadingGroup { dn } => write!(f, "reading the group {dn}"),
            Self::ReadingUsers { base_dn } => write!(f, "reading the users under {base_dn}"),
            Self::ReadingChanges => f.write_str("asking for what has changed"),
            Self::LookingUp { attribute } => write!(f, "looking up users by {attribute}"),
        }
    }
}

impl DirectoryError {
    /// Whether another server of the same directory might do better.
    pub(crate) fn is_about_this_server(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Tls { .. }
                | Self::Timeout { .. }
                | Self::ConnectionLost { .. }
                | Self::Protocol { .. }
                | Self::Refused { code: 51 | 52, .. }
        )
    }

    /// A result code other than success.
    pub(crate) fn refused(doing: DirectoryOperation, code: u32) -> Self {
        Self::Refused { doing, code, meaning: model::result_meaning(code) }
    }
}

/// What to do about a result code, where something can be done.
struct Advice(u32);

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            1 => "; Active Directory says this to those who have not signed in",
            3 | 4 | 11 => "; raise the server's limits for the account used for reading",
            8 | 13 => "; use an ldaps:// address or switch on StartTLS",
            10 => "; another server holds this part of the tree: use that one's address",
            34 => "; check how the DN is written",
            48 => "; the server does not let anybody sign in this way",
            50 => "; give the account used for reading the right to do this",
            51 | 52 => "; try again later",
            53 => "; the account's password may have to be changed first",
            _ => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_was_tried_and_what_to_do() {
        let base_dn = "dc=acme,dc=test".to_owned();
        let refused =
            DirectoryError::refused(DirectoryOperation::ReadingBase { base_dn: base_dn.clone() }, 50);
        insta::assert_snapshot!(refused, @"reading the base entry dc=acme,dc=test ended with LDAP result 50 (insufficient access rights); give the account used for reading the right to do this");
        let timeout = DirectoryError::Timeout {
            doing: DirectoryOperation::ReadingUsers { base_dn },
            limit: Duration::from_millis(1500),
        };
        insta::assert_snapshot!(timeout, @"reading the users under dc=acme,dc=test took longer than 1.5 s; the directory may be overloaded, or the attributes that the filter uses not indexed; the timeout can be raised");
    }
}
