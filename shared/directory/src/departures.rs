//! Looking after those who seem to have left.

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

/// How many are looked up at once. Servers limit how long a filter may be, and how many entries come unpaged.
const BATCH: usize = 50;

impl Directory {
    /// Why each of these left: [`DeprovisionReason::OutOfScope`] when the entry still exists under the base,
    /// [`DeprovisionReason::MovedOutOfBase`] when it exists elsewhere, else [`DeprovisionReason::Deleted`].
    ///
    /// **Whoever is not in the answer has not left**: the entry exists and is in scope. A read over pages is no
    /// snapshot, so it can miss an entry that is moved or renamed meanwhile; and a server that leaves out users
    /// without saying so misses many. Asking for each by anchor finds them.
    pub async fn departures(
        &mut self,
        anchors: &[Anchor],
    ) -> Result<HashMap<Anchor, DeprovisionReason>, DirectoryError> {
        let mut existing = HashSet::new();
        let base = self.config.base_dn.clone();
        for batch in anchors.chunks(BATCH) {
            let found = self.look_up(&base, batch, "").await?;
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

    /// Which of these are in the tree, although not under the base. It only tells why somebody left: where the tree
    /// can't be searched, nobody is found.
    async fn elsewhere(&mut self, anchors: &[Anchor]) -> Result<HashSet<Anchor>, DirectoryError> {
        if anchors.is_empty() {
            return Ok(HashSet::new());
        }
        let root = RootDse::read(&mut self.connection).await?;
        let Some(context) = context_of(&self.config.base_dn, &root.contexts).map(str::to_owned) else {
            return Ok(HashSet::new());
        };
        let mut found = HashSet::new();
        for batch in anchors.chunks(BATCH) {
            match self.look_up(&context, batch, "").await {
                Ok(entries) => found.extend(entries.into_iter().map(|(anchor, ..)| anchor)),
                Err(DirectoryError::Refused { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Which of these are in scope now.
    pub async fn in_scope(&mut self, anchors: &[Anchor]) -> Result<HashSet<Anchor>, DirectoryError> {
        if anchors.is_empty() {
            return Ok(HashSet::new());
        }
        let root = RootDse::read(&mut self.connection).await?;
        let selection = Selection::prepare(&mut self.connection, &self.config, &root).await?;
        let base = self.config.base_dn.clone();
        let mut in_scope = HashSet::new();
        for batch in anchors.chunks(BATCH) {
            let found = self.look_up(&base, batch, &selection.filter).await?;
            let members =
                found.into_iter().filter(|(_, dn, attributes)| selection.members.contain(dn, attributes));
            in_scope.extend(members.map(|(anchor, ..)| anchor));
        }
        Ok(in_scope)
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
