//! Log lines of the operations on a server, one for each, under the target `ldap`. They hold no value of an entry.

use std::fmt::Display;

use tokio::time::Instant;
use tracing::{Level, debug, enabled};

/// The log line of a running operation.
pub(crate) struct OperationLog {
    /// Beginning of the line; `None` where it is not logged.
    line: Option<String>,
    started: Instant,
    entries: Option<u64>,
}

impl OperationLog {
    pub(crate) fn bind(url: &str) -> Self {
        let line = is_enabled().then(|| format!("LDAP bind at {url}"));
        Self { line, started: Instant::now(), entries: None }
    }

    pub(crate) fn search(line: impl FnOnce() -> String) -> Self {
        let line = is_enabled().then(line);
        Self { line, started: Instant::now(), entries: Some(0) }
    }

    pub(crate) fn count_entry(&mut self) {
        self.entries = self.entries.map(|entries| entries + 1);
    }

    pub(crate) fn end(&self, result: impl Display) {
        let Some(line) = &self.line else { return };
        let entries = self.entries.map(|entries| format!("{entries} entries, ")).unwrap_or_default();
        debug!(target: "ldap", "{line}: {entries}{result}, {} ms", self.started.elapsed().as_millis());
    }

    pub(crate) fn end_with_code(&self, code: u32) {
        self.end(if code == 0 { "success" } else { model::result_meaning(code) });
    }
}

fn is_enabled() -> bool {
    enabled!(target: "ldap", Level::DEBUG)
}

/// A filter with `…` for each value. Of equal conditions in a row two are left.
pub(crate) fn without_values(filter: &str) -> String {
    let mut text = String::new();
    let mut rest = filter;
    while let Some((before, value)) = rest.split_once('=') {
        // A ')' within a value is escaped.
        let end = value.find(')').unwrap_or(value.len());
        let (value, after) = value.split_at(end);
        text.push_str(before);
        text.push_str(if value == "*" { "=*" } else { "=…" });
        rest = after;
    }
    text.push_str(rest);
    let mut conditions: Vec<&str> = text.split_inclusive(')').collect();
    conditions.dedup();
    conditions.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_is_logged_without_values() {
        for (filter, logged) in [
            ("(&(objectClass=person)(mail=*))", "(&(objectClass=…)(mail=*))"),
            (r"(cn=Smith \28Jo\29)", "(cn=…)"),
            ("(|(uid=ada)(uid=bo)(uid=cy))", "(|(uid=…)(uid=…))"),
            ("(memberOf:1.2.840.113556.1.4.1941:=cn=all,dc=x)", "(memberOf:1.2.840.113556.1.4.1941:=…)"),
            ("(!(modifyTimestamp>=2026))", "(!(modifyTimestamp>=…))"),
        ] {
            assert_eq!(without_values(filter), logged);
        }
    }
}
