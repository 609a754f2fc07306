//! Reading what has changed since the last time.
//!
//! Four ways lead to it, and each is a file here: Active Directory's DirSync and its update sequence numbers, content
//! synchronisation (RFC 4533), and the time of the last modification. All of them only *name* entries that are worth a
//! look. What an entry says and whether it is in scope is then read as always, so a way of asking can't be wrong about
//! anybody; it can at most miss somebody, and the read of everybody that comes every few hours is there for that.
//!
//! Three things can change who is in scope without the users themselves being touched, and are looked after here:
//!
//! - a group's members, or the groups within it: then all who are in scope are compared with those who were
//!   ([`ChangeSet::compare_scope`]), by anchor alone, which costs a fraction of reading them;
//! - the name of a branch of the tree: then everybody is read;
//! - in Active Directory, the name of a manager, which changes in the entries of those who name them without these
//!   counting as changed: then they are looked at too; and when somebody is deleted, everybody is read.

mod compare;
mod dirsync;
mod sync;
mod timestamp;
mod touched;
mod usn;

use std::collections::{BTreeMap, HashSet};

use model::{
    Anchor, AnchorHash, Attributes, CompleteRead, DnKey, Entry, Freshness, IncompleteRead, UnixSeconds,
};

use crate::config::{AnchorForm, ChangeDetection, DirectoryConfig, Scope};
use crate::connection::Connection;
use crate::cursor::{Cursor, Position};
use crate::directory::Directory;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::escape::escape;
use crate::filter::enclosed;
use crate::read::{ReadItem, conclude, evidence_of_changes};
use crate::scope::Selection;
use crate::search::Query;
use crate::server::Server;
use crate::wire::SearchScope;
pub use compare::ScopeComparison;
use touched::{Class, Found, Touched};

/// How many entries are looked at at once. Servers limit how long a filter may be, and how many entries come unpaged.
const BATCH: usize = 100;

/// When more entries than this have changed, everybody is read.
const MOST_CHANGES: usize = 5000;

/// Where to go on after a read of everybody that begins now; `None` if the server has no way to tell what changed.
pub(crate) async fn begin(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
) -> Result<Option<Position>, DirectoryError> {
    use ChangeDetection::{Auto, DirSync, None as Never, Sync, Timestamp, Usn};
    // Such an attribute changes when a group does, and the entry doesn't count as changed.
    if config.attributes.iter().any(|name| is_computed(name)) {
        return Ok(None);
    }
    let wants = |way| config.changes == Auto || config.changes == way;
    let is_ad = server.root.is_active_directory && config.anchor.form == AnchorForm::Guid;
    let is_uuid = config.anchor.attribute.eq_ignore_ascii_case("entryUUID");
    if config.changes == Never {
        return Ok(None);
    }
    if is_ad
        && wants(DirSync)
        && let Some(position) = dirsync::begin(connection, server).await?
    {
        return Ok(Some(position));
    }
    if is_ad
        && wants(Usn)
        && let Some(position) = usn::begin(connection, server).await?
    {
        return Ok(Some(position));
    }
    if is_uuid
        && wants(Sync)
        && let Some(position) = sync::begin(connection, config, server).await?
    {
        return Ok(Some(position));
    }
    if server.has_timestamps && wants(Timestamp) {
        return Ok(Some(timestamp::begin(connection, config, server).await?));
    }
    Ok(None)
}

/// Takes in when an entry was last modified.
pub(crate) fn note_time(since: &mut String, attributes: &Attributes) {
    timestamp::note(since, attributes);
}

/// Attributes of a user that a group's change changes.
fn is_computed(attribute: &str) -> bool {
    ["memberOf", "isMemberOf"].iter().any(|name| attribute.eq_ignore_ascii_case(name))
}

/// What there is to be read.
pub enum ChangeResponse {
    /// What has changed; [`Directory::follow`] reads it.
    Changes(Box<ChangeSet>),
    /// The changes can't be told, for this reason: everybody is to be read.
    FullScanNeeded(String),
}

/// A read of what has changed.
pub struct ChangeRead<'d> {
    directory: &'d mut Directory,
    changed: ChangeSet,
}

