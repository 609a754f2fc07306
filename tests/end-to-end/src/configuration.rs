//! A provisioner's configuration, as the text that a person would write.

use std::fmt;

use crate::{BASE_DN, GROUPS_DN, Slapd};

/// The names of the secret files that a configuration refers to, beside it.
pub const DIRECTORY_SECRET: &str = "directory-secret.json";
pub const TARGET_SECRET: &str = "target-secret.json";

/// One connection's configuration. Each section is its TOML text, so that a test reads like the file; change or extend
/// a section before writing it.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// `name`, and the file's name.
    pub name: String,
    /// `[directory]`.
    pub directory: String,
    /// `[scope]`.
    pub scope: String,
    /// `[target]`.
    pub target: String,
    /// `[options]`; empty leaves the defaults.
    pub options: String,
    /// `[safety]`; empty leaves the defaults.
    pub safety: String,
    /// `[mapping]`.
    pub mapping: String,
    /// Whatever else stands at the end, with its own section headers.
    pub more: String,
}

impl Configuration {
    /// The connection `corp` from this server's group `workplace` to a Workplace at `target_url`.
    pub fn openldap(slapd: &Slapd, target_url: &str) -> Self {
        Self::openldap_at(&slapd.url(), target_url)
    }

    /// The same, with the directory at another URL: that of a proxy before it, or its TLS port.
    pub fn openldap_at(directory_url: &str, target_url: &str) -> Self {
        Self {
            name: "corp".to_owned(),
            directory: format!(
                "kind = \"openldap\"\nurl = \"{directory_url}\"\nbase_dn = \"{BASE_DN}\"\n\
                 secret = \"file:{DIRECTORY_SECRET}\"\n"
            ),
            scope: format!("group = \"cn=workplace,{GROUPS_DN}\"\n"),
            target: format!(
                "kind = \"workplace\"\nurl = \"{target_url}\"\nsecret = \"file:{TARGET_SECRET}\"\n"
            ),
            options: String::new(),
            safety: String::new(),
            mapping: concat!(
                "userName = \"mail\"\n",
                "\"name.givenName\" = \"givenName\"\n",
                "\"name.familyName\" = \"sn\"\n",
                "displayName = \"cn\"\n",
                "title = \"title\"\n",
                "\"phoneNumbers.work\" = \"telephoneNumber\"\n",
                "\"phoneNumbers.mobile\" = \"mobile\"\n",
                "department = \"departmentNumber\"\n",
                "employeeNumber = \"employeeNumber\"\n",
                "manager = { reference = \"manager\" }\n",
            )
            .to_owned(),
            more: String::new(),
        }
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, directory, scope, target, options, safety, mapping, more } = self;
        writeln!(f, "name = \"{name}\"")?;
        for (title, body) in [
            ("directory", directory),
            ("scope", scope),
            ("target", target),
            ("options", options),
            ("safety", safety),
            ("mapping", mapping),
        ] {
            if !body.is_empty() {
                writeln!(f, "\n[{title}]\n{}", body.trim_end())?;
            }
        }
        if more.is_empty() { Ok(()) } else { writeln!(f, "\n{}", more.trim_end()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_toml_with_every_section_in_its_place() {
        let mut configuration = Configuration::openldap_at("ldap://127.0.0.1:1", "http://127.0.0.1:2");
        configuration.safety = "max_removals = 3".to_owned();
        configuration.more = "[extra]\nyes = true".to_owned();
        let parsed: toml::Table = toml::from_str(&configuration.to_string()).unwrap();
        let sections: Vec<_> = parsed.keys().map(String::as_str).collect();
        assert_eq!(sections, ["directory", "extra", "mapping", "name", "safety", "scope", "target"]);
        assert_eq!(parsed["safety"]["max_removals"].as_integer(), Some(3));
        assert_eq!(parsed["mapping"]["manager"]["reference"].as_str(), Some("manager"));
    }
}
