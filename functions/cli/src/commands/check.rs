//! `provisioner check`: tests each part of the configuration by using it.

mod report;
mod scope;
mod secrets;

use std::collections::{BTreeSet, HashSet};

use ::explain::ValueMask;
use anyhow::Result;
use directory::{Cursor, Directory, UnknownAttribute};
use model::{DesiredUser, DnKey, FreshnessMark, Managed, TargetAttribute, Value};
use plan::mapping::MASK;
use runtime::Connection;
use scim::TargetError;

use self::report::CheckReport;
use self::scope::ScopeRead;
use crate::args::ConnectionArgs;
use crate::exit::{Exit, explain};
use crate::output::Output;
use crate::session::Connections;

/// Checks a connection.
pub async fn run(arguments: &ConnectionArgs, offline: bool) -> Result<Exit> {
    let connections = Connections::read(arguments)?;
    let mut report = CheckReport::default();
    report.good("configuration", format!("{} is in order", arguments.config.display()));
    secrets::check(&connections, offline, &mut report).await;
    if !offline {
        let example = check_directory(&connections, &mut report).await;
        check_target(&connections, example.as_ref(), &mut report).await;
    }
    let is_ok = report.end();
    Output::of(arguments).show(&report, CheckReport::text)?;
    Ok(if is_ok { Exit::Done } else { Exit::CouldNotRun })
}

/// Reads all entries in scope, and returns one mapped user.
async fn check_directory(connections: &Connections, report: &mut CheckReport) -> Option<DesiredUser> {
    let connection = &connections.connection;
    let mut directory = match connections.directory().await {
        Ok(directory) => directory,
        Err(error) => {
            report.bad("directory", explain(&error));
            return None;
        }
    };
    report.good("directory", format!("connected to {} and bound", directory.url()));
    let unknown = check_attributes(connection, &mut directory, report).await;
    let ScopeRead { counts, cursor, ended } = match ScopeRead::of(connection, &mut directory).await {
        Ok(read) => read,
        Err(error) => {
            report.bad("base and scope", error.to_string());
            return None;
        }
    };
    report.good("base DN", format!("{} is readable", connection.directory.config.base_dn));
    check_anchor(directory.anchor_attribute(), report);
    match ended {
        Err(incomplete) => report.bad(
            "scope",
            format!("directory read incomplete ({incomplete}): no accounts would be deprovisioned after such a read"),
        ),
        Ok(()) => {
            report.good("changes", change_method(connection, &cursor));
            counts.report_entries(connection, report);
        }
    }
    check_members(&mut directory, &counts.in_scope, report).await;
    check_freshness(&cursor, report);
    counts.report_sources(connection, &mut directory, (&unknown, report)).await;
    counts.report_bad_entries(report);
    let (anchor, user) = counts.example?;
    let shown = first_letters(&user, &ValueMask::new(connection.masked.clone()));
    report.good("mapping", format!("{anchor} becomes {shown}"));
    Some(user)
}

/// Looks for the attributes of the mapping in the server's schema, and for an address that shows a part of them. Returns
/// those that the schema does not have.
async fn check_attributes(
    connection: &Connection,
    directory: &mut Directory,
    report: &mut CheckReport,
) -> BTreeSet<String> {
    if directory.is_global_catalog() {
        let why =
            "this is a port of the global catalog, which holds a part of the attributes; use port 636 or 389";
        report.bad("directory", why);
    }
    let mut unknown = match directory.unknown_attributes().await {
        Ok(unknown) => unknown,
        Err(error) => {
            report.bad("schema", error.to_string());
            return BTreeSet::new();
        }
    };
    let mapped = connection.policy.rules.mapping.source_attributes();
    unknown.retain(|one| mapped.contains(&one.name));
    for UnknownAttribute { name, nearest } in &unknown {
        let advice = nearest.as_ref().map(|nearest| format!("; the nearest name is {nearest}"));
        report.bad("schema", format!("the directory has no attribute {name}{}", advice.unwrap_or_default()));
    }
    unknown.into_iter().map(|one| one.name).collect()
}

fn change_method(connection: &Connection, cursor: &Cursor) -> String {
    match cursor.method() {
        Some(method) => format!(
            "incremental scans are possible ({method}); every {} hours a full scan",
            connection.policy.full_read_hours
        ),
        None => "incremental scans are not possible; each scan is a full scan".to_owned(),
    }
}

/// Container of Active Directory for members from other forests.
const FOREIGN: &str = ",cn=foreignsecurityprincipals,";