/// Which entries have changed.
pub struct ChangeSet {
    server: Server,
    cursor: Cursor,
    selection: Option<Selection>,
    /// Who is to be looked at, with the name where it is known.
    to_look_at: BTreeMap<Anchor, Option<String>>,
    /// Who was looked at, whatever came of it.
    named: HashSet<AnchorHash>,
    /// Entries that were deleted, and may be anything. If they are nobody who is known, they may be a group or a branch.
    unexplained: Vec<AnchorHash>,
    /// Everybody who is there, where the server tells that instead of who is gone.
    present: Option<HashSet<AnchorHash>>,
    /// Whether a group in scope has changed.
    groups_changed: bool,
    /// Whether the server says who was deleted.
    sees_deleted: bool,
    /// Who was met and can't be identified.
    unidentified: Vec<ReadItem>,
    undecodable: usize,
}

impl Directory {
    /// Asks for what has changed since the cursor was made.
    pub async fn changes(
        &mut self,
        cursor: &Cursor,
        now: UnixSeconds,
    ) -> Result<ChangeResponse, DirectoryError> {
        let everybody = |why: &str| Ok(ChangeResponse::FullScanNeeded(why.to_owned()));
        let Self { connection, config, .. } = self;
        let Some(position) = &cursor.position else {
            return everybody("the server has no way to tell what has changed");
        };
        if cursor.asked != config.fingerprint() {
            return everybody("the configuration has changed");
        }
        let server = Server::look(connection, config).await?;
        if server.identity != cursor.server {
            return everybody("another server answers than the last time");
        }
        if server.freshness(connection, cursor).await? != Freshness::NotOlder {
            return everybody("the server knows less than the last time");
        }
        let top = crate::scope::check_group(connection, config).await?;
        let found = match position {
            Position::Dirsync { cookie, sees_deleted } => {
                dirsync::changed(connection, &server, cookie, *sees_deleted).await?
            }
            Position::Usn { usn, sees_deleted } => {
                usn::changed(connection, config, &server, *usn, *sees_deleted).await?
            }
            Position::Sync { cookie } => sync::changed(connection, config, &server, cookie).await?,
            Position::Timestamp { since, branches } => {
                timestamp::changed(connection, config, &server, since, *branches).await?
            }
        };
        let mut found = match found {
            Ok(found) => found,
            Err(refusal) => return Ok(ChangeResponse::FullScanNeeded(refusal)),
        };
        if found.touched.len() > MOST_CHANGES {
            return everybody("so much has changed that it is quicker to read everybody");
        }
        if server.root.is_active_directory {
            touched::classify(connection, config, &server, &mut found.touched).await?;
        }
        if let Some(branch) = found.touched.iter().find(|touched| touched.is_branch(config)) {
            tracing::debug!(entry.anchor = %branch.anchor, "a branch of the tree was changed");
            return everybody("a branch of the tree was changed, and with it the names of all who are in it");
        }
        let references = server.root.is_active_directory && !config.references.is_empty();
        if references && found.touched.iter().any(Touched::is_deleted_person) {
            return everybody("somebody was deleted, and the server does not tell who had them as a manager");
        }
        // A group that was deleted and made anew under its name is another one.
        let is_other_group = top.is_some_and(|top| !cursor.groups.contains(&top));
        let is_missing = |present: &HashSet<AnchorHash>| {
            cursor.groups.iter().any(|group| !present.contains(&group.hash()))
        };
        let mut groups_changed =
            found.compare || is_other_group || found.present.as_ref().is_some_and(is_missing);
        let by_groups = depends_on_groups(config);
        for touched in &found.touched {
            groups_changed |= cursor.groups.contains(&touched.anchor);
            groups_changed |= by_groups && matches!(touched.class, Class::Group | Class::Unknown);
        }
        let unexplained = if found.deletions_unexplained {
            found.touched.iter().filter(|t| t.is_deleted).map(|t| t.anchor.hash()).collect()
        } else {
            Vec::new()
        };
        let mut to_look_at: BTreeMap<Anchor, Option<String>> = BTreeMap::new();
        let mut names = Vec::new();
        for Touched { anchor, dn, class, .. } in found.touched {
            if matches!(class, Class::Person | Class::Unknown) {
                names.extend(dn.clone().filter(|_| references));
                to_look_at.insert(anchor, dn.filter(|_| !server.root.is_active_directory));
            }
        }
        for anchor in referring(connection, config, &server, &names).await? {
            to_look_at.entry(anchor).or_default();
        }
        for anchor in expiring(connection, config, &server, cursor.read_at, now).await? {
            to_look_at.entry(anchor).or_default();
        }
        let cursor = Cursor {
            mark: server.mark.clone(),
            position: Some(found.position),
            read_at: now,
            ..cursor.clone()
        };
        Ok(ChangeResponse::Changes(Box::new(ChangeSet {
            server,
            cursor,
            selection: None,
            to_look_at,
            named: HashSet::new(),
            unexplained,
            present: found.present,
            groups_changed,
            sees_deleted: !found.compare,
            unidentified: Vec::new(),
            undecodable: 0,
        })))
    }

