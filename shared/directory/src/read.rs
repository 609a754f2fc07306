//! Full read of the users in scope, with the evidence that it was complete.

use model::{CompleteRead, Entry, Freshness, FreshnessProof, IncompleteRead, ReadEvidence, UnixSeconds};

use crate::change_time::{CREATED, MODIFIED};
use crate::cursor::{Cursor, CursorPosition};
use crate::decode::{DecodedEntry, MalformedEntry};
use crate::detection;
use crate::directory::Directory;
use crate::dn::is_under;
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::evidence;
use crate::freshness::FreshnessComparison;
use crate::paging::{CookieChain, PageDigest, PagingStuck, cookie_of, page_control};
use crate::references::{may_hide_users, server_of};
use crate::scope::ScopeSelection;
use crate::search::{BusyBackoff, RunningSearch, SearchItem, SearchQuery};
use crate::server::DirectoryServer;
use crate::server_state::UnprovedServer;
use crate::wire::{LdapResult, SearchScope};

/// Most members that are looked up one by one after a read.
const MOST_UNMATCHED: usize = 1000;

/// Full read, page by page. The users of a page may be processed at once; the absence of a user has a meaning only after
/// [`finish`](Self::finish).
///
/// References to other servers are not followed and make the read incomplete, except the three that every Active Directory
/// domain returns and that hold no users: the forest's configuration and two DNS partitions. A reference to a child domain
/// counts; a base DN below the domain's root avoids it.
///
/// The next page is requested while the caller processes the one before. A server without paging sends all entries at once;
/// they are returned in portions of the page size.
pub struct FullRead<'a> {
    directory: &'a mut Directory,
    query: SearchQuery,
    selection: ScopeSelection,
    server: DirectoryServer,
    comparison: FreshnessComparison,
    /// Cursor of the read before.
    last: Option<Cursor>,
    position: Option<CursorPosition>,
    read_at: UnixSeconds,
    chain: CookieChain,
    /// Search of the next page, or the only search of a server without paging.
    ahead: Option<RunningSearch>,
    digest: PageDigest,
    /// Entries in scope so far.
    in_scope: u64,
    /// Configured attributes that no entry in scope has shown so far.
    absent: Vec<String>,
    /// Whether all configured attributes are read, and not the anchors alone.
    is_of_whole_entries: bool,
    evidence: ReadEvidence,
    progress: ReadProgress,
}

/// One item of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadItem {
    /// User in scope.
    Entry(Entry),
    /// Entry without a readable anchor that may be in scope. It makes the read incomplete, because it may be any user that
    /// is missing.
    Unidentified {
        /// Distinguished name, as far as it is readable. It names a person, so it must not be logged.
        dn: String,
        /// Problem of the entry.
        why: String,
    },
}

enum ReadProgress {
    Reading,
    Ended,
    Failed(IncompleteRead),
}

impl Directory {
    /// Starts a full read. It reads server, base and group first, so that a wrong configuration is an error and not an empty
    /// directory.
    ///
    /// `last` is the cursor of the previous read, full or incremental. A server with fewer changes than that cursor is not
    /// read: its missing users may be new, and its entries old.
    pub async fn read(&mut self, last: Option<&Cursor>, now: UnixSeconds) -> Result<FullRead<'_>> {
        let mut server = DirectoryServer::inspect(self).await?;
        let comparison = server.compare(&mut self.connection, last).await?;
        // The position is taken before the entries: a change during the read is then read twice, and never missed.
        let position = detection::start_position(self, &server).await?;
        let mut selection = ScopeSelection::prepare(self, &server.root).await?;
        let known = last.map(|last| last.groups.as_slice()).unwrap_or_default();
        selection.compare_groups(self, &server.root, known).await?;
        server.note_groups(selection.newest.as_ref());
        let mut attributes = self.config.requested();
        if matches!(position, Some(CursorPosition::Timestamp { .. })) || server.reads_change_times(last) {
            attributes.extend([MODIFIED, CREATED].map(str::to_owned));
        }
        let mut read = FullRead::new(self, server, selection, attributes);
        read.absent.clone_from(&read.directory.config.attributes);
        (read.comparison, read.last, read.position, read.read_at) =
            (comparison, last.cloned(), position, now);
        read.is_of_whole_entries = true;
        match read.freshness() {
            Freshness::Behind(mark) => read.progress = ReadProgress::Failed(IncompleteRead::Behind(mark)),
            Freshness::Proved(_) | Freshness::Unproved { .. } => read.request_ahead().await,
        }
        Ok(read)
    }
}

