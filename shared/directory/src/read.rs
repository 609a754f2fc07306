//! Reading everybody in scope, and gathering the evidence that it was everybody.

use std::collections::HashSet;

use model::{AnchorHash, CompleteRead, Entry, Freshness, IncompleteRead, ReadEvidence, UnixSeconds};

use crate::changes;
use crate::cursor::{Cursor, Position};
use crate::decode::{self, Garbled, RawEntry};
use crate::directory::Directory;
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::paging::{Chain, PageMark, Stuck, cookie_of, page};
use crate::references::{may_hide_users, server_of};
use crate::scope::{self, Selection};
use crate::search::{Backoff, Item, Query, Search};
use crate::server::{MODIFIED, Server};
use crate::wire::{Outcome, SearchScope};

/// A user that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadItem {
    /// A user in scope.
    Entry(Entry),
    /// Somebody who may be in scope, but nobody knows who it is. After such a read nobody is removed: it might be
    /// them.
    Unidentified {
        /// The distinguished name, as far as it could be read. It names a person, so it belongs into no log.
        dn: String,
        /// What is wrong with the entry.
        why: String,
    },
}

/// A read that is under way, page by page. What was seen on a page may be acted upon at once; that somebody was *not*
/// seen means something only after [`finish`](Self::finish).
///
/// References to other servers are not followed, and make the read incomplete. The exception are those three that every
/// Active Directory domain brings and that lead to no users: its forest's configuration, and two partitions for DNS. A
/// reference to a child domain counts; a base DN below the domain's root avoids it where that is what is wanted.
///
/// A server without paging answers all at once. Its entries are handed on in portions of the same size. Of others the next
/// page is asked for while the one before is being worked on.
pub struct FullRead<'a> {
    directory: &'a mut Directory,
    query: Query,
    selection: Selection,
    server: Server,
    position: Option<Position>,
    read_at: UnixSeconds,
    chain: Chain,
    /// The search whose entries come next: of a server without paging the only one, of others that of the next page.
    ahead: Option<Search>,
    mark: PageMark,
    evidence: ReadEvidence,
    state: State,
}

enum State {
    Reading,
    Ended,
    Failed(IncompleteRead),
}

impl Directory {
    /// Starts to read everybody in scope. Server, base and group are looked at first, so that what can be known to be
    /// wrong is an error here and not an empty directory later.
    ///
    /// `last` is what the read before left behind, whether of everybody or of the changes. Of a server that knows less
    /// than was known then nobody is read: who is missing there may be new, and what it says may be old.
    pub async fn read(
        &mut self,
        last: Option<&Cursor>,
        now: UnixSeconds,
    ) -> Result<FullRead<'_>, DirectoryError> {
        let Self { connection, config, .. } = self;
        let server = Server::look(connection, config).await?;
        let freshness = match last {
            Some(last) => server.freshness(connection, last).await?,
            None => Freshness::NotOlder,
        };
        // Where to go on is asked before anybody is read: what changes meanwhile is seen twice rather than not at all.
        let position = changes::begin(connection, config, &server).await?;
        let selection = Selection::prepare(connection, config, &server.root).await?;
        let mut attributes = config.requested();
        if matches!(position, Some(Position::Timestamp { .. })) {
            attributes.push(MODIFIED.to_owned());
        }
        let mut read = FullRead::begin(self, server, selection, attributes);
        (read.evidence.freshness, read.position, read.read_at) = (freshness, position, now);
        if freshness == Freshness::Older {
            read.state = State::Failed(IncompleteRead::Behind);
        } else {
            read.ask_ahead().await;
        }
        Ok(read)
    }
}

impl<'a> FullRead<'a> {
    /// A read of these attributes of everybody who was selected.
    pub(crate) fn begin(
        directory: &'a mut Directory,
        server: Server,
        selection: Selection,
        attributes: Vec<String>,
    ) -> Self {
        let base_dn = &directory.config.base_dn;
        let query = Query {
            base: base_dn.clone(),
            scope: SearchScope::Subtree,
            filter: selection.filter.clone(),
            attributes,
            doing: DirectoryOperation::ReadingUsers { base_dn: base_dn.clone() },
        };
        let evidence = ReadEvidence {
            base_readable: (true, false),
            server: (server.identity.to_string(), String::new()),
            ..ReadEvidence::default()
        };
        Self {
            directory,
            query,
            selection,
            server,
            position: None,
            read_at: UnixSeconds(0),
            chain: Chain::default(),
            ahead: None,
            mark: PageMark::default(),
            evidence,
            state: State::Reading,
        }
    }
}

