//! The identity of a target.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Identity of the target that a connection's state belongs to.
///
/// The state holds account ids. They mean nothing at another target, or name other people's accounts there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetIdentity {
    url: String,
    dialect: String,
}

impl TargetIdentity {
    /// The identity of the target at this SCIM base URL.
    ///
    /// Spellings of one URL give one identity: the case of scheme and host, a default port and trailing slashes don't count.
    pub fn new(url: &str, dialect: &str) -> Self {
        Self { url: normalised(url), dialect: dialect.to_owned() }
    }
}

impl fmt::Display for TargetIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, dialect } = self;
        write!(f, "{url} ({dialect})")
    }
}

/// Scheme and host in lower case, without default port and trailing slashes. The path keeps its case.
fn normalised(url: &str) -> String {
    let url = url.trim();
    let Some((scheme, rest)) = url.split_once("://") else { return url.trim_end_matches('/').to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    let path_start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_start);
    let authority = authority.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    format!("{scheme}://{authority}{}", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_url_are_one_target() {
        let expect = TargetIdentity::new("https://scim.example.com/v2/Acme", "scim2");
        for spelling in [
            "https://scim.example.com/v2/Acme/",
            "HTTPS://SCIM.Example.com/v2/Acme",
            "https://scim.example.com:443/v2/Acme//",
            " https://scim.example.com/v2/Acme ",
        ] {
            assert_eq!(TargetIdentity::new(spelling, "scim2"), expect, "{spelling}");
        }
        assert_eq!(expect.to_string(), "https://scim.example.com/v2/Acme (scim2)");
        assert_eq!(
            TargetIdentity::new("http://x.test:80", "scim2"),
            TargetIdentity::new("http://x.test", "scim2")
        );
    }

    #[test]
    fn another_host_port_path_scheme_or_dialect_is_another_target() {
        let target = TargetIdentity::new("https://scim.example.com/v2/Acme", "scim2");
        for (url, dialect) in [
            ("https://staging.example.com/v2/Acme", "scim2"),
            ("https://scim.example.com:8443/v2/Acme", "scim2"),
            ("https://scim.example.com/v2/acme", "scim2"),
            ("http://scim.example.com/v2/Acme", "scim2"),
            ("https://scim.example.com/v2/Acme", "workplace"),
        ] {
            assert_ne!(TargetIdentity::new(url, dialect), target);
        }
    }
}
