//! Entries to read after change detection.

use std::collections::{BTreeMap, HashSet};

use model::{Anchor, AnchorHash, Freshness, UnixSeconds};

use crate::config::{AnchorForm, DirectoryConfig, Scope};
use crate::cursor::{Cursor, CursorPosition};
use crate::detection::{self, ChangedEntry, DetectedChanges, EntryClass};
use crate::directory::Directory;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::filter::{enclosed, escape};
use crate::read::ReadItem;
use crate::scope::{ScopeSelection, check_group};
use crate::search::SearchQuery;
use crate::server::DirectoryServer;

/// DNs per search for referring entries. Servers limit the length of a filter.
const BATCH: usize = 100;

/// Most changed entries of an incremental read. With more, a full read is faster.
const MOST_CHANGES: usize = 5000;

/// Reason for a full scan. Active Directory removes a deleted user's DN from other entries without marking them as changed.
pub(super) const DELETED_MANAGER: &str =
    "a user was deleted, and the server does not tell which users had that user as their manager";

/// Result of change detection.
pub enum ChangeResponse {
    /// Changed entries; [`Directory::read_changes`] reads them.
    Changes(Box<ChangeSet>),
    /// Full scan needed, for this reason.
    FullScanNeeded(String),
}

/// Changed entries.
pub struct ChangeSet {
    pub(super) server: DirectoryServer,
    /// What has shown that the server's data is recent enough.
    pub(super) freshness: Freshness,
    pub(super) cursor: Cursor,
    pub(super) selection: Option<ScopeSelection>,
    /// Entries to read, with the DN where the method gives it.
    pub(super) to_read: BTreeMap<Anchor, Option<String>>,
    /// Entries that the read accounts for, whether they are in scope or not.
    pub(super) accounted: HashSet<AnchorHash>,
    /// Deleted entries of unknown class. Those that are no known user may be groups.
    pub(super) unclassified_deletions: Vec<AnchorHash>,
    /// All existing entries, where the server names these instead of the deleted ones.
    pub(super) present: Option<HashSet<AnchorHash>>,
    /// Whether a group in scope changed, so that the scope must be compared.
    pub(super) groups_changed: bool,
    /// Whether the server reports deletions.
    pub(super) sees_deleted: bool,
    /// Entries without a readable anchor, found in the comparison.
    pub(super) unidentified: Vec<ReadItem>,
    pub(super) undecodable: usize,
    /// Why users in scope may be hidden.
    pub(super) hidden: Option<String>,
}

impl ChangeSet {
    /// Whether nothing has changed, as far as it concerns users.
    pub fn is_empty(&self) -> bool {
        let Self { to_read, unclassified_deletions, groups_changed, present, sees_deleted, .. } = self;
        let is_comparable = *groups_changed || present.is_some() || !sees_deleted;
        to_read.is_empty() && unclassified_deletions.is_empty() && !is_comparable
    }

    /// Users of which the last known state is needed: those to read, and deleted entries that may have been users.
    pub fn affected(&self) -> Vec<AnchorHash> {
        let Self { to_read, unclassified_deletions, .. } = self;
        to_read.keys().map(Anchor::hash).chain(unclassified_deletions.iter().copied()).collect()
    }

    /// Adds users to read.
    pub fn add_anchors(&mut self, anchors: impl IntoIterator<Item = Anchor>) {
        for anchor in anchors {
            self.to_read.insert(anchor, None);
        }
    }

    /// Whether all known users are needed for [`compare_scope`](Self::compare_scope). `is_known` tells whether a user was in
    /// scope.
    pub fn needs_comparison(&self, is_known: impl Fn(&AnchorHash) -> bool) -> bool {
        self.groups_changed || self.present.is_some() || !self.unclassified_deletions.iter().all(is_known)
    }
}

