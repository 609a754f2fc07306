//! Comparing who is in scope with who was, by anchor alone: what a changed group, or a server that doesn't name
//! deletions, asks for.

use model::{Anchor, AnchorHash, Entry, Fingerprint, IncompleteRead};

use crate::directory::Directory;
use crate::errors::DirectoryError;
use crate::read::{FullRead, ReadItem};
use crate::scope::Selection;
use crate::server::Server;

use super::{ChangeSet, DELETED_MANAGER};

/// How a comparison ended.
#[derive(Debug)]
pub enum ScopeComparison {
    /// Those who came and those who are missing are known.
    Done,
    /// It isn't enough, for this reason: everybody is to be read.
    FullScanNeeded(String),
    /// It broke off, and proves nothing.
    Incomplete(IncompleteRead),
}

impl ChangeSet {
    /// Of whom has to be known how they looked before: those who are going to be looked at, and those who may have been
    /// users.
    pub fn affected(&self) -> Vec<AnchorHash> {
        let Self { to_look_at, unexplained, .. } = self;
        to_look_at.keys().map(Anchor::hash).chain(unexplained.iter().copied()).collect()
    }

    /// Looks at these too.
    pub fn add_anchors(&mut self, anchors: impl IntoIterator<Item = Anchor>) {
        for anchor in anchors {
            self.to_look_at.entry(anchor).or_default();
        }
    }

    /// Whether all who were in scope must be known for [`compare_scope`](Self::compare_scope). `is_known` tells whether somebody
    /// was.
    pub fn needs_comparison(&self, is_known: impl Fn(&AnchorHash) -> bool) -> bool {
        self.groups_changed || self.present.is_some() || !self.unexplained.iter().all(is_known)
    }

    /// Compares who was in scope, sorted by hash, with who is: those who came are going to be looked at, and those who
    /// are missing are named.
    pub async fn compare_scope(
        &mut self,
        directory: &mut Directory,
        known: &[(AnchorHash, Fingerprint)],
    ) -> ScopeComparison {
        match self.compared(directory, known).await {
            Ok(compared) => compared,
            Err(incomplete) => ScopeComparison::Incomplete(incomplete),
        }
    }

    async fn compared(
        &mut self,
        directory: &mut Directory,
        known: &[(AnchorHash, Fingerprint)],
    ) -> Result<ScopeComparison, IncompleteRead> {
        if let Some(present) = self.present.take() {
            let gone = known.iter().map(|(hash, _)| *hash).filter(|hash| !present.contains(hash));
            self.named.extend(gone);
        }
        let explained = |hash: &AnchorHash| known.binary_search_by_key(hash, |(known, _)| *known).is_ok();
        if !self.groups_changed && self.unexplained.iter().all(explained) {
            return Ok(ScopeComparison::Done);
        }
        let is_active_directory = self.server.root.is_active_directory;
        let broke_off = |error: DirectoryError| IncompleteRead::BrokeOff(error.to_string());
        let Directory { connection, config, .. } = &mut *directory;
        let server = Server::look(connection, config).await.map_err(broke_off)?;
        let selection = Selection::prepare(connection, config, &server.root).await.map_err(broke_off)?;
        self.cursor.groups = selection.groups.clone();
        let attributes = config.identifying();
        let has_references = !config.references.is_empty();
        let mut census = FullRead::begin(directory, server, selection, attributes);
        let mut seen = vec![false; known.len()];
        while let Some(page) = census.next_page().await? {
            for sighting in page {
                let ReadItem::Entry(Entry { anchor, dn, .. }) = sighting else {
                    self.unidentified.push(sighting);
                    continue;
                };
                match known.binary_search_by_key(&anchor.hash(), |(known, _)| *known) {
                    Ok(at) => seen.get_mut(at).into_iter().for_each(|seen| *seen = true),
                    Err(_) => {
                        let dn = Some(dn).filter(|_| !is_active_directory);
                        self.to_look_at.entry(anchor).or_insert(dn);
                    }
                }
            }
        }
        census.finish().await?;
        let missing = known.iter().zip(seen).filter(|(_, seen)| !seen).map(|((hash, _), _)| *hash);
        let missing: Vec<AnchorHash> = missing.collect();
        // Perhaps they are only out of scope. But deletions are not shown to the account.
        if is_active_directory && has_references && !self.sees_deleted && !missing.is_empty() {
            return Ok(ScopeComparison::FullScanNeeded(DELETED_MANAGER.to_owned()));
        }
        self.named.extend(missing);
        Ok(ScopeComparison::Done)
    }
}
