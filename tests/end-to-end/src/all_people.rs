//! A scope of all people, and `ldapsearch` with the same entries, attributes and pages.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::{BASE_DN, PEOPLE_DN, READER_DN, Slapd, TestConfiguration};

/// Entries on a page.
const PAGE_SIZE: usize = 1_000;

const FILTER: &str = "(employeeNumber=*)";

/// Attributes that the mapping of [`TestConfiguration::openldap`] reads, with the anchor and the account status.
const ATTRIBUTES: [&str; 12] = [
    "entryUUID",
    "mail",
    "givenName",
    "sn",
    "cn",
    "title",
    "telephoneNumber",
    "mobile",
    "departmentNumber",
    "employeeNumber",
    "manager",
    "pwdAccountLockedTime",
];

impl TestConfiguration {
    /// Puts all people in scope, by a filter.
    pub fn scope_all_people(&mut self) {
        let base = |dn: &str| format!("base_dn = \"{dn}\"");
        self.directory = self.directory.replace(&base(BASE_DN), &base(PEOPLE_DN));
        self.directory.push_str(&format!("\npage_size = {PAGE_SIZE}\n"));
        self.scope = format!("filter = \"{FILTER}\"\n");
    }
}

impl Slapd {
    /// Duration of an `ldapsearch` of the people in scope.
    pub fn ldapsearch_all(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let status = Command::new("ldapsearch")
            .args(["-x", "-LLL", "-H", &self.url(), "-D", READER_DN, "-w", self.reader_password()])
            .args(["-b", PEOPLE_DN, "-E", &format!("pr={PAGE_SIZE}/noprompt")])
            .arg(format!("(&(objectClass=inetOrgPerson){FILTER})"))
            .args(ATTRIBUTES)
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "ldapsearch ended with {status}");
        Ok(started.elapsed())
    }
}
