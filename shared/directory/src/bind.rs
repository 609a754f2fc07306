//! Bind: refused beforehand where it would prove nothing, and the meaning of its result.

use secrecy::{ExposeSecret, SecretString};

use crate::config::Bind;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::wire::{LdapRequest, LdapResult};

/// Refuses a bind that would prove nothing, before anything is sent.
///
/// A simple bind with an empty password is an "unauthenticated bind" (RFC 4513, section 5.1.2): many servers answer
/// it with success and treat the client as anonymous, so wrong credentials would seem to be right.
pub(crate) fn check(bind: &Bind, url: &str, is_secure: bool) -> Result<()> {
    match bind {
        Bind::Simple { dn, password } if dn.trim().is_empty() || password.expose_secret().is_empty() => {
            Err(DirectoryError::NoCredentials(url.to_owned()))
        }
        // Without TLS no certificate can be presented.
        Bind::External { .. } if !is_secure => Err(DirectoryError::Insecure(url.to_owned())),
        Bind::Simple { .. } | Bind::Anonymous | Bind::External { .. } => Ok(()),
    }
}

/// Bind request. An anonymous bind is sent too, so that a server that refuses it says so here.
pub(crate) fn request(bind: &Bind) -> LdapRequest {
    match bind {
        Bind::Simple { dn, password } => LdapRequest::simple_bind(dn, password),
        Bind::Anonymous => LdapRequest::simple_bind("", &SecretString::default()),
        Bind::External { .. } => LdapRequest::external_bind(),
    }
}

pub(crate) fn judge(url: &str, bind: &Bind, answer: &LdapResult) -> Result<()> {
    match answer.code {
        0 => Ok(()),
        code if matches!(bind, Bind::Anonymous) && !matches!(code, 51 | 52) => {
            Err(DirectoryError::AnonymousRefused {
                url: url.to_owned(),
                meaning: model::result_meaning(code),
            })
        }
        // Some servers answer "no such object" for an unknown bind DN.
        32 | 49 => {
            Err(DirectoryError::InvalidCredentials { url: url.to_owned(), reason: reason(&answer.text) })
        }
        code => Err(DirectoryError::refused(DirectoryOperation::Binding(url.to_owned()), code)),
    }
}

/// Reason for a refused bind. Active Directory puts the number of a Windows error into the diagnostic text:
/// `80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 52e, v4563`.
/// The text itself is not passed on, because its content is not specified.
fn reason(text: &str) -> &'static str {
    let number = text.split_once(" data ").map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default());
    match number {
        Some("525") => "the user does not exist",
        Some("52e") => "the name or the password is wrong",
        Some("530") => "the account may not log on at this time",
        Some("531") => "the account may not log on from this machine",
        Some("532") => "the password has expired",
        Some("533") => "the account is disabled",
        Some("701") => "the account has expired",
        Some("773") => "the password must be changed first",
        Some("775") => "the account is locked",
        _ => "the name or the password is wrong, or the account is locked or its password expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_error_gives_the_reason() {
        let said = |data| {
            format!(
                "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data {data}, v4563"
            )
        };
        assert_eq!(reason(&said("533")), "the account is disabled");
        assert_eq!(reason(&said("52e")), "the name or the password is wrong");
        assert!(reason("").starts_with("the name or the password is wrong, or"));
    }
}
