//! Where a server is.
//!
//! An address like `ldap://cn=admin:secret@host` would carry a password into messages and logs, so there is nothing in one
//! but a host and a port.

use std::net::IpAddr;

use crate::errors::DirectoryError;

/// A server's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Whether the connection is secure from its first byte.
    pub(crate) is_ldaps: bool,
    host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Reads `ldaps://host:port` or `ldap://host:port`.
    pub(crate) fn parse(url: &str) -> Result<Self, DirectoryError> {
        let problem = |problem| Err(DirectoryError::Address(problem));
        let Some((scheme, rest)) = url.trim().split_once("://") else {
            return problem("it has no ldap:// or ldaps:// in front");
        };
        let is_ldaps = match scheme.to_ascii_lowercase().as_str() {
            "ldaps" => true,
            "ldap" => false,
            _ => return problem("only ldap:// and ldaps:// are known"),
        };
        if rest.contains('@') {
            return problem("names and passwords don't belong into it but into the directory's secret");
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.rsplit_once(':') {
            // An address of IP version 6 has colons of its own, within brackets.
            Some((host, port)) if !port.contains(']') => match port.parse() {
                Ok(port) if port != 0 => (host, port),
                _ => return problem("the port is not a number from 1 to 65535"),
            },
            _ => (authority, if is_ldaps { 636 } else { 389 }),
        };
        let is_version_6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match is_version_6 {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
        };
        if !is_host {
            return problem("it has no host name, or more than a host name and a port");
        }
        Ok(Self { is_ldaps, host: host.to_owned(), port })
    }

    /// The host alone, as a name or as a number.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The address as messages show it.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_ldaps { "ldaps" } else { "ldap" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// Whether this is the very machine that we run on, so that nothing goes over a network.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host().parse::<IpAddr>();
        self.host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, shown, is_loopback) in [
            ("ldaps://dc1.corp.example", "ldaps://dc1.corp.example:636", false),
            ("LDAP://dc1.corp.example/", "ldap://dc1.corp.example:389", false),
            ("ldap://127.0.0.5:3890", "ldap://127.0.0.5:3890", true),
            ("ldap://localhost", "ldap://localhost:389", true),
            ("ldap://[::1]:3890", "ldap://[::1]:3890", true),
            ("ldaps://[2001:db8::1]", "ldaps://[2001:db8::1]:636", false),
            ("ldap://localhost.evil.example", "ldap://localhost.evil.example:389", false),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((endpoint.url().as_str(), endpoint.is_loopback()), (shown, is_loopback), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_shown() {
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
            "ldap://[::1",
            "ldap://::1",
            "ldap://admin:hunter2@dc1",
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
