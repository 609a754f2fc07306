//! Comparison of the users in scope with the known ones, by anchor alone. It is needed after a changed group, and where the
//! server does not name deleted entries.

use model::{AnchorHash, Entry, Fingerprint, IncompleteRead};

use crate::config::AnchorForm;
use crate::directory::Directory;
use crate::errors::DirectoryError;
use crate::read::{FullRead, ReadItem};
use crate::scope::ScopeSelection;
use crate::server::DirectoryServer;

use super::set::{ChangeSet, DELETED_MANAGER};

/// Result of a comparison.
#[derive(Debug)]
pub enum ScopeComparison {
    /// Added and missing users are known.
    Done,
    /// Full scan needed, for this reason.
    FullScanNeeded(String),
    /// The comparison broke off and proves nothing.
    Incomplete(IncompleteRead),
}

impl ChangeSet {
    /// Compares the users in scope with the known ones, sorted by hash. New users are added to those to read, missing ones to
    /// those that the read accounts for.
    pub async fn compare_scope(
        &mut self,
        directory: &mut Directory,
        known: &[(AnchorHash, Fingerprint)],
    ) -> ScopeComparison {
        match self.compare(directory, known).await {
            Ok(comparison) => comparison,
            // A full read searches differently, and what it finds is not lost.
            Err(refused @ IncompleteRead::Refused { .. }) => {
                ScopeComparison::FullScanNeeded(format!("the comparison of the scope broke off: {refused}"))
            }
            Err(incomplete) => ScopeComparison::Incomplete(incomplete),
        }
    }

    async fn compare(
        &mut self,
        directory: &mut Directory,
        known: &[(AnchorHash, Fingerprint)],
    ) -> Result<ScopeComparison, IncompleteRead> {
        if let Some(present) = self.present.take() {
            let gone = known.iter().map(|(hash, _)| *hash).filter(|hash| !present.contains(hash));
            self.accounted.extend(gone);
        }
        let is_known = |hash: &AnchorHash| known.binary_search_by_key(hash, |(known, _)| *known).is_ok();
        if !self.groups_changed && self.unclassified_deletions.iter().all(is_known) {
            return Ok(ScopeComparison::Done);
        }
        let broke_off = |error: DirectoryError| IncompleteRead::BrokeOff(error.to_string());
        let server = DirectoryServer::inspect(directory).await.map_err(broke_off)?;
        let mut selection = ScopeSelection::prepare(directory, &server.root).await.map_err(broke_off)?;
        selection.compare_groups(directory, &server.root, &self.cursor.groups).await.map_err(broke_off)?;
        self.cursor.groups = selection.groups.clone();
        let has_references = !directory.config.references.is_empty();
        let has_text_anchor = directory.config.anchor.form == AnchorForm::Text;
        let attributes = directory.config.identifying();
        let mut read = FullRead::new(directory, server, selection, attributes);
        let mut seen = vec![false; known.len()];
        while let Some(page) = read.next_page().await? {
            page.into_iter().for_each(|item| self.compare_item(item, known, &mut seen));
        }
        read.finish().await?;
        if has_text_anchor {
            // Two new entries with one anchor are found by a search for it alone.
            self.to_read.values_mut().for_each(|dn| *dn = None);
        }
        let missing = known.iter().zip(seen).filter(|(_, seen)| !seen).map(|((hash, _), _)| *hash);
        let missing: Vec<AnchorHash> = missing.collect();
        // The missing users may only be out of scope, but the account can't see deleted objects.
        let is_ad = self.server.root.is_active_directory;
        if is_ad && has_references && !self.sees_deleted && !missing.is_empty() {
            return Ok(ScopeComparison::FullScanNeeded(DELETED_MANAGER.to_owned()));
        }
        self.accounted.extend(missing);
        Ok(ScopeComparison::Done)
    }

    fn compare_item(&mut self, item: ReadItem, known: &[(AnchorHash, Fingerprint)], seen: &mut [bool]) {
        let ReadItem::Entry(Entry { anchor, dn, .. }) = item else {
            self.unidentified.push(item);
            return;
        };
        match known.binary_search_by_key(&anchor.hash(), |(known, _)| *known) {
            Ok(at) => seen.get_mut(at).into_iter().for_each(|seen| *seen = true),
            Err(_) => {
                let dn = Some(dn).filter(|_| !self.server.root.is_active_directory);
                self.to_read.entry(anchor).or_insert(dn);
            }
        }
    }
}