    /// Reads what has changed.
    pub fn read_changes(&mut self, changed: ChangeSet) -> ChangeRead<'_> {
        ChangeRead { directory: self, changed }
    }
}

/// Whether somebody can come into scope or leave it when any group changes.
fn depends_on_groups(config: &DirectoryConfig) -> bool {
    let mentions = |filter: &str| {
        let filter = filter.to_ascii_lowercase();
        filter.contains("memberof")
    };
    let by_scope = matches!(&config.scope, Scope::Filter(filter) if mentions(filter));
    by_scope || mentions(&config.user_filter)
}

/// Those who name one of these as a manager, say. In Active Directory such a name follows when the other is renamed or
/// moved, and whoever holds it does not count as changed.
async fn referring(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
    names: &[String],
) -> Result<Vec<Anchor>, DirectoryError> {
    let mut found = Vec::new();
    for batch in names.chunks(BATCH) {
        let any: String = batch
            .iter()
            .flat_map(|dn| config.references.iter().map(move |name| format!("({name}={})", escape(dn))))
            .collect();
        found.extend(anchors_of(connection, config, server, &format!("(|{any})")).await?);
    }
    Ok(found)
}

/// Those whose account expired since the last read. Nothing about them was changed: only time went by.
async fn expiring(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
    from: UnixSeconds,
    to: UnixSeconds,
) -> Result<Vec<Anchor>, DirectoryError> {
    let Some(attribute) = &config.expires else { return Ok(Vec::new()) };
    let (from, to) = (plan::status::file_time(from), plan::status::file_time(to));
    let condition = format!("({attribute}>={from})({attribute}<={to})");
    anchors_of(connection, config, server, &condition).await
}

/// The users who pass a condition.
async fn anchors_of(
    connection: &mut Connection,
    config: &DirectoryConfig,
    server: &Server,
    condition: &str,
) -> Result<Vec<Anchor>, DirectoryError> {
    let query = Query {
        base: config.base_dn.clone(),
        scope: SearchScope::Subtree,
        filter: format!("(&{}{condition})", enclosed(&config.user_filter)),
        attributes: vec![config.anchor.attribute.clone()],
        doing: DirectoryOperation::ReadingChanges,
    };
    let page_size = server.root.has_paging.then_some(config.page_size);
    let entries = connection.ask_paged(query, page_size, &[]).await?;
    let anchors = entries.iter().map(|entry| config.anchor.of(&entry.attributes));
    let anchors: Result<_, _> = anchors.collect();
    anchors.map_err(|detail| DirectoryError::Protocol { doing: DirectoryOperation::ReadingChanges, detail })
}

/// Active Directory takes whoever is deleted out of the entries that named them, and none of these counts as changed.
const DELETED_MANAGER: &str = "somebody was deleted, and the server does not tell who had them as a manager";

