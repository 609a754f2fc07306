//! Random histories on OpenLDAP, for each way to define the scope.

use anyhow::Result;
use end_to_end::{NO_LIMITS, STATUS, Slapd, SlapdOptions, TestConfiguration};
use serde_json::Value;

use super::{
    differential::{CHANGES, HistoryRun, MANAGER, MAPPING, ScanComparison, block_on, compare},
    history::SCOPE_GROUP,
    server::TestServer,
};

const KIND: TestServer = TestServer::Slapd;

/// Runs a history on a server with these lines of configuration.
#[track_caller]
fn run_history(
    (what, at_least): (&'static str, usize),
    database_lines: &[&str],
    comparisons: impl AsyncFnOnce(&dyn Fn(&str, &str) -> TestConfiguration, &Value) -> Result<Vec<ScanComparison>>,
) {
    let database_lines = database_lines.iter().map(|line| (*line).to_owned()).collect();
    let mut slapd = Slapd::start(SlapdOptions { database_lines, ..SlapdOptions::default() }).unwrap();
    let (url, admin, secret) = (slapd.url(), slapd.admin(), slapd.reader_secret());
    let configuration = |scope: &str, changes: &str| TestConfiguration {
        directory: format!(
            "kind = \"openldap\"\nurl = \"{url}\"\nbase_dn = \"{}\"\n\
             secret = \"file:directory-secret.json\"\npage_size = 10\nchanges = \"{changes}\"\n{STATUS}",
            KIND.base()
        ),
        scope: scope.to_owned(),
        safety: NO_LIMITS.to_owned(),
        mapping: format!("{MAPPING}{MANAGER}"),
        ..TestConfiguration::openldap_at("", "")
    };
    block_on(async {
        let comparisons = comparisons(&configuration, &secret).await?;
        let history = HistoryRun { what, kind: KIND, admin: &admin, at_least };
        compare(history, comparisons, |_, _| Ok(()), || slapd.restart()).await
    });
}

fn group_by(membership: &str) -> String {
    format!("group = {:?}\nmembership = \"{membership}\"\n", KIND.group(SCOPE_GROUP))
}

/// With a session log the server reports deleted entries.
#[test]
fn openldap_changes_with_session_log_equal_a_full_read() {
    let log = ["syncprov-sessionlog 1000"];
    run_history(("slapd with a session log", CHANGES), &log, async |configuration, secret| {
        let nested = format!("{}nested = true\n", group_by("member"));
        let of_groups = configuration(&nested, "auto");
        let by_timestamp = configuration(&nested, "timestamp");
        let of_groups = ScanComparison::new("nested group by member", &of_groups, secret).await?;
        let by_timestamp = of_groups.beside("nested group by timestamps", &by_timestamp, secret).await?;
        let member_of = configuration(&group_by("member-of"), "auto");
        let member_of = ScanComparison::new("group by memberOf", &member_of, secret).await?;
        let filter = configuration("filter = \"(!(title=1*))\"\n", "auto");
        let filter = ScanComparison::new("filter", &filter, secret).await?;
        Ok(vec![of_groups, by_timestamp, member_of, filter])
    });
}

/// Without a session log the server reports only entries that still exist.
#[test]
fn openldap_changes_without_session_log_equal_a_full_read() {
    let what = "slapd without a session log";
    run_history((what, CHANGES / 2), &[], async |configuration, secret| {
        let member = configuration(&group_by("member"), "auto");
        let member = ScanComparison::new("group by member", &member, secret).await?;
        let member_of = configuration(&group_by("member-of"), "auto");
        let member_of = ScanComparison::new("group by memberOf", &member_of, secret).await?;
        Ok(vec![member, member_of])
    });
}
