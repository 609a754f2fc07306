//! One search, item by item. Every question to the directory goes through here.

use lber::structure::StructureTag;
use std::time::Duration;

use ldap3::controls::{Control, PagedResults, RawControl};
use ldap3::{LdapResult, SearchStream};

use crate::connection::Connection;
use crate::decode::{self, RawEntry};
use crate::errors::{DirectoryError, Doing};
use crate::paging::{Chain, PageMark, Stuck, cookie_of};

/// What to search for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The entry to begin with.
    pub(crate) base: String,
    /// That entry only, or all under it as well.
    pub(crate) scope: ldap3::Scope,
    /// What the entries must be like.
    pub(crate) filter: String,
    /// What to be told about them.
    pub(crate) attributes: Vec<String>,
    /// What this is for.
    pub(crate) doing: Doing,
}

/// What to be told about an entry whose existence is enough (RFC 4511, section 4.5.1.8).
pub(crate) const NO_ATTRIBUTES: &str = "1.1";

/// A filter that every entry passes.
pub(crate) const ANY: &str = "(objectClass=*)";

/// How long to try to tell a server that its answer isn't waited for any more. It is a courtesy.
const GIVE_UP_WAIT: Duration = Duration::from_secs(1);

/// One page of the results. The control is critical: a server that can't obey it must not answer as if it had not been
/// there.
pub(crate) fn page(size: i32, cookie: &[u8]) -> RawControl {
    let control = PagedResults { size, cookie: cookie.to_vec() };
    RawControl { crit: true, ..RawControl::from(control) }
}

/// A search that has been sent. Entries are taken off it one by one, and must be, up to the [`Item::Done`].
pub(crate) struct Search {
    stream: SearchStream<'static, String, Vec<String>>,
    doing: Doing,
}

/// What a server answers a search with.
pub(crate) enum Item {
    /// An entry, not yet taken apart, and what the server says about it.
    Entry(StructureTag, Vec<Control>),
    /// Something that the server says in between, about the search as a whole.
    Intermediate(StructureTag),
    /// A part of the tree is elsewhere; the addresses are alternatives.
    Reference(Vec<String>),
    /// That was all, or why it ended before.
    Done(LdapResult),
}

impl Query {
    /// A look at a single entry.
    pub(crate) fn one(base: &str, attributes: &[&str], doing: Doing) -> Self {
        Self {
            base: base.to_owned(),
            scope: ldap3::Scope::Base,
            filter: ANY.to_owned(),
            attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
            doing,
        }
    }
}

impl Search {
    /// Sends a search with the controls that go with it.
    pub(crate) async fn start(
        connection: &mut Connection,
        query: Query,
        controls: Vec<RawControl>,
    ) -> Result<Self, DirectoryError> {
        let Query { base, scope, filter, attributes, doing } = query;
        let timeout = connection.timeout;
        // The library applies this time to the wait for each item of the search.
        let ldap = connection.ldap.with_timeout(timeout);
        let ldap = if controls.is_empty() { ldap } else { ldap.with_controls(controls) };
        match ldap.streaming_search(&base, scope, &filter, attributes).await {
            Ok(stream) => Ok(Self { stream, doing }),
            Err(error) => Err(connection.failure(doing, error).await),
        }
    }

    /// The next item. After [`Item::Done`] or an error there is none, and this must not be called again.
    pub(crate) async fn next(&mut self, connection: &mut Connection) -> Result<Item, DirectoryError> {
        match self.stream.next().await {
            Ok(Some(entry)) if entry.is_intermediate() => Ok(Item::Intermediate(entry.0)),
            Ok(Some(entry)) if entry.is_ref() => Ok(Item::Reference(decode::reference(entry.0))),
            Ok(Some(entry)) => Ok(Item::Entry(entry.0, entry.1)),
            Ok(None) => Ok(Item::Done(self.stream.finish().await)),
            Err(error) => {
                self.give_up().await;
                Err(connection.failure(self.doing.clone(), error).await)
            }
        }
    }