impl FullRead<'_> {
    /// What to remember about the read, for the next one to go on from. It means something once the read has ended.
    pub fn cursor(&self) -> Cursor {
        let Server { identity, invocation, mark, .. } = &self.server;
        Cursor {
            server: *identity,
            invocation: invocation.clone(),
            mark: mark.clone(),
            asked: self.directory.config.fingerprint(),
            position: self.position.clone(),
            groups: self.selection.groups.clone(),
            read_at: self.read_at,
        }
    }

    /// The next page, or `None` after the last. A page may be empty without being the last: nobody on it
    /// was in scope.
    ///
    /// When a read breaks off, those who came before are still given; the error comes with the call after
    /// that, and with every further one.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ReadItem>>, IncompleteRead> {
        match &self.state {
            State::Reading => {}
            State::Ended => return Ok(None),
            State::Failed(reason) => return Err(reason.clone()),
        }
        let mut page = Vec::new();
        if let Err(reason) = self.fill(&mut page).await {
            self.ahead = None;
            self.state = State::Failed(reason.clone());
            return if page.is_empty() { Err(reason) } else { Ok(Some(page)) };
        }
        match self.state {
            State::Ended if page.is_empty() => Ok(None),
            _ => Ok(Some(page)),
        }
    }

    /// Notes how much the server knows by now, before what was seen so far is acted upon.
    pub async fn update_replication_state(&mut self) {
        let Directory { connection, config, .. } = &mut *self.directory;
        self.server.update_replication_state(connection, config).await;
    }

    /// Looks at base, group and server again and judges what was seen.
    pub async fn finish(mut self) -> Result<CompleteRead, IncompleteRead> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Failed(reason) => return Err(reason),
            // Nobody asked for the rest, so nobody knows what is in it.
            State::Reading => return Err(IncompleteRead::NoEnd),
            State::Ended => {}
        }
        conclude(self.directory, &self.server, self.evidence).await
    }

    /// Reads one page. What it holds is in `page` even when it fails.
    async fn fill(&mut self, page: &mut Vec<ReadItem>) -> Result<(), IncompleteRead> {
        let broke_off = |error: DirectoryError| IncompleteRead::BrokeOff(error.to_string());
        let size = self.directory.config.page_size.max(1);
        let portion = usize::try_from(size).unwrap_or(usize::MAX);
        let mut search = match self.ahead.take() {
            Some(search) => search,
            None => self.send(size).await.map_err(broke_off)?,
        };
        let mut patience = Backoff::default();
        loop {
            match search.next(&mut self.directory.connection).await.map_err(broke_off)? {
                Item::Entry(message) => page.extend(self.sighting(decode::entry(&message))),
                Item::Reference(addresses) => self.note_reference(&addresses),
                Item::Intermediate(_) => {}
                // The same page again, as long as nothing of it has come.
                Item::Done(result) if page.is_empty() && patience.again(result.code).await => {
                    search = self.send(size).await.map_err(broke_off)?;
                }
                Item::Done(result) => {
                    self.end_page(result)?;
                    if matches!(self.state, State::Reading) {
                        self.ask_ahead().await;
                    }
                    return Ok(());
                }
            }
            if !self.server.root.has_paging && page.len() >= portion {
                self.ahead = Some(search);
                return Ok(());
            }
        }
    }

    /// Asks for the next page before anybody wants it. If that can't be done, it is asked for again, and the error told,
    /// when somebody does.
    async fn ask_ahead(&mut self) {
        self.ahead = self.send(self.directory.config.page_size.max(1)).await.ok();
    }

    /// Asks for the next page.
    async fn send(&mut self, size: i32) -> Result<Search, DirectoryError> {
        let control = self.server.root.has_paging.then(|| page(size, self.chain.cookie()));
        Search::start(&mut self.directory.connection, self.query.clone(), control.as_slice()).await
    }

    /// What an entry tells, if it is about somebody in scope.
    fn sighting(&mut self, decoded: Result<RawEntry, Garbled>) -> Option<ReadItem> {
        let (dn, why) = match decoded {
            Ok(RawEntry { dn, attributes, .. }) => {
                self.mark.note(&dn);
                if !self.selection.members.contain(&dn, &attributes) {
                    return None;
                }
                if let Some(Position::Timestamp { since, .. }) = &mut self.position {
                    changes::note_time(since, &attributes);
                }
                match self.directory.config.anchor.of(&attributes) {
                    Ok(anchor) => return Some(ReadItem::Entry(Entry { anchor, dn, attributes })),
                    Err(why) => (dn, why),
                }
            }
            Err(Garbled { dn, why }) => {
                self.mark.note(&dn);
                (dn, format!("the entry can't be read: {why}"))
            }
        };
        self.evidence.undecodable_entries += 1;
        Some(ReadItem::Unidentified { dn, why })
    }

    fn note_reference(&mut self, addresses: &[String]) {
        if !may_hide_users(addresses, &self.server.root) {
            return;
        }
        if self.evidence.unfollowed_referrals == 0 {
            let server = server_of(addresses);
            tracing::warn!(
                referral.server = server,
                "a part of the directory is on another server and was not read"
            );
        }
        self.evidence.unfollowed_referrals += 1;
    }

    /// Takes in how a page ended.
    fn end_page(&mut self, result: Outcome) -> Result<(), IncompleteRead> {
        const REFERRAL: u32 = 10;
        let mark = std::mem::take(&mut self.mark);
        self.evidence.page_results.push(result.code);
        if result.code == REFERRAL {
            self.note_reference(&result.referrals);
        }
        if result.code != 0 {
            return Err(self.refuted());
        }
        if !self.server.root.has_paging {
            self.evidence.ended_by_server = true;
            self.state = State::Ended;
            return Ok(());
        }
        // A server that says it can page, and then leaves the control out, has not said that this was the last page.
        let cookie = cookie_of(result.controls).ok_or_else(|| self.refuted())?;
        if cookie.is_empty() {
            self.evidence.ended_by_server = true;
            self.state = State::Ended;
            return Ok(());
        }
        self.chain.follow(cookie, mark).map_err(|Stuck(why)| IncompleteRead::BrokeOff(why.to_owned()))
    }

    /// Why what was seen so far can't become a proof any more.
    fn refuted(&self) -> IncompleteRead {
        judge(self.evidence.clone()).err().unwrap_or(IncompleteRead::NoEnd)
    }
}