impl Directory {
    /// Detects the changes since a cursor.
    pub async fn changes(&mut self, cursor: &Cursor, now: UnixSeconds) -> Result<ChangeResponse> {
        let full_scan = |why: &str| Ok(ChangeResponse::FullScanNeeded(why.to_owned()));
        let Some(position) = &cursor.position else {
            return full_scan("the server supports no change detection");
        };
        if cursor.query != self.config.fingerprint() {
            return full_scan("the configuration has changed");
        }
        let server = DirectoryServer::inspect(self).await?;
        if server.identity() != cursor.server {
            return full_scan("another server answers than in the last scan");
        }
        if cursor.is_unproved() {
            return full_scan("the server of the last scan did not show how recent its data is");
        }
        let comparison = server.compare(&mut self.connection, Some(cursor)).await?;
        let freshness = match comparison.search(self, &server).await {
            Err(error @ DirectoryError::Refused { .. }) => return full_scan(&refused(&error)),
            freshness => freshness?,
        };
        if !matches!(freshness, Freshness::Proved(_)) {
            return full_scan("the server does not show every change that the last scan saw");
        }
        let group = check_group(self).await?;
        if let Some(unseen) = unseen_group(cursor) {
            return full_scan(&format!(
                "the anchor of the group {unseen} can't be read, so a change of its members is not seen"
            ));
        }
        match self.detect_changes((cursor, position), (server, freshness), (group, now)).await {
            // A limit of the server, or a control that it serves no longer: a full scan is searched differently.
            Err(error @ DirectoryError::Refused { .. }) => full_scan(&refused(&error)),
            response => response,
        }
    }

    async fn detect_changes(
        &mut self,
        (cursor, position): (&Cursor, &CursorPosition),
        (server, freshness): (DirectoryServer, Freshness),
        (group, now): (Option<Anchor>, UnixSeconds),
    ) -> Result<ChangeResponse> {
        let full_scan = |why: &str| Ok(ChangeResponse::FullScanNeeded(why.to_owned()));
        let mut detected = match detection::detect(self, &server, position).await? {
            Ok(detected) => detected,
            Err(why) => return full_scan(&why),
        };
        if detected.entries.len() > MOST_CHANGES {
            return full_scan("so many entries changed that a full scan is faster");
        }
        if server.root.is_active_directory {
            detection::classify(self, &server, &mut detected.entries).await?;
        }
        if let Some(why) = self.unresolvable(&server, &detected.entries) {
            return full_scan(why);
        }
        let groups_changed = groups_changed(&self.config, cursor, group, &detected);
        let to_read = self.entries_to_read(&server, &detected.entries, (cursor.read_at, now)).await?;
        let deleted = detected.entries.iter().filter(|entry| entry.is_deleted);
        let unclassified = deleted.filter(|_| detected.deletions_unclassified);
        Ok(ChangeResponse::Changes(Box::new(ChangeSet {
            selection: None,
            to_read,
            accounted: HashSet::new(),
            unclassified_deletions: unclassified.map(|entry| entry.anchor.hash()).collect(),
            groups_changed,
            sees_deleted: !detected.compare_scope,
            unidentified: Vec::new(),
            undecodable: 0,
            hidden: None,
            present: detected.present,
            cursor: Cursor { position: Some(detected.position), read_at: now, ..cursor.clone() },
            server,
            freshness,
        })))
    }

