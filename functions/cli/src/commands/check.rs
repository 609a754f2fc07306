//! `provisioner check`: tests each part of the configuration by using it.

use std::collections::HashSet;

use ::explain::ValueMask;
use anyhow::Result;
use directory::{Cursor, Directory, ReadItem, UnknownAttribute};
use model::{Desired, DesiredUser, DnKey, FreshnessMark, IncompleteRead, Managed, TargetAttribute, Value};
use plan::mapping::{MASK, RecordedValues};
use plan::{Observation, observe};
use runtime::Connection;
use scan::UnidentifiedEntry;
use scim::TargetError;
use serde::Serialize;

use crate::args::ConnectionArgs;
use crate::exit::{Exit, explain};
use crate::output::{BAD, FAINT, GOOD, Lines, Output, paint};
use crate::session::Connections;

/// Results of the tests.
#[derive(Debug, Default, Serialize)]
struct CheckReport {
    ok: bool,
    steps: Vec<CheckStep>,
}

#[derive(Debug, Serialize)]
struct CheckStep {
    tried: &'static str,
    ok: bool,
    result: String,
}

impl CheckReport {
    fn good(&mut self, tried: &'static str, result: impl Into<String>) {
        self.steps.push(CheckStep { tried, ok: true, result: result.into() });
    }

    fn bad(&mut self, tried: &'static str, result: impl Into<String>) {
        self.steps.push(CheckStep { tried, ok: false, result: result.into() });
    }

    fn text(&self) -> String {
        let mut lines = Lines::default();
        for CheckStep { tried, ok, result } in &self.steps {
            let mark = if *ok { paint(GOOD, "ok  ") } else { paint(BAD, "FAIL") };
            let result = if *ok { paint(FAINT, result) } else { result.clone() };
            lines.add(format!("{mark} {tried:<22} {result}"));
        }
        lines.text()
    }
}

/// Checks a connection.
pub async fn run(arguments: &ConnectionArgs, offline: bool) -> Result<Exit> {
    let connections = Connections::read(arguments)?;
    let mut report = CheckReport::default();
    report.good("configuration", format!("{} is in order", arguments.config.display()));
    if !offline {
        let example = check_directory(&connections, &mut report).await;
        check_target(&connections, example.as_ref(), &mut report).await;
    }
    report.ok = report.steps.iter().all(|step| step.ok);
    Output::new(arguments.json).show(&report, CheckReport::text)?;
    Ok(if report.ok { Exit::Done } else { Exit::CouldNotRun })
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
    check_attributes(connection, &mut directory, report).await;
    let ScopeRead { counts, cursor, ended } = match read_scope(connection, &mut directory).await {
        Ok(read) => read,
        Err(error) => {
            report.bad("base and scope", error.to_string());
            return None;
        }
    };
    report.good("base DN", format!("{} is readable", connection.directory.config.base_dn));
    check_anchor(directory.anchor_attribute(), report);
    let ScopeCounts { entries, in_scope, disabled, with_status, invalid, problem, unidentified, example } =
        counts;
    match ended {
        Err(incomplete) => report.bad(
            "scope",
            format!("directory read incomplete ({incomplete}): no accounts would be deprovisioned after such a read"),
        ),
        Ok(()) => {
            let method = match cursor.method() {
                Some(method) => format!(
                    "incremental scans are possible ({method}); every {} hours a full scan",
                    connection.policy.full_read_hours
                ),
                None => "incremental scans are not possible; each scan is a full scan".to_owned(),
            };
            report.good("changes", method);
            if entries == 0 {
                let advice = "check the group or filter, and that the reading account may read the users";
                report.bad("scope", format!("matches no entry; {advice}"));
            } else {
                report.good("scope", format!("matches {entries} entries, {disabled} of them disabled"));
            }
            if entries > 0 && with_status == 0 {
                report_hidden_status(connection, report);
            }
        }
    }
    check_members(&mut directory, &in_scope, report).await;
    report.good("freshness", freshness(&cursor));
    report_bad_entries(unidentified, (invalid, problem), report);
    let (anchor, user) = example?;
    let shown = first_letters(&user, &ValueMask::new(connection.masked.clone()));
    report.good("mapping", format!("{anchor} becomes {shown}"));
    Some(user)
}

/// Looks for the attributes of the mapping in the server's schema, and for an address that shows a part of them.
async fn check_attributes(connection: &Connection, directory: &mut Directory, report: &mut CheckReport) {
    if directory.is_global_catalog() {
        let why =
            "this is a port of the global catalog, which holds a part of the attributes; use port 636 or 389";
        report.bad("directory", why);
    }
    let unknown = match directory.unknown_attributes().await {
        Ok(unknown) => unknown,
        Err(error) => return report.bad("schema", error.to_string()),
    };
    let mapped = connection.policy.rules.mapping.source_attributes();
    for UnknownAttribute { name, nearest } in unknown.into_iter().filter(|one| mapped.contains(&one.name)) {
        let advice = nearest.map(|nearest| format!("; the nearest name is {nearest}")).unwrap_or_default();
        report.bad("schema", format!("the directory has no attribute {name}{advice}"));
    }
}

