//! Errors of a directory, by meaning.

use std::fmt;
use std::time::Duration;

use crate::filter::FilterError;

/// Result of an operation in the directory.
pub(crate) type Result<T, E = DirectoryError> = std::result::Result<T, E>;

/// Reason for which the directory can't be used. Each message names the operation, its subject and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The address is invalid. It is not shown, because it may hold a password.
    #[error(
        "the directory's address can't be used: {0}; write ldaps://HOST or ldap://HOST, with :PORT if it is not the \
         default"
    )]
    Address(&'static str),
    /// A filter is invalid.
    #[error("the filter {filter} can't be used: {error}")]
    Filter {
        /// Filter as configured.
        filter: String,
        /// Position and problem.
        error: FilterError,
    },
    /// Credentials and entries would cross the network to this address unencrypted.
    #[error(
        "the connection to {0} is not encrypted, so a password could be read, the entries could be changed on the way, and \
         a certificate can't be presented; use an ldaps:// address or set start_tls"
    )]
    Insecure(String),
    /// No connection.
    #[error(
        "can't reach the directory at {url}: {detail}; check the address and the port, and that \
         the network lets this machine through"
    )]
    Unreachable {
        /// Address of the server.
        url: String,
        /// Text of the operating system.
        detail: String,
    },
    /// No TLS connection to the right server.
    #[error("no secure connection to the directory at {url}: {detail}; {advice}")]
    Tls {
        /// Address of the server.
        url: String,
        /// Problem.
        detail: String,
        /// Remedy.
        advice: &'static str,
    },
    /// The name or the password for this address is empty, which servers accept as an anonymous bind.
    #[error(
        "can't sign in to {0}: the name or the password is empty, which servers accept as an anonymous bind; put \
         both into the directory's secret"
    )]
    NoCredentials(String),
    /// The server refused the credentials.
    #[error(
        "the directory at {url} refused the sign-in: {reason}; check the bind DN and the password in the directory's \
         secret"
    )]
    InvalidCredentials {
        /// Address of the server.
        url: String,
        /// Reason, as far as the server gives one.
        reason: &'static str,
    },
    /// The server refused an anonymous bind.
    #[error(
        "the directory at {url} refused the sign-in without a name ({meaning}): no secret is configured; set \
         directory.secret"
    )]
    AnonymousRefused {
        /// Address of the server.
        url: String,
        /// Meaning of the result code.
        meaning: &'static str,
    },
    /// The entry of this base DN does not exist or is not readable.
    #[error(
        "the base entry {0} does not exist, or the bind account may not read it; check the base DN and the \
         account's access rights"
    )]
    BaseNotFound(String),
    /// The group with this DN does not exist or is not readable. It must not count as an empty group.
    #[error(
        "the group {0} does not exist, or the bind account may not read it; check the group's DN and the account's \
         access rights"
    )]
    GroupNotFound(String),
    /// The group has more nested groups than a scope allows.
    #[error(
        "the group {dn} has more than {most} nested groups; check that it is the right group, or split the connection \
         or use a filter"
    )]
    TooManyGroups {
        /// DN of the configured group.
        dn: String,
        /// Limit.
        most: usize,
    },
    /// None of several servers is usable.
    #[error("none of the directory's servers can be used: {}", .reasons.join("; "))]
    NoServer {
        /// Reason of each server.
        reasons: Vec<String>,
    },
    /// The server refused the operation.
    #[error("{operation} ended with LDAP result {code} ({meaning}){}", ResultAdvice(*code))]
    Refused {
        /// Operation.
        operation: DirectoryOperation,
        /// LDAP result code.
        code: u32,
        /// Meaning of the code.
        meaning: &'static str,
    },
    /// No answer in time.
    #[error(
        "{operation} took longer than {} s; the directory may be overloaded, or the attributes of the filter not \
         indexed; raise the timeout if the directory needs it", .limit.as_secs_f64()
    )]
    Timeout {
        /// Operation.
        operation: DirectoryOperation,
        /// Configured timeout.
        limit: Duration,
    },
    /// The connection ended.
    #[error(
        "{operation} was cut off: {detail}; try again, and look into the server's log if it happens again"
    )]
    ConnectionLost {
        /// Operation.
        operation: DirectoryOperation,
        /// Reason, as far as it is known.
        detail: String,
    },
    /// The answer does not follow the protocol.
    #[error("{operation} brought an answer that can't be used: {detail}")]
    Protocol {
        /// Operation.
        operation: DirectoryOperation,
        /// Problem.
        detail: String,
    },
}