    /// Tells the server, if it is still there, that nobody waits for the rest any more.
    async fn give_up(&mut self) {
        let ldap = self.stream.ldap_handle();
        let id = ldap.last_id();
        let _ = ldap.with_timeout(GIVE_UP_WAIT).abandon(id).await;
        self.stream.finish().await;
    }
}

impl Connection {
    /// Asks for a few entries, in one answer. References are passed over: whoever asks this way asks about
    /// entries that are known to be on this server.
    pub(crate) async fn ask(&mut self, query: Query) -> Result<Vec<RawEntry>, DirectoryError> {
        Ok(self.ask_with(query, Vec::new()).await?.0)
    }

    /// Asks for a few entries, with controls; the answer's own come along.
    pub(crate) async fn ask_with(
        &mut self,
        query: Query,
        controls: Vec<RawControl>,
    ) -> Result<(Vec<RawEntry>, Vec<Control>), DirectoryError> {
        let doing = query.doing.clone();
        let mut patience = Backoff::default();
        let (entries, controls) = loop {
            let mut search = Search::start(self, query.clone(), controls.clone()).await?;
            let mut entries = Vec::new();
            let result = loop {
                match search.next(self).await? {
                    Item::Entry(tag, _) => entries.push(decode::entry(tag)),
                    Item::Reference(_) | Item::Intermediate(_) => {}
                    Item::Done(result) => break result,
                }
            };
            match result.rc {
                0 => break (entries, result.ctrls),
                code if entries.is_empty() && patience.again(code).await => {}
                code => return Err(DirectoryError::refused(doing, code)),
            }
        };
        let entries: Result<_, _> = entries.into_iter().collect();
        let entries = entries.map_err(|garbled| DirectoryError::Protocol {
            doing,
            detail: format!("an entry, where {}", garbled.why),
        })?;
        Ok((entries, controls))
    }

    /// Asks for any number of entries, in pages where the server has them.
    pub(crate) async fn ask_paged(
        &mut self,
        query: Query,
        page_size: Option<i32>,
        controls: &[RawControl],
    ) -> Result<Vec<RawEntry>, DirectoryError> {
        let Some(page_size) = page_size else { return Ok(self.ask_with(query, controls.to_vec()).await?.0) };
        let doing = query.doing.clone();
        let garbled =
            |detail: &str| DirectoryError::Protocol { doing: doing.clone(), detail: detail.to_owned() };
        let mut entries = Vec::new();
        let mut chain = Chain::default();
        loop {
            let mut with = controls.to_vec();
            with.push(page(page_size, chain.cookie()));
            let (found, answer) = self.ask_with(query.clone(), with).await?;
            let mut mark = PageMark::default();
            found.iter().for_each(|entry| mark.note(&entry.dn));
            entries.extend(found);
            let cookie = cookie_of(answer)
                .ok_or_else(|| garbled("a page without the control that says whether it is the last"))?;
            if cookie.is_empty() {
                return Ok(entries);
            }
            chain.follow(cookie, mark).map_err(|Stuck(why)| garbled(why))?;
        }
    }

    /// A single entry, if it is there and can be seen.
    pub(crate) async fn ask_for_one(&mut self, query: Query) -> Result<Option<RawEntry>, DirectoryError> {
        const NO_SUCH_OBJECT: u32 = 32;
        match self.ask(query).await {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(DirectoryError::Refused { code: NO_SUCH_OBJECT, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Patience with a server that says that it is busy or unavailable just now (RFC 4511, results 51 and 52).
#[derive(Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// Waits, if the result is such a one and there is patience left. The waits double, and are two seconds together.
    pub(crate) async fn again(&mut self, code: u32) -> bool {
        const FIRST: Duration = Duration::from_millis(125);
        const TRIES: u32 = 4;
        if !matches!(code, 51 | 52) || self.tries >= TRIES {
            return false;
        }
        tokio::time::sleep(FIRST * 2_u32.pow(self.tries)).await;
        self.tries += 1;
        true
    }
}
