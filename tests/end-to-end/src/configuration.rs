//! A provisioner's configuration as TOML text.

use std::fmt;

use crate::{BASE_DN, GROUPS_DN, GroupEntry, Slapd};

/// File of the directory's secret, beside the configuration.
pub const DIRECTORY_SECRET: &str = "directory-secret.json";
/// File of the target's secret, beside the configuration.
pub const TARGET_SECRET: &str = "target-secret.json";

/// A line of `[directory]`: `employeeType` tells the account status.
pub const STATUS: &str = "status = { algorithm = \"flag\", attribute = \"employeeType\", value = \"disabled\", means = \"disabled\" }\n";

/// Lines of `[safety]` without limits: only the proof of a complete read prevents a wrong removal.
pub const NO_LIMITS: &str = "max_removals = 100000\nmax_removal_percent = 100\nmax_renames = 100000\n\
    max_reactivations = 100000\nmax_transfers = 100000\nmax_link_drops = 100000\n    max_attribute_percent = 100\n";

/// DN of the group that is the scope of [`TestConfiguration::openldap`].
pub fn workplace_group() -> String {
    GroupEntry::of("workplace", []).dn()
}

/// One connection's configuration. Each section is its TOML text; a test changes or extends a section before writing it.
#[derive(Debug, Clone)]
pub struct TestConfiguration {
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
    /// `safety.max_first_load`; `None` for no limit. Most tests begin with a first load that needs no approval.
    pub max_first_load: Option<u64>,
    /// The other limits of `[safety]`; empty leaves the defaults.
    pub safety: String,
    /// `[mapping]`.
    pub mapping: String,
    /// Further sections, with their headers.
    pub more: String,
}

impl TestConfiguration {
    /// The connection `corp` from this server's group `workplace` to a Workplace at `target_url`.
    pub fn openldap(slapd: &Slapd, target_url: &str) -> Self {
        Self::openldap_at(&slapd.url(), target_url)
    }

    /// The same for a directory at another URL, such as a proxy's or the TLS port's.
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
            max_first_load: None,
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

    /// The same configuration with a target at another URL.
    pub fn with_target_url(&self, url: &str) -> Self {
        let lines = self.target.lines().map(|line| match line.starts_with("url = ") {
            true => format!("url = \"{url}\"\n"),
            false => format!("{line}\n"),
        });
        Self { target: lines.collect(), ..self.clone() }
    }
}

impl fmt::Display for TestConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, directory, scope, target, options, max_first_load, safety, mapping, more } = self;
        let limit = max_first_load.map_or("\"unlimited\"".to_owned(), |users| users.to_string());
        let safety = format!("max_first_load = {limit}\n{safety}");
        writeln!(f, "name = \"{name}\"")?;
        for (title, body) in [
            ("directory", directory),
            ("scope", scope),
            ("target", target),
            ("options", options),
            ("safety", &safety),
            ("mapping", mapping),
        ] {
            if !body.is_empty() {
                writeln!(f, "\n[{title}]\n{}", body.trim_end())?;
            }
        }
        if more.is_empty() { Ok(()) } else { writeln!(f, "\n{}", more.trim_end()) }
    }
}
