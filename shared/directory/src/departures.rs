//! Search by anchor for the users that a read did not show.

use std::collections::{HashMap, HashSet};

use model::{Anchor, DeprovisionReason};

use crate::directory::Directory;
use crate::dn::context_of;
use crate::errors::{DirectoryError, Result};
use crate::root_dse::RootDse;
use crate::scope::ScopeSelection;

/// Anchors per search. Servers limit the length of a filter and the number of entries without paging.
const BATCH: usize = 50;

/// Search for the reasons of departures, in batches.
///
/// The root DSE and the scope, with the members of a group that lists them, are read once, with the first batch that needs
/// them.
pub struct DepartureCheck<'d> {
    directory: &'d mut Directory,
    root: Option<RootDse>,
    scope: Option<ScopeSelection>,
}

impl DepartureCheck<'_> {
    /// Reason for which each of these users left: [`DeprovisionReason::OutOfScope`] if the entry exists under the base,
    /// [`DeprovisionReason::MovedOutOfBase`] if it exists elsewhere, else [`DeprovisionReason::Deleted`].
    ///
    /// **A user that is missing in the result has not left.** A paged read is not a snapshot: it can miss an entry that is
    /// moved meanwhile, and a server can omit entries without an error. This search by anchor finds both.
    pub async fn departures(&mut self, anchors: &[Anchor]) -> Result<HashMap<Anchor, DeprovisionReason>> {
        let mut existing = HashSet::new();
        let base = self.directory.config.base_dn.clone();
        for batch in anchors.chunks(BATCH) {
            let found = self.directory.look_up(&base, batch, "").await?;
            existing.extend(found.into_iter().map(|entry| entry.anchor));
        }
        let still_there: Vec<Anchor> = existing.iter().cloned().collect();
        let in_scope = self.in_scope(&still_there).await?;
        let missing: Vec<Anchor> =
            anchors.iter().filter(|anchor| !existing.contains(anchor)).cloned().collect();
        let moved = self.outside_base(&missing).await?;
        let gone = anchors.iter().filter(|anchor| !in_scope.contains(anchor));
        Ok(gone
            .map(|anchor| {
                let reason = match () {
                    () if existing.contains(anchor) => DeprovisionReason::OutOfScope,
                    () if moved.contains(anchor) => DeprovisionReason::MovedOutOfBase,
                    () => DeprovisionReason::Deleted,
                };
                (anchor.clone(), reason)
            })
            .collect())
    }

    /// Those of the anchors that exist in the tree. This only refines the reason: where the tree can't be searched, the
    /// result is empty.
    async fn outside_base(&mut self, anchors: &[Anchor]) -> Result<HashSet<Anchor>> {
        if anchors.is_empty() {
            return Ok(HashSet::new());
        }
        let root = self.root().await?;
        let base = &self.directory.base_dn;
        let Some(context) = context_of(base, &root.contexts).map(str::to_owned) else {
            return Ok(HashSet::new());
        };
        let mut found = HashSet::new();
        for batch in anchors.chunks(BATCH) {
            match self.directory.look_up(&context, batch, "").await {
                Ok(entries) => found.extend(entries.into_iter().map(|entry| entry.anchor)),
                Err(DirectoryError::Refused { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn in_scope(&mut self, anchors: &[Anchor]) -> Result<HashSet<Anchor>> {
        if anchors.is_empty() {
            return Ok(HashSet::new());
        }
        let root = self.root().await?;
        let mut scope = match self.scope.take() {
            Some(scope) => scope,
            None => ScopeSelection::prepare(self.directory, &root).await?,
        };
        let base = self.directory.config.base_dn.clone();
        let mut in_scope = HashSet::new();
        for batch in anchors.chunks(BATCH) {
            let found = self.directory.look_up(&base, batch, &scope.filter).await?;
            for entry in found {
                if scope.includes(self.directory, &root, (&entry.dn, &entry.attributes)).await? {
                    in_scope.insert(entry.anchor);
                }
            }
        }
        self.scope = Some(scope);
        Ok(in_scope)
    }

    async fn root(&mut self) -> Result<RootDse> {
        if let Some(root) = &self.root {
            return Ok(root.clone());
        }
        let root = RootDse::read(&mut self.directory.connection).await?;
        Ok(self.root.insert(root).clone())
    }
}

impl Directory {
    /// Check of departures that reads the scope once for all batches.
    pub fn check_departures(&mut self) -> DepartureCheck<'_> {
        DepartureCheck { directory: self, root: None, scope: None }
    }

    /// Reasons of departures for one batch; see [`DepartureCheck::departures`].
    pub async fn departures(&mut self, anchors: &[Anchor]) -> Result<HashMap<Anchor, DeprovisionReason>> {
        self.check_departures().departures(anchors).await
    }

    /// Those of the anchors that are in scope now.
    pub async fn in_scope(&mut self, anchors: &[Anchor]) -> Result<HashSet<Anchor>> {
        self.check_departures().in_scope(anchors).await
    }
}