/// Looks at base, group and server once more, and judges the evidence.
pub(crate) async fn conclude(
    directory: &mut Directory,
    server: &Server,
    mut evidence: ReadEvidence,
) -> Result<CompleteRead, IncompleteRead> {
    let Directory { connection, config, .. } = directory;
    let broke_off = |error: DirectoryError| IncompleteRead::BrokeOff(error.to_string());
    match Server::look(connection, config).await {
        Ok(now) => {
            evidence.base_readable.1 = true;
            evidence.server.1 = now.identity.to_string();
            let is_behind =
                now.mark.zip(server.mark.as_ref()).is_some_and(|(now, before)| now.is_behind(before));
            if is_behind && evidence.freshness == Freshness::NotOlder {
                evidence.freshness = Freshness::Older;
            }
        }
        Err(DirectoryError::BaseNotFound { .. } | DirectoryError::Refused { .. }) => {
            evidence.base_readable.1 = false;
        }
        Err(error) => return Err(broke_off(error)),
    }
    scope::check_group(connection, config).await.map_err(broke_off)?;
    judge(evidence)
}

/// The evidence of a read of the changes.
pub(crate) fn evidence_of_changes(
    server: &Server,
    freshness: Freshness,
    named: HashSet<AnchorHash>,
    undecodable_entries: usize,
) -> ReadEvidence {
    ReadEvidence {
        page_results: vec![0],
        ended_by_server: true,
        unfollowed_referrals: 0,
        undecodable_entries,
        base_readable: (true, false),
        server: (server.identity.to_string(), String::new()),
        freshness,
        named: Some(named),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that gathers the evidence")]
fn judge(evidence: ReadEvidence) -> Result<CompleteRead, IncompleteRead> {
    CompleteRead::verify(evidence)
}
