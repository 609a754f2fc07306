//! Comparison of the connected server with what the reads behind the snapshot knew.

use model::{Freshness, FreshnessDoubt, FreshnessMark, FreshnessProof};

use crate::change_time::{CREATED, MODIFIED};
use crate::connection::LdapConnection;
use crate::cursor::Cursor;
use crate::directory::Directory;
use crate::errors::{DirectoryOperation, Result};
use crate::paging::page_control;
use crate::search::{NO_ATTRIBUTES, SearchQuery};
use crate::server::DirectoryServer;
use crate::server_state::{ServerState, StateComparison};

/// Comparison of a server with what is known, as far as it is possible before the entries are read.
#[derive(Debug)]
pub(crate) struct FreshnessComparison {
    freshness: Freshness,
    /// The newest change that the entries must show.
    newest: Option<String>,
}

impl DirectoryServer {
    /// Compares the server with everything that was known when the cursor was made.
    pub(crate) async fn compare(
        &self,
        connection: &mut LdapConnection,
        last: Option<&Cursor>,
    ) -> Result<FreshnessComparison> {
        let done = |freshness| Ok(FreshnessComparison::done(freshness));
        let Some(last) = last else { return done(Freshness::Proved(FreshnessProof::FirstRead)) };
        let state = self.state();
        let unproved = last.unproved.as_ref().filter(|one| one.state.identity == state.identity);
        if let Some(unproved) = unproved.filter(|unproved| unproved.is_accepted)
            && !matches!(state.compare(&unproved.state), StateComparison::Behind(_))
        {
            return done(Freshness::Proved(FreshnessProof::Accepted));
        }
        let agreed = unproved.and_then(|unproved| unproved.removals);
        let (mut proof, mut doubt, mut newest) = (FreshnessProof::FirstRead, None, None);
        for before in &last.known {
            let comparison = match state.compare(before) {
                StateComparison::ByReplicationCursor(invocation, usn) => {
                    self.by_replication_cursor(connection, &invocation, usn).await?
                }
                comparison => comparison,
            };
            match comparison {
                StateComparison::Behind(mark) => return done(Freshness::Behind(mark)),
                StateComparison::Covered(mark) => proof = FreshnessProof::Mark(mark),
                StateComparison::Doubtful(why) => doubt = doubt.or(Some(why)),
                StateComparison::ByNewestChange(time) => newest = newest.max(Some(time)),
                StateComparison::ByReplicationCursor(..) => doubt = Some(FreshnessDoubt::OtherServer),
            }
        }
        let freshness = match doubt {
            Some(doubt) => Freshness::Unproved { doubt, agreed },
            None if newest.is_some() => Freshness::Unproved { doubt: FreshnessDoubt::NewestMissing, agreed },
            None => Freshness::Proved(proof),
        };
        Ok(FreshnessComparison { freshness, newest: newest.filter(|_| doubt.is_none()) })
    }

    /// Whether this domain controller has replicated another one's changes up to a number, by its replication cursors.
    async fn by_replication_cursor(
        &self,
        connection: &mut LdapConnection,
        invocation: &str,
        usn: u64,
    ) -> Result<StateComparison> {
        const CURSORS: &str = "msDS-NCReplCursors";
        const UNKNOWN: StateComparison = StateComparison::Doubtful(FreshnessDoubt::OtherServer);
        let Some(domain) = &self.root.domain else { return Ok(UNKNOWN) };
        let query = SearchQuery::entry(domain, &[CURSORS], DirectoryOperation::ReadingRootDse);
        let Some(entry) = connection.search_one(query).await? else { return Ok(UNKNOWN) };
        let found = entry.attributes.all(CURSORS).iter().find_map(|value| {
            let text = String::from_utf8_lossy(value);
            let id = between(&text, "<uuidSourceDsaInvocationID>", "</")?;
            let up_to: u64 = between(&text, "<usnAttributeFilter>", "</")?.trim().parse().ok()?;
            (id.trim().eq_ignore_ascii_case(invocation)).then_some(up_to)
        });
        let mark = FreshnessMark::ReplicationCursor;
        Ok(match found {
            Some(up_to) if up_to >= usn => StateComparison::Covered(mark),
            Some(_) => StateComparison::Behind(mark),
            None => UNKNOWN,
        })
    }
}

impl FreshnessComparison {
    /// Comparison that needs no entries.
    pub(crate) fn done(freshness: Freshness) -> Self {
        Self { freshness, newest: None }
    }

    /// Result of the comparison, with the newest change of the entries that were read.
    pub(crate) fn conclude(&self, state: &ServerState) -> Freshness {
        let Some(required) = &self.newest else { return self.freshness };
        match (&state.newest, self.freshness) {
            (Some(newest), _) if newest >= required => {
                Freshness::Proved(FreshnessProof::Mark(FreshnessMark::NewestChange))
            }
            (None, Freshness::Unproved { agreed, .. }) => {
                let doubt = FreshnessDoubt::MarkGone(FreshnessMark::NewestChange);
                Freshness::Unproved { doubt, agreed }
            }
            (_, freshness) => freshness,
        }
    }

    /// The same for an incremental read, which reads few entries: searches for a change of that time.
    pub(crate) async fn search(
        &self,
        directory: &mut Directory,
        server: &DirectoryServer,
    ) -> Result<Freshness> {
        let Some(required) = &self.newest else { return Ok(self.freshness) };
        let Directory { connection, config, .. } = directory;
        let query = SearchQuery::subtree(
            config.base_dn.clone(),
            format!("(|({MODIFIED}>={required})({CREATED}>={required}))"),
            vec![NO_ATTRIBUTES.to_owned()],
            DirectoryOperation::ReadingChanges,
        );
        let control = server.root.has_paging.then(|| page_control(1, &[]));
        let (found, _) = connection.search_with(query, control.as_slice()).await?;
        Ok(match found.is_empty() {
            true => self.freshness,
            false => Freshness::Proved(FreshnessProof::Mark(FreshnessMark::NewestChange)),
        })
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}