impl ChangeRead<'_> {
    /// The next few who are in scope. Those who were to be looked at and are not in scope are named at the end.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ReadItem>>, IncompleteRead> {
        if !self.changed.unidentified.is_empty() {
            let unidentified = std::mem::take(&mut self.changed.unidentified);
            self.changed.undecodable += unidentified.len();
            return Ok(Some(unidentified));
        }
        if self.changed.to_look_at.is_empty() {
            return Ok(None);
        }
        self.look().await.map(Some).map_err(|error| IncompleteRead::BrokeOff(error.to_string()))
    }

    async fn look(&mut self) -> Result<Vec<ReadItem>, DirectoryError> {
        let Directory { connection, config, .. } = &mut *self.directory;
        let selection = match self.changed.selection.take() {
            Some(selection) => selection,
            None => {
                let selection = Selection::prepare(connection, config, &self.changed.server.root).await?;
                self.changed.cursor.groups = selection.groups.clone();
                selection
            }
        };
        let mut by_anchor = Vec::new();
        let mut found = Vec::new();
        for _ in 0..BATCH {
            let Some((anchor, dn)) = self.changed.to_look_at.pop_first() else { break };
            self.changed.named.insert(anchor.hash());
            match dn {
                Some(dn) => {
                    // Where only a part of the tree is the base, what is beside it is out of scope.
                    if is_under(&dn, &config.base_dn) {
                        let query = query(config, &dn, SearchScope::Base, selection.filter.clone());
                        found.extend(connection.ask_for_one(query).await?);
                    }
                }
                None => by_anchor.extend(config.anchor.condition(&anchor)),
            }
        }
        if !by_anchor.is_empty() {
            let filter = format!("(&(|{}){})", by_anchor.concat(), selection.filter);
            let query = query(config, &config.base_dn, SearchScope::Subtree, filter);
            found.extend(connection.ask(query).await?);
        }
        let mut sightings = Vec::new();
        for entry in found {
            if !selection.members.contain(&entry.dn, &entry.attributes) {
                continue;
            }
            sightings.push(match config.anchor.of(&entry.attributes) {
                Ok(anchor) => ReadItem::Entry(Entry { anchor, dn: entry.dn, attributes: entry.attributes }),
                Err(why) => {
                    self.changed.undecodable += 1;
                    ReadItem::Unidentified { dn: entry.dn, why }
                }
            });
        }
        self.changed.selection = Some(selection);
        Ok(sightings)
    }

    /// Notes how much the server knows by now, before what was seen so far is acted upon.
    pub async fn update_replication_state(&mut self) {
        let Directory { connection, config, .. } = &mut *self.directory;
        self.changed.server.update_replication_state(connection, config).await;
        self.changed.cursor.mark = self.changed.server.mark.clone();
    }

    /// Where the next read goes on, if this one comes to its end.
    pub fn cursor(&self) -> Cursor {
        self.changed.cursor.clone()
    }

    /// Looks at base, group and server again and judges what was seen. The proof accounts for those who were named and
    /// for nobody else.
    pub async fn finish(self) -> Result<CompleteRead, IncompleteRead> {
        if !self.changed.to_look_at.is_empty() || !self.changed.unidentified.is_empty() {
            return Err(IncompleteRead::NoEnd);
        }
        let evidence = evidence_of_changes(
            &self.changed.server,
            Freshness::NotOlder,
            self.changed.named,
            self.changed.undecodable,
        );
        conclude(self.directory, &self.changed.server, evidence).await
    }
}

fn query(config: &DirectoryConfig, base: &str, scope: SearchScope, filter: String) -> Query {
    Query {
        base: base.to_owned(),
        scope,
        filter,
        attributes: config.requested(),
        doing: DirectoryOperation::LookingUp { attribute: config.anchor.attribute.clone() },
    }
}

/// Whether an entry is another one, or under it.
fn is_under(dn: &str, base: &str) -> bool {
    let base = DnKey::of(base);
    let mut escaped = false;
    let ends = dn.char_indices().filter(|(_, character)| {
        let separates = *character == ',' && !escaped;
        escaped = *character == '\\' && !escaped;
        separates
    });
    let mut parts = std::iter::once(dn).chain(ends.filter_map(|(at, _)| dn.get(at + 1..)));
    parts.any(|part| DnKey::of(part) == base)
}

/// What a way of asking found, or why everybody must be read instead.
type Answer = Result<Found, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_the_base() {
        for (dn, base, expected) in [
            ("uid=ada,ou=people,dc=acme", "ou=people,dc=acme", true),
            ("uid=ada, OU=People, dc=acme", "ou=people,dc=acme", true),
            ("ou=people,dc=acme", "ou=people,dc=acme", true),
            ("uid=ada,ou=former,dc=acme", "ou=people,dc=acme", false),
            (r"cn=x\,ou=people,dc=acme", "ou=people,dc=acme", false),
            (r"cn=Smith\, Jo,ou=people,dc=acme", "ou=people,dc=acme", true),
            ("dc=acme", "ou=people,dc=acme", false),
        ] {
            assert_eq!(is_under(dn, base), expected, "{dn}");
        }
    }
}