/// Reports entries without an anchor, and those that can't be mapped.
fn report_bad_entries(
    unidentified: Option<UnidentifiedEntry>,
    (invalid, problem): (u64, Option<String>),
    report: &mut CheckReport,
) {
    if let Some(UnidentifiedEntry { dn, why }) = unidentified {
        report.bad("anchor", format!("{dn}: {why}"));
    }
    if invalid > 0 {
        let problem = problem.unwrap_or_default();
        report.bad("mapping", format!("fails for {invalid} entries; the first: {problem}"));
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
        report.good("members", format!("warning: of {total} members of the group, {}", counts.join("; ")));
    }
}

/// How the server shows that its data is recent enough for removals.
fn freshness(cursor: &Cursor) -> String {
    match cursor.mark() {
        Some(mark @ FreshnessMark::NewestChange) => format!(
            "shown by the {mark}; a removal that follows a deletion of the newest entries waits for a second scan"
        ),
        Some(mark) => format!("shown by {mark}"),
        None => {
            "not shown, so each removal waits for a second scan; let the reading account read contextCSN or \
                 modifyTimestamp"
                .to_owned()
        }
    }
}

/// Attributes that servers assign and that never change.
const SERVER_IDS: [&str; 7] =
    ["objectguid", "entryuuid", "nsuniqueid", "ipauniqueid", "ibm-entryuuid", "orclguid", "guid"];

/// An anchor that a person can set decides about accounts: an entry with another's anchor gets that entry's account.
fn check_anchor(attribute: &str, report: &mut CheckReport) {
    if !SERVER_IDS.contains(&attribute.to_ascii_lowercase().as_str()) {
        let advice = "make sure that it is unique, never changes, and can't be written by users";
        report.good("anchor", format!("warning: {attribute} is not assigned by the server; {advice}"));
    }
}

/// Says that no entry shows the status attribute, if one is configured.
fn report_hidden_status(connection: &Connection, report: &mut CheckReport) {
    if let Some(attribute) = connection.policy.rules.status.attribute() {
        let advice = "if some users have it, the reading account needs the right to read it";
        report.good("status attribute", format!("no entry shows {attribute}; {advice}"));
    }
}

struct ScopeRead {
    counts: ScopeCounts,
    cursor: Cursor,
    ended: Result<(), IncompleteRead>,
}

async fn read_scope(
    connection: &Connection,
    directory: &mut Directory,
) -> Result<ScopeRead, directory::DirectoryError> {
    let mut read = directory.read(None, runtime::now()).await?;
    let mut counts = ScopeCounts::default();
    let mut cursor = read.cursor();
    let ended = loop {
        match read.next_page().await {
            Ok(Some(page)) => page.into_iter().for_each(|item| counts.add(connection, item)),
            Ok(None) => {
                cursor = read.cursor();
                break read.finish().await.map(|_| ());
            }
            Err(incomplete) => break Err(incomplete),
        }
    };
    Ok(ScopeRead { counts, cursor, ended })
}

#[derive(Default)]
struct ScopeCounts {
    entries: u64,
    /// Their DNs.
    in_scope: HashSet<DnKey>,
    disabled: u64,
    /// Entries that show the status attribute.
    with_status: u64,
    invalid: u64,
    problem: Option<String>,
    unidentified: Option<UnidentifiedEntry>,
    /// The first user that can be mapped, with the anchor.
    example: Option<(String, DesiredUser)>,
}

impl ScopeCounts {
    fn add(&mut self, connection: &Connection, item: ReadItem) {
        let entry = match item {
            ReadItem::Entry(entry) => entry,
            ReadItem::Unidentified { dn, why } => {
                self.unidentified.get_or_insert(UnidentifiedEntry { dn, why });
                return;
            }
        };
        self.entries += 1;
        self.in_scope.insert(DnKey::of(&entry.dn));
        let status = connection.policy.rules.status.attribute();
        self.with_status += u64::from(status.is_some_and(|name| entry.attributes.one(name).is_some()));
        match observe(&connection.policy.rules, &entry, runtime::now(), RecordedValues::default()) {
            Observation::Invalid(problem) => {
                self.invalid += 1;
                self.problem.get_or_insert(format!("{}: {problem}", entry.anchor));
            }
            Observation::Valid(desired) => {
                self.disabled += u64::from(!desired.is_active());
                if let (None, Desired::Present(user)) = (&self.example, desired) {
                    self.example = Some((entry.anchor.to_string(), user));
                }
            }
        }
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
            report.good(
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
