//! `provisioner check`: proves each part of the configuration by using it.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Result;
use directory::ReadItem;
use model::{Desired, DesiredUser, Entry, Managed, TargetAttribute, Value};
use plan::{Observation, observe};
use scan::UnidentifiedEntry;
use scim::TargetError;
use serde::Serialize;

use crate::args::ConnectionArgs;
use crate::exit::{Exit, explain};
use crate::report::{BAD, FAINT, GOOD, paint};
use crate::session::Connections;

/// What was tried and what came of it.
#[derive(Debug, Default, Serialize)]
struct CheckReport {
    ok: bool,
    steps: Vec<CheckStep>,
}

#[derive(Debug, Serialize)]
struct CheckStep {
    tried: String,
    ok: bool,
    result: String,
}

impl CheckReport {
    fn good(&mut self, tried: &str, result: impl Into<String>) {
        self.steps.push(CheckStep { tried: tried.into(), ok: true, result: result.into() });
    }

    fn bad(&mut self, tried: &str, result: impl Into<String>) {
        self.steps.push(CheckStep { tried: tried.into(), ok: false, result: result.into() });
    }
}

/// Checks a connection.
pub async fn run(arguments: &ConnectionArgs, offline: bool, out: &mut (impl Write + Send)) -> Result<Exit> {
    let connections = Connections::read(arguments)?;
    let mut report = CheckReport::default();
    report.good("configuration", format!("{} is in order", arguments.config.display()));
    if !offline {
        let example = check_directory(&connections, &mut report).await;
        check_target(&connections, example.as_ref(), &mut report).await;
    }
    report.ok = report.steps.iter().all(|step| step.ok);
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        for CheckStep { tried, ok, result } in &report.steps {
            let mark = if *ok { paint(GOOD, "ok  ") } else { paint(BAD, "FAIL") };
            writeln!(out, "{mark} {tried:<22} {}", if *ok { paint(FAINT, result) } else { result.clone() })?;
        }
    }
    Ok(if report.ok { Exit::Done } else { Exit::CouldNotRun })
}

/// Reads everybody in scope, and returns one of them.
async fn check_directory(connections: &Connections, report: &mut CheckReport) -> Option<DesiredUser> {
    let settings = &connections.connection.directory;
    let mut directory = match connections.directory().await {
        Ok(directory) => directory,
        Err(error) => {
            report.bad("directory", explain(&error));
            return None;
        }
    };
    report.good("directory", format!("connected to {} and bound", directory.url()));
    let mut read = match directory.read(None, runtime::now()).await {
        Ok(read) => read,
        Err(error) => {
            report.bad("base and scope", error.to_string());
            return None;
        }
    };
    report.good("base DN", format!("{} is readable", settings.base_dn));
    let mut counts = DirectoryCounts::default();
    let mut cursor = read.cursor();
    let ended = loop {
        match read.next_page().await {
            Ok(Some(page)) => page.into_iter().for_each(|sighting| counts.take(connections, sighting)),
            Ok(None) => {
                cursor = read.cursor();
                break read.finish().await;
            }
            Err(incomplete) => break Err(incomplete),
        }
    };
    let DirectoryCounts { entries, disabled, invalid, problem, unidentified, example } = counts;
    if ended.is_ok() {
        let how = match cursor.method() {
            Some(way) => format!(
                "can be asked for ({way}); everybody is read every {} hours",
                connections.connection.policy.full_read_hours
            ),
            None => "can't be asked for; everybody is read each time".to_owned(),
        };
        report.good("changes", how);
    }
    match ended {
        Ok(_) if entries == 0 => {
            report.bad(
                "scope",
                "matches nobody; is the group or filter right, and may the reader see the users?",
            );
        }
        Ok(_) => report.good("scope", format!("matches {entries} entries, {disabled} of them disabled")),
        Err(incomplete) => {
            report.bad("scope", format!("{incomplete}; nobody would be removed after such a read"))
        }
    }
    if let Some(UnidentifiedEntry { dn, why }) = unidentified {
        report.bad("anchor", format!("{dn}: {why}"));
    }
    if invalid > 0 {
        report.bad(
            "mapping",
            format!("fails for {invalid} of them; the first: {}", problem.unwrap_or_default()),
        );
    }
    let (entry, user) = example?;
    let shown = mask(&user, &connections.connection.policy.rules.mapping.masked());
    report.good("mapping", format!("{} becomes {shown}", entry.anchor));
    Some(user)
}

#[derive(Default)]
struct DirectoryCounts {
    entries: u64,
    disabled: u64,
    invalid: u64,
    problem: Option<String>,
    unidentified: Option<UnidentifiedEntry>,
    example: Option<(Entry, DesiredUser)>,
}

impl DirectoryCounts {
    fn take(&mut self, connections: &Connections, sighting: ReadItem) {
        let entry = match sighting {
            ReadItem::Entry(entry) => entry,
            ReadItem::Unidentified { dn, why } => {
                self.unidentified.get_or_insert(UnidentifiedEntry { dn, why });
                return;
            }
        };
        self.entries += 1;
        let observation = observe(&connections.connection.policy.rules, &entry, runtime::now());
        match observation {
            Observation::Invalid(problem) => {
                self.invalid += 1;
                self.problem.get_or_insert(format!("{}: {problem}", entry.anchor));
            }
            Observation::Valid(desired) => {
                self.disabled += u64::from(!desired.is_active());
                if let (None, Desired::Present(user)) = (&self.example, desired) {
                    self.example = Some((entry, user));
                }
            }
        }
    }
}

/// A mapped user of whom no more is shown than the first letter of each value, and of masked ones not even that.
fn mask(user: &DesiredUser, masked: &BTreeSet<TargetAttribute>) -> String {
    let first = |attribute: &TargetAttribute, text: &str| {
        let letter = text.chars().next().filter(|_| !masked.contains(attribute));
        format!("{attribute} {}•••", letter.map(String::from).unwrap_or_default())
    };
    let mut shown = vec![first(&"userName".into(), user.user_name.as_str())];
    let managed = user.attributes.iter().map(|(attribute, managed)| match managed {
        Managed::Set(Value::Text(text)) => first(attribute, text),
        Managed::Set(_) => format!("{attribute} •••"),
        Managed::Clear => format!("{attribute} (empty)"),
    });
    shown.extend(managed);
    shown.extend(user.create_only.keys().map(|attribute| format!("{attribute} •••")));
    shown.join(", ")
}

/// Proves the token by using it, and looks the example up.
async fn check_target(connections: &Connections, example: Option<&DesiredUser>, report: &mut CheckReport) {
    let target = match connections.target().await {
        Ok(target) => target,
        Err(error) => return report.bad("target", explain(&error)),
    };
    match target.check().await {
        Ok(()) => report.good("target", format!("{} accepts the token", connections.connection.target.url)),
        Err(error @ TargetError::Unauthorized { .. }) => {
            return report.bad("target", format!("the token is refused: {error}"));
        }
        Err(error) => return report.bad("target", error.to_string()),
    }
    let Some(user) = example else { return };
    match target.missing_from_schemas(user.attributes.keys().map(TargetAttribute::as_str)).await {
        Ok(lacking) if !lacking.is_empty() => {
            let lacking = lacking.join(", ");
            report.good(
                "attributes",
                format!("the target's schemas don't have {lacking}; it may not keep them"),
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
