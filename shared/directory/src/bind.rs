//! Signing in, and being sure that it meant something.

use secrecy::{ExposeSecret, SecretString};

use crate::config::Bind;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::wire::{Outcome, Request};

/// Refuses, before anything is sent, a sign-in that would prove nothing.
///
/// A simple bind with an empty password is an "unauthenticated bind" (RFC 4513, section 5.1.2): many servers answer
/// it with success and treat the client as anonymous. To the administrator it would look as if the credentials were
/// right.
pub(crate) fn check(bind: &Bind, url: &str, is_secure: bool) -> Result<(), DirectoryError> {
    match bind {
        Bind::Simple { dn, password } if dn.trim().is_empty() || password.expose_secret().is_empty() => {
            Err(DirectoryError::NoCredentials { url: url.to_owned() })
        }
        // There is no certificate to be shown on a connection that isn't secured.
        Bind::External { .. } if !is_secure => Err(DirectoryError::Insecure { url: url.to_owned() }),
        Bind::Simple { .. } | Bind::Anonymous | Bind::External { .. } => Ok(()),
    }
}

/// What is sent. An anonymous bind is sent as well: a server that takes none then says so here, and not by showing
/// nothing.
pub(crate) fn request(bind: &Bind) -> Request {
    match bind {
        Bind::Simple { dn, password } => Request::simple_bind(dn, password),
        Bind::Anonymous => Request::simple_bind("", &SecretString::default()),
        Bind::External { .. } => Request::external_bind(),
    }
}

/// What the server's answer means.
pub(crate) fn judge(url: &str, answer: &Outcome) -> Result<(), DirectoryError> {
    match answer.code {
        0 => Ok(()),
        // Some servers say "no such object" about a name they don't know. It is the same mistake.
        32 | 49 => {
            Err(DirectoryError::InvalidCredentials { url: url.to_owned(), reason: reason(&answer.text) })
        }
        code => Err(DirectoryError::refused(DirectoryOperation::SigningIn { url: url.to_owned() }, code)),
    }
}

/// Active Directory puts the reason into the diagnostic text, as the number of a Windows error:
/// `80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 52e, v4563`.
/// The text itself isn't passed on, because nobody promises what is in it.
fn reason(text: &str) -> &'static str {
    let number = text.split_once(" data ").map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default());
    match number {
        Some("525") => "there is no such user",
        Some("52e") => "the name or the password is wrong",
        Some("530") => "the account may not sign in at this time",
        Some("531") => "the account may not sign in from this machine",
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
    fn active_directory_says_why() {
        let said = |data| {
            format!(
                "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data {data}, v4563"
            )
        };
        assert_eq!(reason(&said("533")), "the account is disabled");
        assert_eq!(reason(&said("52e")), "the name or the password is wrong");
        assert!(reason("").starts_with("the name or the password is wrong, or"));
    }

    #[test]
    fn an_empty_password_is_no_password() {
        let simple = |dn: &str, password: &str| Bind::Simple { dn: dn.into(), password: password.into() };
        assert!(check(&simple("cn=reader", ""), "ldaps://dc1:636", true).is_err());
        assert!(check(&simple(" ", "secret"), "ldaps://dc1:636", true).is_err());
        assert_eq!(check(&simple("cn=reader", "secret"), "ldaps://dc1:636", true), Ok(()));
        assert_eq!(check(&Bind::Anonymous, "ldaps://dc1:636", true), Ok(()));
    }
}