impl<'a> FullRead<'a> {
    /// Read of these attributes of every selected user, from a server that was compared before.
    pub(crate) fn new(
        directory: &'a mut Directory,
        server: DirectoryServer,
        selection: ScopeSelection,
        attributes: Vec<String>,
    ) -> Self {
        let base_dn = &directory.config.base_dn;
        let query = SearchQuery {
            base: base_dn.clone(),
            scope: SearchScope::Subtree,
            filter: selection.filter.clone(),
            attributes,
            operation: DirectoryOperation::ReadingUsers(base_dn.clone()),
        };
        let evidence = ReadEvidence { hidden: selection.gap.clone(), ..evidence::initial(&server) };
        Self {
            directory,
            query,
            selection,
            server,
            comparison: FreshnessComparison::done(Freshness::Proved(FreshnessProof::FirstRead)),
            last: None,
            position: None,
            read_at: UnixSeconds(0),
            chain: CookieChain::default(),
            ahead: None,
            digest: PageDigest::default(),
            in_scope: 0,
            absent: Vec::new(),
            is_of_whole_entries: false,
            evidence,
            progress: ReadProgress::Reading,
        }
    }
}

impl FullRead<'_> {
    /// Cursor for the next read. It is valid once this read has ended.
    pub fn cursor(&self) -> Cursor {
        let state = self.server.state();
        let known = self.last.as_ref().map(|last| last.known.clone()).unwrap_or_default();
        let unproved = UnprovedServer { state: state.clone(), removals: None, is_accepted: false };
        let (known, unproved) = match self.freshness() {
            Freshness::Proved(_) => (vec![state], None),
            // Nothing was read, so nothing new is known.
            Freshness::Behind(_) => (known, Some(unproved)),
            Freshness::Unproved { .. } => {
                let mut known = known;
                state.add_to(&mut known);
                (known, Some(unproved))
            }
        };
        Cursor {
            server: self.server.identity(),
            known,
            unproved,
            query: self.directory.config.fingerprint(),
            position: self.position.clone(),
            groups: self.selection.groups.clone(),
            read_at: self.read_at,
        }
    }

    /// Configured attributes that none of the entries in scope has: they are misspelled, hidden or unused.
    pub fn absent_attributes(&self) -> &[String] {
        if self.in_scope > 0 { &self.absent } else { &[] }
    }

    /// How recent the server's data is, as far as the entries read so far show it.
    fn freshness(&self) -> Freshness {
        self.comparison.conclude(&self.server.state())
    }

    /// Next page, or `None` after the last. A page without users in scope is empty.
    ///
    /// When a read breaks off, the users read before are still returned. The error follows with the next call and every
    /// further one.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ReadItem>>, IncompleteRead> {
        match &self.progress {
            ReadProgress::Reading => {}
            ReadProgress::Ended => return Ok(None),
            ReadProgress::Failed(reason) => return Err(reason.clone()),
        }
        let mut page = Vec::new();
        let read = self.read_page(&mut page).await;
        if let Err(reason) = self.mark_hidden(&mut page).await.and(read) {
            self.ahead = None;
            self.progress = ReadProgress::Failed(reason.clone());
            return if page.is_empty() { Err(reason) } else { Ok(Some(page)) };
        }
        match self.progress {
            ReadProgress::Ended if page.is_empty() => Ok(None),
            _ => Ok(Some(page)),
        }
    }

    /// Reads the server's replication state again, before the users read so far are written.
    pub async fn update_replication_state(&mut self) {
        self.server.update_replication_state(self.directory).await;
    }

    /// Reads base, group and server again, and judges the evidence.
    pub async fn finish(mut self) -> Result<CompleteRead, IncompleteRead> {
        match std::mem::replace(&mut self.progress, ReadProgress::Ended) {
            ReadProgress::Failed(reason) => Err(reason),
            // The caller did not read the remaining pages.
            ReadProgress::Reading => Err(IncompleteRead::NoEnd),
            ReadProgress::Ended => {
                self.evidence.freshness = self.freshness();
                if self.in_scope == 0 && self.evidence.hidden.is_none() {
                    let hidden = ScopeSelection::emptiness(self.directory).await;
                    self.evidence.hidden =
                        hidden.map_err(|error| IncompleteRead::BrokeOff(error.to_string()))?;
                }
                evidence::conclude(self.directory, &self.server, self.evidence).await
            }
        }
    }

    /// Marks the attributes that the reading account may not read. Without that answer the entries prove nothing.
    async fn mark_hidden(&mut self, page: &mut Vec<ReadItem>) -> Result<(), IncompleteRead> {
        for item in page.iter_mut().filter(|_| self.is_of_whole_entries) {
            let ReadItem::Entry(entry) = item else { continue };
            if let Err(error) = self.directory.mark_hidden(&entry.dn, &mut entry.attributes).await {
                page.clear();
                return Err(IncompleteRead::BrokeOff(error.to_string()));
            }
        }
        Ok(())
    }

    /// Reads one page into `page`, which holds the entries read even on failure.
    async fn read_page(&mut self, page: &mut Vec<ReadItem>) -> Result<(), IncompleteRead> {
        let broke_off = |error: DirectoryError| IncompleteRead::BrokeOff(error.to_string());
        let size = self.directory.config.page_size.max(1);
        let portion = usize::try_from(size).unwrap_or(usize::MAX);
        let mut search = match self.ahead.take() {
            Some(search) => search,
            None => self.request(size).await.map_err(broke_off)?,
        };
        let mut backoff = BusyBackoff::default();
        loop {
            match search.next(&mut self.directory.connection).await.map_err(broke_off)? {
                SearchItem::Entry(message) => {
                    let decoded = self.directory.connection.decode(&message);
                    page.extend(self.read_item(decoded));
                }
                SearchItem::Reference(addresses) => self.note_reference(&addresses),
                SearchItem::Intermediate(_) => {}
                // The same page is requested again only if none of its entries arrived.
                SearchItem::Done(result) if page.is_empty() && backoff.wait(result.code).await => {
                    search = self.request(size).await.map_err(broke_off)?;
                }
                SearchItem::Done(result) => {
                    self.end_page(result)?;
                    return match self.progress {
                        ReadProgress::Reading => {
                            self.request_ahead().await;
                            Ok(())
                        }
                        _ => self.read_unmatched(page).await.map_err(broke_off),
                    };
                }
            }
            if !self.server.root.has_paging && page.len() >= portion {
                self.ahead = Some(search);
                return Ok(());
            }
        }
    }

    /// Reads the members that no entry has matched: the server may know them by another spelling.
    async fn read_unmatched(&mut self, page: &mut Vec<ReadItem>) -> Result<()> {
        let unmatched = self.selection.members.take_unmatched();
        if unmatched.len() > MOST_UNMATCHED {
            let why = format!(
                "{} members match no entry by their spelling, too many to look up one by one",
                unmatched.len()
            );
            self.evidence.hidden.get_or_insert(why);
            return Ok(());
        }
        for dn in unmatched {
            let query = SearchQuery { base: dn, scope: SearchScope::Base, ..self.query.clone() };
            let entry = match self.directory.connection.search_one(query).await {
                // Such as a value that is no DN.
                Err(DirectoryError::Refused { .. }) | Ok(None) => continue,
                entry => entry?,
            };
            if let Some(entry) = entry
                && is_under(&entry.dn, &self.directory.base_dn)
                && self.selection.members.add(&entry.dn)
            {
                page.extend(self.read_item(Ok(entry)));
            }
        }
        Ok(())
    }

    /// Requests the next page ahead of time. On failure it is requested again when it is needed, and the error reported then.
    async fn request_ahead(&mut self) {
        self.ahead = self.request(self.directory.config.page_size.max(1)).await.ok();
    }

    async fn request(&mut self, size: i32) -> Result<RunningSearch> {
        let control = self.server.root.has_paging.then(|| page_control(size, self.chain.cookie()));
        RunningSearch::start(&mut self.directory.connection, self.query.clone(), control.as_slice()).await
    }

    /// Item for an entry; `None` if the entry is not in scope.
    fn read_item(&mut self, decoded: Result<DecodedEntry, MalformedEntry>) -> Option<ReadItem> {
        let (dn, why) = match decoded {
            Ok(DecodedEntry { dn, attributes, .. }) => {
                self.digest.add(&dn);
                self.server.note_user(&attributes);
                if !self.selection.members.contain(&dn, &attributes) {
                    return None;
                }
                self.in_scope += 1;
                self.absent.retain(|name| attributes.all(name).is_empty());
                if let Some(CursorPosition::Timestamp { since, .. }) = &mut self.position {
                    detection::advance_time(since, &attributes);
                }
                match self.directory.config.anchor.of(&attributes) {
                    Ok(anchor) => return Some(ReadItem::Entry(Entry { anchor, dn, attributes })),
                    Err(why) => (dn, why),
                }
            }
            Err(MalformedEntry { dn, why }) => {
                self.digest.add(&dn);
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

    /// Processes the result of a page.
    fn end_page(&mut self, result: LdapResult) -> Result<(), IncompleteRead> {
        const REFERRAL: u32 = 10;
        let digest = std::mem::take(&mut self.digest);
        self.evidence.page_results.push(result.code);
        if result.code == REFERRAL {
            self.note_reference(&result.referrals);
        }
        if result.code != 0 {
            return Err(self.incomplete());
        }
        if self.server.root.has_paging {
            // A page without the control does not say whether it is the last.
            let cookie = cookie_of(result.controls).ok_or_else(|| self.incomplete())?;
            if !cookie.is_empty() {
                let advanced = self.chain.advance(cookie, digest);
                return advanced.map_err(|PagingStuck(why)| IncompleteRead::BrokeOff(why.to_owned()));
            }
        }
        self.evidence.ended_by_server = true;
        self.progress = ReadProgress::Ended;
        Ok(())
    }

    /// Reason for which this read can't become complete.
    fn incomplete(&self) -> IncompleteRead {
        evidence::judge(self.evidence.clone()).err().unwrap_or(IncompleteRead::NoEnd)
    }
}