/// Counts the members of the group that get no account because they are no users under the base DN.
async fn check_members(directory: &mut Directory, in_scope: &HashSet<DnKey>, report: &mut CheckReport) {
    let members = match directory.listed_members().await {
        Ok(members) => members.unwrap_or_default(),
        Err(error) => return report.bad("members", error.to_string()),
    };
    let (mut foreign, mut outside, mut unmatched) = (0, 0, 0);
    for dn in &members {
        match () {
            () if in_scope.contains(&DnKey::of(dn)) => {}
            () if dn.to_lowercase().contains(FOREIGN) => foreign += 1,
            () if !directory.is_under_base(dn) => outside += 1,
            () => unmatched += 1,
        }
    }
    let counts = [
        (outside, "outside of the base DN"),
        (foreign, "of another forest (foreign security principals)"),
        (unmatched, "no user in scope, such as groups, or users that the user filter leaves out"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    if !counts.is_empty() {
        let total = members.len();
        report.warn("members", format!("of {total} members of the group, {}", counts.join("; ")));
    }
}

/// Reports how the server shows that its data is recent enough for removals.
fn check_freshness(cursor: &Cursor, report: &mut CheckReport) {
    match cursor.mark() {
        Some(mark @ FreshnessMark::NewestChange) => report.good(
            "freshness",
            format!(
                "shown by the {mark}; a removal that follows a deletion of the newest entries waits for a second scan"
            ),
        ),
        Some(mark) => report.good("freshness", format!("shown by {mark}")),
        None => report.warn(
            "freshness",
            "not shown, so each removal waits for a second scan; let the reading account read contextCSN or \
             modifyTimestamp",
        ),
    }
}

/// Attributes that servers assign and that never change.
const SERVER_IDS: [&str; 7] =
    ["objectguid", "entryuuid", "nsuniqueid", "ipauniqueid", "ibm-entryuuid", "orclguid", "guid"];

/// An anchor that a person can set decides about accounts: an entry with another's anchor gets that entry's account.
fn check_anchor(attribute: &str, report: &mut CheckReport) {
    if !SERVER_IDS.contains(&attribute.to_ascii_lowercase().as_str()) {
        let advice = "make sure that it is unique, never changes, and can't be written by users";
        report.warn("anchor", format!("{attribute} is not assigned by the server; {advice}"));
    }
}

/// A mapped user with only the first letter of each value, and no letter of a masked value.
fn first_letters(user: &DesiredUser, mask: &ValueMask) -> String {
    let first = |attribute: &TargetAttribute, text: &str| {
        let letter = text.chars().next().filter(|_| !mask.hides(attribute));
        format!("{attribute} {}{MASK}", letter.map(String::from).unwrap_or_default())
    };
    let mut shown = vec![first(&"userName".into(), user.user_name.as_str())];
    let managed = user.attributes.iter().map(|(attribute, managed)| match managed {
        Managed::Set(Value::Text(text)) => first(attribute, text),
        Managed::Set(_) => format!("{attribute} {MASK}"),
        Managed::Clear => format!("{attribute} (empty)"),
    });
    shown.extend(managed);
    shown.extend(user.create_only.keys().map(|attribute| format!("{attribute} {MASK}")));
    shown.join(", ")
}

/// Uses the access token, and looks up the example.
async fn check_target(connections: &Connections, example: Option<&DesiredUser>, report: &mut CheckReport) {
    let target = match connections.target().await {
        Ok(target) => target,
        Err(error) => return report.bad("target", explain(&error)),
    };
    match target.check().await {
        Ok(()) => report.good("target", format!("{} accepts the token", connections.connection.target.url)),
        Err(error @ TargetError::Unauthorized { .. }) => {
            let hint = "where the integration allows listed IP addresses only, list the address that this check and the \
                        provision function send from";
            return report.bad("target", format!("the token is refused: {error}; {hint}"));
        }
        Err(error) => return report.bad("target", error.to_string()),
    }
    let Some(user) = example else { return };
    match target.missing_from_schemas(user.attributes.keys().map(TargetAttribute::as_str)).await {
        Ok(missing) if !missing.is_empty() => {
            let missing = missing.join(", ");
            report.warn(
                "attributes",
                format!("the target's schemas lack {missing}; the target may drop the values"),
            );
        }
        _ => {}
    }
    match target.find_by_user_name(&user.user_name).await {
        Ok(Some(_)) => report.good("look-up", "works; the example has an account"),
        Ok(None) => report.good("look-up", "works; the example has no account yet"),
        Err(error) => report.bad("look-up", error.to_string()),
    }
}
