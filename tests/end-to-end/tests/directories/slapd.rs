//! The same history on OpenLDAP, with the three ways to say who is provisioned.

use end_to_end::{Configuration, Slapd, SlapdOptions};

use crate::{
    differential::{CHANGES, History, MANAGER, MAPPING, NO_LIMITS, Pair, block_on, compare},
    history::SCOPE_GROUP,
    server::Kind,
};

const STATUS: &str = "status = { algorithm = \"flag\", attribute = \"employeeType\", value = \"disabled\", means = \"disabled\" }\n";

const BY_TIMESTAMP: &str = "nested group by member, by timestamps";

#[track_caller]
fn lives_through_a_history(what: &'static str, at_least: usize, options: SlapdOptions) {
    let mut slapd = Slapd::start(options).unwrap();
    let group = Kind::Slapd.group(SCOPE_GROUP);
    let scopes = [
        ("group by member", format!("group = {group:?}\nmembership = \"member\"\n")),
        ("group by memberOf", format!("group = {group:?}\nmembership = \"member-of\"\n")),
        ("filter", "filter = \"(!(title=1*))\"\n".to_owned()),
        (BY_TIMESTAMP, format!("group = {group:?}\nmembership = \"member\"\nnested = true\n")),
    ];
    let (url, admin, secret) = (slapd.url(), slapd.admin(), slapd.reader_secret());
    block_on(async {
        let mut pairs = Vec::new();
        for (scope, text) in scopes {
            let way = if scope == BY_TIMESTAMP { "timestamp" } else { "auto" };
            let configuration = Configuration {
                directory: format!(
                    "kind = \"openldap\"\nurl = \"{url}\"\nbase_dn = \"{}\"\n\
                     secret = \"file:directory-secret.json\"\npage_size = 10\n\
                     changes = \"{way}\"\n{STATUS}",
                    Kind::Slapd.base()
                ),
                scope: text,
                safety: NO_LIMITS.to_owned(),
                mapping: format!("{MAPPING}{MANAGER}"),
                ..Configuration::openldap_at("", "")
            };
            pairs.push(Pair::new(scope, &configuration, &secret).await?);
        }
        let history = History { what, kind: Kind::Slapd, admin: &admin, at_least };
        compare(history, pairs, |_, _| Ok(()), || slapd.restart()).await
    });
}

/// The server remembers what was deleted.
#[test]
fn changes_from_a_session_log_lead_to_the_same_as_a_full_read() {
    let database_lines = vec!["syncprov-sessionlog 1000".to_owned()];
    lives_through_a_history(
        "slapd with a session log",
        CHANGES,
        SlapdOptions { database_lines, ..SlapdOptions::default() },
    );
}

/// The server can only say who is still there.
#[test]
fn changes_without_a_session_log_lead_to_the_same_as_a_full_read() {
    lives_through_a_history("slapd without a session log", CHANGES / 2, SlapdOptions::default());
}
