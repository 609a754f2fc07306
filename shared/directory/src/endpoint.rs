//! Address of a server: a scheme, a host and a port.
//!
//! An address such as `ldap://cn=admin:secret@host` would carry a password into messages and logs, so it is refused.

use std::net::IpAddr;

use url::{ParseError, Url};

use crate::errors::{DirectoryError, Result};

/// Address of a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LdapEndpoint {
    /// Whether TLS starts with the first byte.
    pub(crate) is_ldaps: bool,
    host: String,
    pub(crate) port: u16,
}

impl LdapEndpoint {
    /// Reads `ldaps://host:port` or `ldap://host:port`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        const HOST: &str = "it must be a scheme, a host name and a port, without a path; the base DN belongs to directory.base_dn";
        let url = Url::parse(text.trim()).map_err(|error| {
            DirectoryError::Address(match error {
                ParseError::RelativeUrlWithoutBase => "it does not begin with ldap:// or ldaps://",
                ParseError::InvalidPort => "the port is not a number from 1 to 65535",
                _ => HOST,
            })
        })?;
        let is_ldaps = match url.scheme() {
            "ldaps" => true,
            "ldap" => false,
            _ => return Err(DirectoryError::Address("it does not begin with ldap:// or ldaps://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DirectoryError::Address(
                "it holds a name or a password; put both into the directory's secret",
            ));
        }
        let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
        let host = url.host_str().unwrap_or_default();
        // The library percent-encodes the host of this scheme instead of checking it.
        let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if has_more || host.is_empty() || !(is_name || host.starts_with('[')) {
            return Err(DirectoryError::Address(HOST));
        }
        match url.port().unwrap_or(if is_ldaps { 636 } else { 389 }) {
            0 => Err(DirectoryError::Address("the port is not a number from 1 to 65535")),
            port => Ok(Self { is_ldaps, host: host.to_owned(), port }),
        }
    }

    /// Host name or IP address, without brackets.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Address for messages.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_ldaps { "ldaps" } else { "ldap" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// Whether this is a port of Active Directory's global catalog, which holds a part of the attributes.
    pub(crate) fn is_global_catalog(&self) -> bool {
        matches!(self.port, 3268 | 3269)
    }

    /// Refuses a connection without TLS, unless the server runs on this machine.
    pub(crate) fn check_encryption(&self, start_tls: bool) -> Result<()> {
        if self.is_ldaps || start_tls || self.is_loopback() {
            return Ok(());
        }
        Err(DirectoryError::Insecure(self.url()))
    }

    /// Whether the server runs on this machine, so that no byte crosses a network.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host().parse::<IpAddr>();
        self.host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

/// Refuses an address that can't be used: one of another form, and one to which entries would cross a network unencrypted.
pub fn check_address(url: &str, start_tls: bool) -> Result<()> {
    LdapEndpoint::parse(url)?.check_encryption(start_tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        for (url, shown, is_loopback) in [
            ("ldaps://dc1.corp.example", "ldaps://dc1.corp.example:636", false),
            ("LDAP://dc1.corp.example/", "ldap://dc1.corp.example:389", false),
            ("ldap://127.0.0.5:3890", "ldap://127.0.0.5:3890", true),
            ("ldap://localhost", "ldap://localhost:389", true),
            ("ldap://[::1]:3890", "ldap://[::1]:3890", true),
            ("ldaps://[2001:db8::1]", "ldaps://[2001:db8::1]:636", false),
            ("ldap://localhost.evil.example", "ldap://localhost.evil.example:389", false),
        ] {
            let endpoint = LdapEndpoint::parse(url).unwrap();
            assert_eq!((endpoint.url().as_str(), endpoint.is_loopback()), (shown, is_loopback), "{url}");
        }
    }

    #[test]
    fn ports_of_the_global_catalog_are_known() {
        for (url, expected) in [("ldaps://dc1:3269", true), ("ldap://dc1:3268", true), ("ldaps://dc1", false)]
        {
            assert_eq!(LdapEndpoint::parse(url).unwrap().is_global_catalog(), expected, "{url}");
        }
    }

    #[test]
    fn invalid_address_is_refused_and_not_shown() {
        for url in [
            "",
            "dc1.corp.example",
            "ldap:dc1",
            "https://dc1",
            "ldapi:///run/slapd",
            "ldap://",
            "ldap://:389",
            "ldap://dc1:0",
            "ldap://dc1:99999",
            "ldap://dc1:port",
            "ldap://dc1/dc=corp",
            "ldap://dc1?x",
            "ldap://dc1#x",
            "ldap://dc%31",
            "ldap://dc 1",
            "ldap://[::1",
            "ldap://::1",
            "ldap://admin:hunter2@dc1",
            "ldap://:hunter2@dc1",
        ] {
            let error = LdapEndpoint::parse(url).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
