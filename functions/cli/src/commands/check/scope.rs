//! The entries in scope, as `check` reads and counts them.

use std::collections::{BTreeSet, HashSet};

use directory::{Cursor, Directory, DirectoryError, ReadItem, ServerKind};
use model::{Desired, DesiredUser, DnKey, Entry, IncompleteRead};
use plan::mapping::RecordedValues;
use plan::{Observation, observe};
use runtime::Connection;
use scan::UnidentifiedEntry;

use super::report::CheckReport;

/// Entries of which all attributes are listed, to name those that the mapping may have meant.
const SAMPLE: usize = 10;

/// A read of the whole scope.
pub(super) struct ScopeRead {
    pub(super) counts: ScopeCounts,
    pub(super) cursor: Cursor,
    pub(super) ended: Result<(), IncompleteRead>,
}

impl ScopeRead {
    pub(super) async fn of(
        connection: &Connection,
        directory: &mut Directory,
    ) -> Result<Self, DirectoryError> {
        let mut read = directory.read(None, runtime::now()).await?;
        let mut counts = ScopeCounts::new(connection);
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
        Ok(Self { counts, cursor, ended })
    }
}

/// Numbers of the entries in scope.
#[derive(Default)]
pub(super) struct ScopeCounts {
    entries: u64,
    /// Their DNs.
    pub(super) in_scope: HashSet<DnKey>,
    /// DNs of the first of them.
    sample: Vec<String>,
    disabled: u64,
    /// Entries that show the status attribute.
    with_status: u64,
    /// Directory attributes of the mapping, in lower case, that no entry shows.
    absent: BTreeSet<String>,
    invalid: u64,
    /// DN and problem of the first entry that can't be mapped.
    problem: Option<String>,
    unidentified: Option<UnidentifiedEntry>,
    /// The first user that can be mapped, with the anchor.
    pub(super) example: Option<(String, DesiredUser)>,
}

impl ScopeCounts {
    fn new(connection: &Connection) -> Self {
        Self { absent: connection.policy.rules.mapping.source_attributes(), ..Self::default() }
    }

    fn add(&mut self, connection: &Connection, item: ReadItem) {
        let entry = match item {
            ReadItem::Entry(entry) => entry,
            ReadItem::Unidentified { dn, why } => {
                self.unidentified.get_or_insert(UnidentifiedEntry { dn, why });
                return;
            }
        };
        self.count(connection, &entry);
        match observe(&connection.policy.rules, &entry, runtime::now(), RecordedValues::default()) {
            Observation::Invalid { error, .. } => {
                self.invalid += 1;
                self.problem.get_or_insert(format!("{}: {error}", entry.dn));
            }
            Observation::Valid(desired) => {
                self.disabled += u64::from(!desired.is_active());
                if let (None, Desired::Present(user)) = (&self.example, desired) {
                    self.example = Some((entry.anchor.to_string(), user));
                }
            }
        }
    }

    fn count(&mut self, connection: &Connection, entry: &Entry) {
        self.entries += 1;
        self.in_scope.insert(DnKey::of(&entry.dn));
        if self.sample.len() < SAMPLE {
            self.sample.push(entry.dn.clone());
        }
        let attributes = &entry.attributes;
        let status = connection.policy.rules.status.attribute();
        self.with_status += u64::from(status.is_some_and(|name| attributes.one(name).is_some()));
        // An attribute without the right to read it is a problem of the mapping.
        self.absent.retain(|name| attributes.one(name).is_none() && !attributes.is_hidden(name));
    }

    /// Reports the number of entries, and a status attribute that none of them shows.
    pub(super) fn report_entries(&self, connection: &Connection, report: &mut CheckReport) {
        let Self { entries, disabled, with_status, .. } = self;
        if *entries == 0 {
            let advice = "check the group or filter, and that the reading account may read the users";
            return report.bad("scope", format!("matches no entry; {advice}"));
        }
        report.good("scope", format!("matches {entries} entries, {disabled} of them disabled"));
        if let (0, Some(attribute)) = (with_status, connection.policy.rules.status.attribute()) {
            let advice = "if some users have it, the reading account needs the right to read it";
            let result = format!("no entry shows {attribute}; {advice}");
            match is_of_preset(attribute) {
                true => report.good("status attribute", result),
                false => report.warn("status attribute", result),
            }
        }
    }

    /// Reports source attributes that no entry shows: a target attribute made of them is cleared for every user. `unknown`
    /// are those that are reported already.
    pub(super) async fn report_sources(
        &self,
        connection: &Connection,
        directory: &mut Directory,
        (unknown, report): (&BTreeSet<String>, &mut CheckReport),
    ) {
        let mapping = &connection.policy.rules.mapping;
        let lost = mapping.without(&self.absent.difference(unknown).cloned().collect());
        if self.entries == 0 || lost.is_empty() {
            return;
        }
        let shown = match directory.shown_attributes(&self.sample).await {
            Ok(shown) => shown,
            Err(error) => return report.bad("mapping", error.to_string()),
        };
        for (attribute, sources) in lost {
            let near: BTreeSet<&str> = sources.iter().flat_map(|source| nearest(source, &shown)).collect();
            let near: Vec<&str> = near.into_iter().collect();
            let advice = match near.is_empty() {
                true => String::new(),
                false => format!("; entries show {}", near.join(", ")),
            };
            report.warn(
                "mapping",
                format!(
                    "no entry in scope shows {}, the source of {attribute}{advice}; check the name, and the right to read it",
                    sources.join(", ")
                ),
            );
        }
    }

    /// Reports entries without an anchor, and those that can't be mapped. If one user can be mapped, a run is possible.
    pub(super) fn report_bad_entries(&self, report: &mut CheckReport) {
        if let Some(UnidentifiedEntry { dn, why }) = &self.unidentified {
            report.bad("anchor", format!("{dn}: {why}"));
        }
        let Some(problem) = &self.problem else { return };
        let Self { invalid, entries, .. } = self;
        let result = format!(
            "{invalid} of {entries} entries can't be mapped and get no account; the first: {problem}"
        );
        match self.example {
            None => report.bad("mapping", result),
            Some(_) => report.warn("mapping", result),
        }
    }
}

/// Whether a status attribute is that of a preset: servers show it for disabled users alone.
fn is_of_preset(attribute: &str) -> bool {
    let kinds = ServerKind::NAMES.iter().filter_map(|name| name.parse::<ServerKind>().ok());
    let presets = kinds.map(|kind| kind.preset().status);
    presets
        .into_iter()
        .any(|status| status.attribute().is_some_and(|preset| preset.eq_ignore_ascii_case(attribute)))
}

/// Up to three attribute names that are similar to a name, the most similar first.
fn nearest<'a>(name: &str, shown: &'a BTreeSet<String>) -> Vec<&'a str> {
    const MIN_SIMILARITY: f64 = 0.85;
    const MOST: usize = 3;
    let name = name.to_lowercase();
    let similarity = |other: &str| strsim::jaro_winkler(&name, &other.to_lowercase());
    let near = shown.iter().map(|other| (similarity(other), other.as_str()));
    let mut near: Vec<(f64, &str)> = near.filter(|(similarity, _)| *similarity >= MIN_SIMILARITY).collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(MOST).map(|(_, other)| other).collect()
}