    /// Reason for which the changed entries don't show all affected users.
    fn unresolvable(&self, server: &DirectoryServer, entries: &[ChangedEntry]) -> Option<&'static str> {
        if let Some(container) = entries.iter().find(|entry| entry.may_rename_others(&self.base_dn)) {
            tracing::debug!(entry.anchor = %container.anchor, "a container changed");
            return Some("a container changed, and with it possibly the DNs of the entries in it");
        }
        let has_references = server.root.is_active_directory && !self.config.references.is_empty();
        (has_references && entries.iter().any(ChangedEntry::is_deleted_person)).then_some(DELETED_MANAGER)
    }

    /// Entries to read: changed users, users that refer to them, and users with an account that expired meanwhile.
    async fn entries_to_read(
        &mut self,
        server: &DirectoryServer,
        entries: &[ChangedEntry],
        (from, to): (UnixSeconds, UnixSeconds),
    ) -> Result<BTreeMap<Anchor, Option<String>>> {
        let is_ad = server.root.is_active_directory;
        let mut to_read = BTreeMap::new();
        let mut renamed = Vec::new();
        for ChangedEntry { anchor, dn, class, .. } in entries {
            if matches!(class, EntryClass::Person | EntryClass::Unknown) {
                renamed.extend(dn.clone().filter(|_| is_ad));
                // An anchor that the server does not assign may be in several entries, and the search by anchor finds them all.
                let is_unique = self.config.anchor.form != AnchorForm::Text;
                to_read.insert(anchor.clone(), dn.clone().filter(|_| !is_ad && is_unique));
            }
        }
        let mut also = self.referring(server, &renamed).await?;
        // Expiry changes the status by time alone, without a change of the entry.
        if let Some(attribute) = &self.config.expires {
            let (from, to) = (plan::status::file_time(from), plan::status::file_time(to));
            let condition = format!("({attribute}>={from})({attribute}<={to})");
            also.extend(self.users_where(server, &condition).await?);
        }
        for anchor in also {
            to_read.entry(anchor).or_default();
        }
        Ok(to_read)
    }

    /// Users that refer to one of these DNs, such as by their manager. Active Directory updates a reference to a renamed
    /// entry without marking the referring entry as changed.
    async fn referring(&mut self, server: &DirectoryServer, dns: &[String]) -> Result<Vec<Anchor>> {
        let mut found = Vec::new();
        if self.config.references.is_empty() {
            return Ok(found);
        }
        for batch in dns.chunks(BATCH) {
            let references = &self.config.references;
            let any: String = batch
                .iter()
                .flat_map(|dn| references.iter().map(move |name| format!("({name}={})", escape(dn))))
                .collect();
            found.extend(self.users_where(server, &format!("(|{any})")).await?);
        }
        Ok(found)
    }

    /// Users that match a condition.
    async fn users_where(&mut self, server: &DirectoryServer, condition: &str) -> Result<Vec<Anchor>> {
        let Self { connection, config, .. } = self;
        let operation = DirectoryOperation::ReadingChanges;
        let query = SearchQuery::subtree(
            config.base_dn.clone(),
            format!("(&{}{condition})", enclosed(&config.user_filter)),
            vec![config.anchor.attribute.clone()],
            operation.clone(),
        );
        let page_size = server.root.has_paging.then_some(config.page_size);
        let entries = connection.search_paged(query, page_size).await?;
        let anchors: Result<_, _> = entries.iter().map(|entry| config.anchor.of(&entry.attributes)).collect();
        anchors.map_err(|detail| DirectoryError::protocol(&operation, detail))
    }
}

fn refused(error: &DirectoryError) -> String {
    format!("the server refused the search for changes: {error}")
}

/// Group with changes that the method does not name. The comparison by time reads the whole scope each time.
fn unseen_group(cursor: &Cursor) -> Option<&str> {
    let compares_scope = matches!(cursor.position, Some(CursorPosition::Timestamp { .. }));
    let unseen = cursor.groups.iter().find(|group| group.anchor.is_none() && !compares_scope);
    unseen.map(|group| group.dn.as_str())
}

/// Whether the scope may have changed by groups: `group` is the anchor of the configured one.
fn groups_changed(
    config: &DirectoryConfig,
    cursor: &Cursor,
    group: Option<Anchor>,
    detected: &DetectedChanges,
) -> bool {
    let is_known = |group: &Anchor| cursor.groups.iter().any(|known| known.anchor.as_ref() == Some(group));
    // A group that was deleted and created again under its DN is another group.
    let is_other_group = group.is_some_and(|group| !is_known(&group));
    let anchors = cursor.groups.iter().filter_map(|group| group.anchor.as_ref());
    let is_gone =
        |present: &HashSet<AnchorHash>| anchors.clone().any(|group| !present.contains(&group.hash()));
    let by_groups = depends_on_groups(config);
    let is_group_change = |entry: &ChangedEntry| {
        let may_be_group = matches!(entry.class, EntryClass::Group | EntryClass::Unknown);
        is_known(&entry.anchor) || (by_groups && may_be_group)
    };
    detected.compare_scope
        || is_other_group
        || detected.present.as_ref().is_some_and(is_gone)
        || detected.entries.iter().any(is_group_change)
}

/// Whether a change of any group may change the scope.
fn depends_on_groups(config: &DirectoryConfig) -> bool {
    let mentions = |filter: &str| filter.to_ascii_lowercase().contains("memberof");
    let by_scope = matches!(&config.scope, Scope::Filter(filter) if mentions(filter));
    by_scope || mentions(&config.user_filter)
}