/// Operation during which an error occurred, with its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryOperation {
    /// Opening the connection to an address.
    Connecting(String),
    /// Bind at an address.
    Binding(String),
    /// Reading the root DSE.
    ReadingRootDse,
    /// Reading the schema.
    ReadingSchema,
    /// Asking for the rights of the reading account.
    ReadingRights,
    /// Reading the base entry.
    ReadingBase(String),
    /// Reading a group and its members.
    ReadingGroup(String),
    /// Reading the users under a base.
    ReadingUsers(String),
    /// Change detection.
    ReadingChanges,
    /// Searching for single users by an attribute.
    LookingUp(String),
}

impl fmt::Display for DirectoryOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting(url) => write!(f, "connecting to {url}"),
            Self::Binding(url) => write!(f, "signing in to {url}"),
            Self::ReadingRootDse => f.write_str("reading the server's own description (the root DSE)"),
            Self::ReadingSchema => f.write_str("reading the server's schema"),
            Self::ReadingRights => f.write_str("asking for the rights of the reading account"),
            Self::ReadingBase(base_dn) => write!(f, "reading the base entry {base_dn}"),
            Self::ReadingGroup(dn) => write!(f, "reading the group {dn}"),
            Self::ReadingUsers(base_dn) => write!(f, "reading the users under {base_dn}"),
            Self::ReadingChanges => f.write_str("reading the changed entries"),
            Self::LookingUp(attribute) => write!(f, "looking up users by {attribute}"),
        }
    }
}

impl DirectoryError {
    /// Whether another server of the same directory might answer.
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

    /// Error for a result code other than success.
    pub(crate) fn refused(operation: DirectoryOperation, code: u32) -> Self {
        Self::Refused { operation, code, meaning: model::result_meaning(code) }
    }

    /// Error for an answer that does not follow the protocol.
    pub(crate) fn protocol(operation: &DirectoryOperation, detail: impl Into<String>) -> Self {
        Self::Protocol { operation: operation.clone(), detail: detail.into() }
    }
}

/// Remedy for a result code, if one is known.
struct ResultAdvice(u32);

impl fmt::Display for ResultAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            1 => "; Active Directory answers so to clients that are not signed in",
            3 => "; raise the server's limits for the bind account",
            4 | 11 => "; raise the server's limits for the bind account, or lower directory.page_size",
            8 | 13 => "; use an ldaps:// address or set start_tls",
            10 => "; another server holds this part of the tree: use its address",
            34 => "; check the spelling of the DN",
            48 => "; the server does not allow this kind of sign-in",
            50 => "; give the bind account the right to do this, and change its password if it has to be changed",
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
    fn messages_name_operation_and_remedy() {
        let base_dn = "dc=acme,dc=test".to_owned();
        let operation = DirectoryOperation::ReadingBase(base_dn.clone());
        insta::assert_snapshot!(DirectoryError::refused(operation, 50), @"reading the base entry dc=acme,dc=test ended with LDAP result 50 (insufficient access rights); give the bind account the right to do this, and change its password if it has to be changed");
        let timeout = DirectoryError::Timeout {
            operation: DirectoryOperation::ReadingUsers(base_dn),
            limit: Duration::from_millis(1500),
        };
        insta::assert_snapshot!(timeout, @"reading the users under dc=acme,dc=test took longer than 1.5 s; the directory may be overloaded, or the attributes of the filter not indexed; raise the timeout if the directory needs it");
    }
}
