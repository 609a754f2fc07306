//! Read of the changed entries.

use model::{CompleteRead, Entry, IncompleteRead, ReadEvidence};

use crate::change_time::{CREATED, MODIFIED};
use crate::config::DirectoryConfig;
use crate::cursor::Cursor;
use crate::decode::DecodedEntry;
use crate::directory::Directory;
use crate::dn::is_under;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::evidence;
use crate::read::ReadItem;
use crate::scope::ScopeSelection;
use crate::search::SearchQuery;
use crate::wire::SearchScope;

use super::set::ChangeSet;

/// Entries per page. Servers limit the length of a filter and the number of entries without paging.
const BATCH: usize = 100;

/// Read of the changed entries.
pub struct ChangeRead<'d> {
    directory: &'d mut Directory,
    changes: ChangeSet,
}

impl Directory {
    /// Starts to read the changed entries.
    pub fn read_changes(&mut self, changes: ChangeSet) -> ChangeRead<'_> {
        ChangeRead { directory: self, changes }
    }
}

impl ChangeRead<'_> {
    /// Next users in scope. An entry that is not in scope is accounted for by the proof of [`finish`](Self::finish).
    pub async fn next_page(&mut self) -> Result<Option<Vec<ReadItem>>, IncompleteRead> {
        if !self.changes.unidentified.is_empty() {
            let unidentified = std::mem::take(&mut self.changes.unidentified);
            self.changes.undecodable += unidentified.len();
            return Ok(Some(unidentified));
        }
        if self.changes.to_read.is_empty() {
            return Ok(None);
        }
        self.read_batch().await.map(Some).map_err(|error| {
            if matches!(error, DirectoryError::Refused { .. }) {
                // The next incremental read would be refused as well.
                self.changes.cursor.position = None;
            }
            IncompleteRead::BrokeOff(error.to_string())
        })
    }

    async fn read_batch(&mut self) -> Result<Vec<ReadItem>> {
        let mut selection = match self.changes.selection.take() {
            Some(selection) => selection,
            None => {
                let root = &self.changes.server.root;
                let mut selection = ScopeSelection::prepare(self.directory, root).await?;
                selection.compare_groups(self.directory, root, &self.changes.cursor.groups).await?;
                self.changes.hidden = selection.gap.clone();
                self.changes.cursor.groups = selection.groups.clone();
                self.changes.server.note_groups(selection.newest.as_ref());
                selection
            }
        };
        let times: &[&str] =
            if self.changes.server.reads_change_times(None) { &[MODIFIED, CREATED] } else { &[] };
        let Directory { connection, config, base_dn, .. } = &mut *self.directory;
        let mut by_anchor = Vec::new();
        let mut found = Vec::new();
        for _ in 0..BATCH {
            let Some((anchor, dn)) = self.changes.to_read.pop_first() else { break };
            self.changes.accounted.insert(anchor.hash());
            match dn {
                // Change detection covers the whole tree; an entry outside the base is not in scope.
                Some(dn) if is_under(&dn, base_dn) => {
                    let query = query(config, (&dn, SearchScope::Base), selection.filter.clone(), times);
                    found.extend(connection.search_one(query).await?);
                }
                Some(_) => {}
                None => by_anchor.extend(config.anchor.condition(&anchor)),
            }
        }
        if !by_anchor.is_empty() {
            let filter = format!("(&(|{}){})", by_anchor.concat(), selection.filter);
            let query = query(config, (&config.base_dn, SearchScope::Subtree), filter, times);
            found.extend(connection.search(query).await?);
        }
        let items = self.items(&mut selection, found).await?;
        self.changes.selection = Some(selection);
        Ok(items)
    }

    /// Items of the entries that are in scope.
    async fn items(
        &mut self,
        selection: &mut ScopeSelection,
        found: Vec<DecodedEntry>,
    ) -> Result<Vec<ReadItem>> {
        let mut items = Vec::new();
        for mut entry in found {
            self.changes.server.note_user(&entry.attributes);
            self.directory.mark_hidden(&entry.dn, &mut entry.attributes).await?;
            let root = &self.changes.server.root;
            if !selection.includes(self.directory, root, (&entry.dn, &entry.attributes)).await? {
                continue;
            }
            items.push(match self.directory.config.anchor.of(&entry.attributes) {
                Ok(anchor) => ReadItem::Entry(Entry { anchor, dn: entry.dn, attributes: entry.attributes }),
                Err(why) => {
                    self.changes.undecodable += 1;
                    ReadItem::Unidentified { dn: entry.dn, why }
                }
            });
        }
        Ok(items)
    }

    /// Reads the server's replication state again, before the users read so far are written.
    pub async fn update_replication_state(&mut self) {
        self.changes.server.update_replication_state(self.directory).await;
    }

    /// Cursor for the next read. It is valid once this read has ended.
    pub fn cursor(&self) -> Cursor {
        let ChangeSet { server, cursor, .. } = &self.changes;
        let mut known = cursor.known.clone();
        server.state().add_to(&mut known);
        Cursor { known, ..cursor.clone() }
    }

    /// Reads base, group and server again, and judges the evidence. The proof accounts for the changed entries alone.
    pub async fn finish(self) -> Result<CompleteRead, IncompleteRead> {
        let ChangeSet { server, freshness, hidden, to_read, accounted, unidentified, undecodable, .. } =
            self.changes;
        if !to_read.is_empty() || !unidentified.is_empty() {
            return Err(IncompleteRead::NoEnd);
        }
        let evidence = ReadEvidence {
            page_results: vec![0],
            ended_by_server: true,
            undecodable_entries: undecodable,
            hidden,
            freshness,
            named: Some(accounted),
            ..evidence::initial(&server)
        };
        evidence::conclude(self.directory, &server, evidence).await
    }
}

fn query(
    config: &DirectoryConfig,
    (base, scope): (&str, SearchScope),
    filter: String,
    times: &[&str],
) -> SearchQuery {
    let mut attributes = config.requested();
    attributes.extend(times.iter().map(|name| (*name).to_owned()));
    SearchQuery {
        base: base.to_owned(),
        scope,
        filter,
        attributes,
        operation: DirectoryOperation::LookingUp(config.anchor.attribute.clone()),
    }
}
