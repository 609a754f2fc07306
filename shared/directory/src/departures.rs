//! Looking up, by anchor, the users whom a read did not show.

use std::collections::{HashMap, HashSet};

use model::{Anchor, Attributes, DeprovisionReason};

use crate::decode::RawEntry;
use crate::directory::Directory;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::root_dse::RootDse;
use crate::scope::Selection;
use crate::search::Query;
use crate::server::context_of;
use crate::wire::SearchScope;

/// Anchors in one search. Servers limit the length of a filter, and the number of entries in an answer without pages.
const BATCH: usize = 50;

/// Asks the directory, batch after batch, why users left.
///
/// The root DSE and the scope (with the group's members, where the group lists them) are read once, with the first batch
/// that needs them.
pub struct DepartureCheck<'d> {
    directory: &'d mut Directory,
    root: Option<RootDse>,
    scope: Option<Selection>,
}

impl DepartureCheck<'_> {
    /// Why each of these users left: [`DeprovisionReason::OutOfScope`] when the entry still exists under the base DN,
    /// [`DeprovisionReason::MovedOutOfBase`] when it exists elsewhere, else [`DeprovisionReason::Deleted`].
    ///
    /// **A user who is missing from the result has not left**: the entry exists and is in scope. A read over pages is not a
    /// snapshot, so it can miss an entry that is moved or renamed meanwhile; and a server that leaves out users
    /// without saying so misses many. A search for each anchor finds them.
    pub async fn departures(
        &mut self,
        anchors: &[Anchor],
    ) -> Result<HashMap<Anchor, DeprovisionReason>, DirectoryError> {
        let mut existing = HashSet::new();
        let base = self.directory.config.base_dn.clone();
        for batch in anchors.chunks(BATCH) {
            let found = self.directory.look_up(&base, batch, "").await?;
            existing.extend(found.into_iter().map(|(anchor, ..)| anchor));
        }
        let still_there: Vec<Anchor> = existing.iter().cloned().collect();
        let in_scope = self.in_scope(&still_there).await?;
        let missing: Vec<Anchor> =
            anchors.iter().filter(|anchor| !existing.contains(anchor)).cloned().collect();
        let moved = self.elsewhere(&missing).await?;
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

    /// The anchors whose entries exist in the directory tree, although not under the base DN. The result only names the
    /// reason for a departure: where the tree can't be searched, it is empty.
    async fn elsewhere(&mut self, anchors: &[Anchor]) -> Result<HashSet<Anchor>, DirectoryError> {
        if anchors.is_empty() {
            return Ok(HashSet::new());
        }
        let root = self.root().await?;
        let base = &self.directory.config.base_dn;
        let Some(context) = context_of(base, &root.contexts).map(str::to_owned) else {
            return Ok(HashSet::new());
        };
        let mut found = HashSet::new();
        for batch in anchors.chunks(BATCH) {
            match self.directory.look_up(&context, batch, "").await {
                Ok(entries) => found.extend(entries.into_iter().map(|(anchor, ..)| anchor)),
                Err(DirectoryError::Refused { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn in_scope(&mut self, anchors: &[Anchor]) -> Result<HashSet<Anchor>, DirectoryError> {
        if anchors.is_empty() {
            return Ok(HashSet::new());
        }
        let scope = match self.scope.take() {
            Some(scope) => scope,
            None => {
                let root = self.root().await?;
                let Directory { connection, config, .. } = &mut *self.directory;
                Selection::prepare(connection, config, &root).await?
            }
        };
        let base = self.directory.config.base_dn.clone();
        let mut in_scope = HashSet::new();
        for batch in anchors.chunks(BATCH) {
            let found = self.directory.look_up(&base, batch, &scope.filter).await?;
            let members =
                found.into_iter().filter(|(_, dn, attributes)| scope.members.contain(dn, attributes));
            in_scope.extend(members.map(|(anchor, ..)| anchor));
        }
        self.scope = Some(scope);
        Ok(in_scope)
    }

    async fn root(&mut self) -> Result<RootDse, DirectoryError> {
        if let Some(root) = &self.root {
            return Ok(root.clone());
        }
        let root = RootDse::read(&mut self.directory.connection).await?;
        Ok(self.root.insert(root).clone())
    }
}

impl Directory {
    /// A check of departures that reads the scope once, however many batches of users it is asked about.
    pub fn check_departures(&mut self) -> DepartureCheck<'_> {
        DepartureCheck { directory: self, root: None, scope: None }
    }

    /// Why each of these users left, for one batch; see [`DepartureCheck::departures`].
    pub async fn departures(
        &mut self,
        anchors: &[Anchor],
    ) -> Result<HashMap<Anchor, DeprovisionReason>, DirectoryError> {
        self.check_departures().departures(anchors).await
    }

    /// The anchors whose entries are in scope now.
    pub async fn in_scope(&mut self, anchors: &[Anchor]) -> Result<HashSet<Anchor>, DirectoryError> {
        self.check_departures().in_scope(anchors).await
    }

    /// The entries of these anchors, as far as they exist and pass a further condition.
    pub(crate) async fn look_up(
        &mut self,
        base: &str,
        anchors: &[Anchor],
        condition: &str,
    ) -> Result<Vec<(Anchor, String, Attributes)>, DirectoryError> {
        let config = &self.config;
        let any: String = anchors.iter().filter_map(|anchor| config.anchor.condition(anchor)).collect();
        if any.is_empty() {
            return Ok(Vec::new());
        }
        let doing = DirectoryOperation::LookingUp { attribute: config.anchor.attribute.clone() };
        let query = Query {
            base: base.to_owned(),
            scope: SearchScope::Subtree,
            filter: format!("(&(|{any}){condition})"),
            attributes: config.identifying(),
            doing: doing.clone(),
        };
        let mut found = Vec::new();
        for RawEntry { dn, attributes, .. } in self.connection.ask(query).await? {
            let anchor = self.config.anchor.of(&attributes);
            let anchor =
                anchor.map_err(|detail| DirectoryError::Protocol { doing: doing.clone(), detail })?;
            found.push((anchor, dn, attributes));
        }
        Ok(found)
    }
}
