//! The same history on OpenLDAP, with the three ways to say who is provisioned.

use anyhow::Result;
use end_to_end::{Configuration, Slapd, SlapdOptions};
use serde_json::Value;

use crate::{
    differential::{CHANGES, History, MANAGER, MAPPING, NO_LIMITS, Pair, block_on, compare},
    history::SCOPE_GROUP,
    server::Kind,
};

const STATUS: &str = "status = { algorithm = \"flag\", attribute = \"employeeType\", value = \"disabled\", means = \"disabled\" }\n";

/// A history on a server with these lines of configuration, in pairs of provisioners.
#[track_caller]
fn lives_through_a_history(
    what: &'static str,
    at_least: usize,
    database_lines: &[&str],
    make_pairs: impl AsyncFnOnce(&dyn Fn(&str, &str) -> Configuration, &Value) -> Result<Vec<Pair>>,
) {
    let database_lines = database_lines.iter().map(|line| (*line).to_owned()).collect();
    let mut slapd = Slapd::start(SlapdOptions { database_lines, ..SlapdOptions::default() }).unwrap();
    let (url, admin, secret) = (slapd.url(), slapd.admin(), slapd.reader_secret());
    let configuration = |scope: &str, way: &str| Configuration {
        directory: format!(
            "kind = \"openldap\"\nurl = \"{url}\"\nbase_dn = \"{}\"\n\
             secret = \"file:directory-secret.json\"\npage_size = 10\nchanges = \"{way}\"\n{STATUS}",
            Kind::Slapd.base()
        ),
        scope: scope.to_owned(),
        safety: NO_LIMITS.to_owned(),
        mapping: format!("{MAPPING}{MANAGER}"),
        ..Configuration::openldap_at("", "")
    };
    block_on(async {
        let pairs = make_pairs(&configuration, &secret).await?;
        let history = History { what, kind: Kind::Slapd, admin: &admin, at_least };
        compare(history, pairs, |_, _| Ok(()), || slapd.restart()).await
    });
}

fn group_by(membership: &str) -> String {
    format!("group = {:?}\nmembership = \"{membership}\"\n", Kind::Slapd.group(SCOPE_GROUP))
}

/// The server remembers what was deleted.
#[test]
fn changes_from_a_session_log_lead_to_the_same_as_a_full_read() {
    let log = ["syncprov-sessionlog 1000"];
    lives_through_a_history("slapd with a session log", CHANGES, &log, async |configuration, secret| {
        let nested = format!("{}nested = true\n", group_by("member"));
        let of_groups = configuration(&nested, "auto");
        let by_timestamp = configuration(&nested, "timestamp");
        let of_groups = Pair::new("nested group by member", &of_groups, secret).await?;
        let by_timestamp = of_groups.beside("the same, by timestamps", &by_timestamp, secret).await?;
        let member_of = configuration(&group_by("member-of"), "auto");
        let member_of = Pair::new("group by memberOf", &member_of, secret).await?;
        let filter = configuration("filter = \"(!(title=1*))\"\n", "auto");
        let filter = Pair::new("filter", &filter, secret).await?;
        Ok(vec![of_groups, by_timestamp, member_of, filter])
    });
}

/// The server can only say who is still there.
#[test]
fn changes_without_a_session_log_lead_to_the_same_as_a_full_read() {
    let what = "slapd without a session log";
    lives_through_a_history(what, CHANGES / 2, &[], async |configuration, secret| {
        let member = configuration(&group_by("member"), "auto");
        let member = Pair::new("group by member", &member, secret).await?;
        let member_of = configuration(&group_by("member-of"), "auto");
        let member_of = Pair::new("group by memberOf", &member_of, secret).await?;
        Ok(vec![member, member_of])
    });
}
