//! One search, item by item. Every question to the directory goes through here.

use lber::structure::StructureTag;
use std::time::Duration;

use ldap3::controls::{MakeCritical, PagedResults};
use ldap3::{LdapResult, SearchStream};

use crate::connection::Connection;
use crate::decode::{self, RawEntry};
use crate::errors::{DirectoryError, Doing};

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

/// One page of the results.
pub(crate) struct PageRequest<'a> {
    pub(crate) size: i32,
    pub(crate) cookie: &'a [u8],
}

/// A search that has been sent. Entries are taken off it one by one, and must be, up to the [`Item::Done`].
pub(crate) struct Search {
    stream: SearchStream<'static, String, Vec<String>>,
    doing: Doing,
}

/// What a server answers a search with.
pub(crate) enum Item {
    /// An entry, not yet taken apart.
    Entry(StructureTag),
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
    /// Sends a search, for one page if one is asked for. The paging control is critical: a server that can't obey it
    /// must not answer as if it had not been there.
    pub(crate) async fn start(
        connection: &mut Connection,
        query: Query,
        page: Option<PageRequest<'_>>,
    ) -> Result<Self, DirectoryError> {
        let Query { base, scope, filter, attributes, doing } = query;
        let timeout = connection.timeout;
        // The library applies this time to the wait for each item of the search.
        let ldap = connection.ldap.with_timeout(timeout);
        let ldap = match page {
            Some(PageRequest { size, cookie }) => {
                ldap.with_controls(PagedResults { size, cookie: cookie.to_vec() }.critical())
            }
            None => ldap,
        };
        match ldap.streaming_search(&base, scope, &filter, attributes).await {
            Ok(stream) => Ok(Self { stream, doing }),
            Err(error) => Err(connection.failure(doing, error).await),
        }
    }

    /// The next item. After [`Item::Done`] or an error there is none, and this must not be called again.
    pub(crate) async fn next(&mut self, connection: &mut Connection) -> Result<Item, DirectoryError> {
        loop {
            match self.stream.next().await {
                // An intermediate response is an answer to controls that we don't send.
                Ok(Some(entry)) if entry.is_intermediate() => {}
                Ok(Some(entry)) if entry.is_ref() => return Ok(Item::Reference(decode::reference(entry.0))),
                Ok(Some(entry)) => return Ok(Item::Entry(entry.0)),
                Ok(None) => return Ok(Item::Done(self.stream.finish().await)),
                Err(error) => {
                    self.give_up().await;
                    return Err(connection.failure(self.doing.clone(), error).await);
                }
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
        let doing = query.doing.clone();
        let mut search = Search::start(self, query, None).await?;
        let mut entries = Vec::new();
        loop {
            match search.next(self).await? {
                Item::Entry(tag) => entries.push(decode::entry(tag)),
                Item::Reference(_) => {}
                Item::Done(result) if result.rc == 0 => break,
                Item::Done(result) => return Err(DirectoryError::refused(doing, result.rc)),
            }
        }
        let entries: Result<_, _> = entries.into_iter().collect();
        entries.map_err(|garbled| DirectoryError::Protocol {
            doing,
            detail: format!("an entry, where {}", garbled.why),
        })
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
