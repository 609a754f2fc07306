//! Reading everybody in scope, and gathering the evidence that it was everybody.

use model::{CompleteRead, Entry, Incomplete, ReadEvidence};

use crate::decode::{self, Garbled, RawEntry};
use crate::directory::Directory;
use crate::errors::{DirectoryError, Doing};
use crate::paging::{Chain, PageMark, Stuck, cookie_of};
use crate::references::{may_hide_users, server_of};
use crate::root_dse::RootDse;
use crate::scope::{self, Selection};
use crate::search::{Item, PageRequest, Query, Search};

/// A user that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
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
/// A server without paging answers all at once. Its entries are handed on in portions of the same size.
pub struct Read<'a> {
    directory: &'a mut Directory,
    query: Query,
    selection: Selection,
    root: RootDse,
    chain: Chain,
    /// The search of a server without paging, between two portions of its only answer.
    unpaged: Option<Search>,
    mark: PageMark,
    evidence: ReadEvidence,
    state: State,
}

enum State {
    Reading,
    Ended,
    Failed(Incomplete),
}

impl Directory {
    /// Starts to read everybody in scope. Server, base and group are looked at first, so that what can be known to be
    /// wrong is an error here and not an empty directory later.
    pub async fn read(&mut self) -> Result<Read<'_>, DirectoryError> {
        let root = RootDse::read(&mut self.connection).await?;
        self.check_base().await?;
        let selection = Selection::prepare(&mut self.connection, &self.config).await?;
        let base_dn = &self.config.base_dn;
        let query = Query {
            base: base_dn.clone(),
            scope: ldap3::Scope::Subtree,
            filter: selection.filter.clone(),
            attributes: self.config.requested(),
            doing: Doing::ReadingUsers { base_dn: base_dn.clone() },
        };
        let evidence = ReadEvidence {
            base_readable: (true, false),
            server: (root.identity.clone(), String::new()),
            ..ReadEvidence::default()
        };
        Ok(Read {
            directory: self,
            query,
            selection,
            root,
            chain: Chain::default(),
            unpaged: None,
            mark: PageMark::default(),
            evidence,
            state: State::Reading,
        })
    }
}

impl Read<'_> {
    /// What tells the server from others, to bind to it what is remembered about the read.
    pub fn server(&self) -> &str {
        &self.root.identity
    }

    /// The next page, or `None` after the last. A page may be empty without being the last: nobody on it
    /// was in scope.
    ///
    /// When a read breaks off, those who came before are still given; the error comes with the call after
    /// that, and with every further one.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Sighting>>, Incomplete> {
        match &self.state {
            State::Reading => {}
            State::Ended => return Ok(None),
            State::Failed(reason) => return Err(reason.clone()),
        }
        let mut page = Vec::new();
        if let Err(reason) = self.fill(&mut page).await {
            self.unpaged = None;
            self.state = State::Failed(reason.clone());
            return if page.is_empty() { Err(reason) } else { Ok(Some(page)) };
        }
        match self.state {
            State::Ended if page.is_empty() => Ok(None),
            _ => Ok(Some(page)),
        }
    }

    /// Looks at base, group and server again and judges what was seen.
    pub async fn finish(mut self) -> Result<CompleteRead, Incomplete> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Failed(reason) => return Err(reason),
            // Nobody asked for the rest, so nobody knows what is in it.
            State::Reading => return Err(Incomplete::NoEnd),
            State::Ended => {}
        }
        let broke_off = |error: DirectoryError| Incomplete::BrokeOff(error.to_string());
        self.evidence.base_readable.1 = match self.directory.check_base().await {
            Ok(()) => true,
            Err(DirectoryError::BaseNotFound { .. } | DirectoryError::Refused { .. }) => false,
            Err(error) => return Err(broke_off(error)),
        };
        let Directory { connection, config } = self.directory;
        scope::check_group(connection, &config.scope).await.map_err(broke_off)?;
        self.evidence.server.1 = RootDse::read(connection).await.map_err(broke_off)?.identity;
        judge(self.evidence)
    }

    /// Reads one page. What it holds is in `page` even when it fails.
    async fn fill(&mut self, page: &mut Vec<Sighting>) -> Result<(), Incomplete> {
        let broke_off = |error: DirectoryError| Incomplete::BrokeOff(error.to_string());
        let size = self.directory.config.page_size.max(1);
        let portion = usize::try_from(size).unwrap_or(usize::MAX);
        let mut search = match self.unpaged.take() {
            Some(search) => search,
            None => {
                self.mark = PageMark::default();
                let request = PageRequest { size, cookie: self.chain.cookie() };
                let request = self.root.has_paging.then_some(request);
                let connection = &mut self.directory.connection;
                Search::start(connection, self.query.clone(), request).await.map_err(broke_off)?
            }
        };
        loop {
            match search.next(&mut self.directory.connection).await.map_err(broke_off)? {
                Item::Entry(tag) => page.extend(self.sighting(decode::entry(tag))),
                Item::Reference(addresses) => self.note_reference(&addresses),
                Item::Done(result) => return self.end_page(result),
            }
            if !self.root.has_paging && page.len() >= portion {
                self.unpaged = Some(search);
                return Ok(());
            }
        }
    }

    /// What an entry tells, if it is about somebody in scope.
    fn sighting(&mut self, decoded: Result<RawEntry, Garbled>) -> Option<Sighting> {
        let (dn, why) = match decoded {
            Ok(RawEntry { dn, attributes, .. }) => {
                self.mark.note(&dn);
                if !self.selection.members.contain(&dn, &attributes) {
                    return None;
                }
                match self.directory.config.anchor.of(&attributes) {
                    Ok(anchor) => return Some(Sighting::Entry(Entry { anchor, dn, attributes })),
                    Err(why) => (dn, why),
                }
            }
            Err(Garbled { dn, why }) => {
                self.mark.note(&dn);
                (dn, format!("the entry can't be read: {why}"))
            }
        };
        self.evidence.undecodable_entries += 1;
        Some(Sighting::Unidentified { dn, why })
    }

    fn note_reference(&mut self, addresses: &[String]) {
        if !may_hide_users(addresses, &self.root) {
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
    fn end_page(&mut self, result: ldap3::LdapResult) -> Result<(), Incomplete> {
        const REFERRAL: u32 = 10;
        let mark = std::mem::take(&mut self.mark);
        self.evidence.page_results.push(result.rc);
        if result.rc == REFERRAL {
            self.note_reference(&result.refs);
        }
        if result.rc != 0 {
            return Err(self.refuted());
        }
        if !self.root.has_paging {
            self.evidence.ended_by_server = true;
            self.state = State::Ended;
            return Ok(());
        }
        // A server that says it can page, and then leaves the control out, has not said that this was the last page.
        let cookie = cookie_of(result.ctrls).ok_or_else(|| self.refuted())?;
        if cookie.is_empty() {
            self.evidence.ended_by_server = true;
            self.state = State::Ended;
            return Ok(());
        }
        self.chain.follow(cookie, mark).map_err(|Stuck(why)| Incomplete::BrokeOff(why.to_owned()))
    }

    /// Why what was seen so far can't become a proof any more.
    fn refuted(&self) -> Incomplete {
        judge(self.evidence.clone()).err().unwrap_or(Incomplete::NoEnd)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that gathers the evidence")]
fn judge(evidence: ReadEvidence) -> Result<CompleteRead, Incomplete> {
    CompleteRead::judge(evidence)
}
