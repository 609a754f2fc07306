//! Searches, item by item. Every search of the directory goes through here.

use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{LdapConnection, PendingRequest};
use crate::decode::{self, DecodedEntry, MalformedEntry};
use crate::errors::{DirectoryError, DirectoryOperation, Result};
use crate::filter;
use crate::operation_log::{OperationLog, without_values};
use crate::paging::{CookieChain, PageDigest, PagingStuck, cookie_of, page_control};
use crate::wire::{LdapControl, LdapMessage, LdapRequest, LdapResult, SearchScope, WireError};

#[derive(Clone, Debug)]
pub(crate) struct SearchQuery {
    pub(crate) base: String,
    pub(crate) scope: SearchScope,
    pub(crate) filter: String,
    pub(crate) attributes: Vec<String>,
    /// Operation that error messages name.
    pub(crate) operation: DirectoryOperation,
}

/// Attribute list that requests no attribute (RFC 4511, section 4.5.1.8).
pub(crate) const NO_ATTRIBUTES: &str = "1.1";

/// Filter that matches every entry.
pub(crate) const ANY_ENTRY: &str = "(objectClass=*)";

/// Filter that matches no entry, for a search of which only the cookie is needed.
pub(crate) const NO_ENTRY: &str = "(!(objectClass=*))";

/// Search that has been sent. Its items end with [`SearchItem::Done`].
pub(crate) struct RunningSearch {
    pending: PendingRequest,
    operation: DirectoryOperation,
    /// When the search last made progress.
    progress: Instant,
    log: OperationLog,
}

/// One item of a search's answer.
pub(crate) enum SearchItem {
    Entry(LdapMessage),
    /// Intermediate response, about the search as a whole.
    Intermediate(LdapMessage),
    /// Reference to another server; the addresses are alternatives.
    Reference(Vec<String>),
    Done(LdapResult),
}

impl SearchQuery {
    /// The query without a value of a user: the base may be the DN of one.
    fn log_line(&self) -> String {
        let Self { base: _, scope, filter, attributes, operation } = self;
        let scope = match scope {
            SearchScope::Base => "one entry",
            SearchScope::OneLevel => "one level",
            SearchScope::Subtree => "subtree",
        };
        let (filter, count) = (without_values(filter), attributes.len());
        format!("LDAP search, {operation}: {scope}, filter {filter}, {count} attributes")
    }

    pub(crate) fn subtree(
        base: String,
        filter: String,
        attributes: Vec<String>,
        operation: DirectoryOperation,
    ) -> Self {
        Self { base, scope: SearchScope::Subtree, filter, attributes, operation }
    }

    pub(crate) fn entry(dn: &str, attributes: &[&str], operation: DirectoryOperation) -> Self {
        Self {
            base: dn.to_owned(),
            scope: SearchScope::Base,
            filter: ANY_ENTRY.to_owned(),
            attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
            operation,
        }
    }
}

impl RunningSearch {
    pub(crate) async fn start(
        connection: &mut LdapConnection,
        query: SearchQuery,
        controls: &[LdapControl],
    ) -> Result<Self> {
        let log = OperationLog::search(|| query.log_line());
        let SearchQuery { base, scope, filter, attributes, operation } = query;
        // The filter may hold a user's name, so the message does not show it.
        let filter = filter::encode(&filter).map_err(|error| {
            DirectoryError::protocol(&operation, format!("the filter can't be sent: {error}"))
        })?;
        match connection.send(LdapRequest::search(&base, scope, filter, &attributes), controls).await {
            Ok(pending) => Ok(Self { pending, operation, progress: Instant::now(), log }),
            Err(error) => Err(connection.failure(operation, error)),
        }
    }

    /// Notes that an intermediate response brought something new.
    pub(crate) fn note_progress(&mut self) {
        self.progress = Instant::now();
    }

    /// Next item. Messages without an entry don't extend the timeout. Must not be called again after [`SearchItem::Done`] or an error.
    pub(crate) async fn next(&mut self, connection: &mut LdapConnection) -> Result<SearchItem> {
        let item = match connection.receive(&self.pending).await {
            Ok(message) => match message.kind {
                LdapMessage::ENTRY => {
                    self.note_progress();
                    self.log.count_entry();
                    Ok(SearchItem::Entry(message))
                }
                LdapMessage::REFERENCE | LdapMessage::INTERMEDIATE if connection.is_over(self.progress) => {
                    Err(WireError::Timeout)
                }
                LdapMessage::REFERENCE => Ok(SearchItem::Reference(message.addresses())),
                LdapMessage::INTERMEDIATE => Ok(SearchItem::Intermediate(message)),
                LdapMessage::SEARCH_DONE => message.result().map(SearchItem::Done).ok_or(WireError::NotLdap),
                _ => Err(WireError::NotLdap),
            },
            Err(error) => Err(error),
        };
        match item {
            Ok(item) => {
                if let SearchItem::Done(result) = &item {
                    self.log.end_with_code(result.code);
                    connection.close(&self.pending);
                }
                Ok(item)
            }
            Err(error) => {
                self.log.end(&error);
                connection.abandon(&self.pending).await;
                Err(connection.failure(self.operation.clone(), error))
            }
        }
    }
}

impl LdapConnection {
    /// Decodes an entry. Its attributes have the names of the configuration beside those of the server.
    pub(crate) fn decode(&self, message: &LdapMessage) -> Result<DecodedEntry, MalformedEntry> {
        let mut entry = decode::entry(message)?;
        for (answered, configured) in &self.aliases {
            let values = entry.attributes.all(answered).to_vec();
            if !values.is_empty() && entry.attributes.all(configured).is_empty() {
                entry.attributes.insert(configured.clone(), values);
            }
        }
        Ok(entry)
    }

    /// Searches for a few entries, without paging. References are ignored: the entries are known to be on this server.
    pub(crate) async fn search(&mut self, query: SearchQuery) -> Result<Vec<DecodedEntry>> {
        Ok(self.search_with(query, &[]).await?.0)
    }

    /// Searches with controls; returns the entries and the controls of the answer.
    pub(crate) async fn search_with(
        &mut self,
        query: SearchQuery,
        controls: &[LdapControl],
    ) -> Result<(Vec<DecodedEntry>, Vec<LdapControl>)> {
        let operation = query.operation.clone();
        let mut backoff = BusyBackoff::default();
        let (entries, controls) = loop {
            let mut search = RunningSearch::start(self, query.clone(), controls).await?;
            let mut entries = Vec::new();
            let result = loop {
                match search.next(self).await? {
                    SearchItem::Entry(message) => entries.push(self.decode(&message)),
                    SearchItem::Reference(_) | SearchItem::Intermediate(_) => {}
                    SearchItem::Done(result) => break result,
                }
            };
            match result.code {
                0 => break (entries, result.controls),
                code if entries.is_empty() && backoff.wait(code).await => {}
                code => return Err(DirectoryError::refused(operation, code)),
            }
        };
        let entries: Result<_, _> = entries.into_iter().collect();
        let entries = entries.map_err(|error: MalformedEntry| {
            DirectoryError::protocol(&operation, format!("an entry, where {}", error.why))
        })?;
        Ok((entries, controls))
    }

    /// Searches for any number of entries, in pages if the server supports them.
    pub(crate) async fn search_paged(
        &mut self,
        query: SearchQuery,
        page_size: Option<i32>,
    ) -> Result<Vec<DecodedEntry>> {
        let Some(page_size) = page_size else { return self.search(query).await };
        let operation = query.operation.clone();
        let mut entries = Vec::new();
        let mut chain = CookieChain::default();
        loop {
            let page = page_control(page_size, chain.cookie());
            let (found, answer) = self.search_with(query.clone(), &[page]).await?;
            let mut digest = PageDigest::default();
            found.iter().for_each(|entry| digest.add(&entry.dn));
            entries.extend(found);
            let cookie = cookie_of(answer).ok_or_else(|| {
                DirectoryError::protocol(&operation, "a page without the paged-results control")
            })?;
            if cookie.is_empty() {
                return Ok(entries);
            }
            let advanced = chain.advance(cookie, digest);
            advanced.map_err(|PagingStuck(why)| DirectoryError::protocol(&operation, why))?;
        }
    }

    /// Reads a single entry; `None` if it does not exist or is not readable.
    pub(crate) async fn search_one(&mut self, query: SearchQuery) -> Result<Option<DecodedEntry>> {
        const NO_SUCH_OBJECT: u32 = 32;
        match self.search(query).await {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(DirectoryError::Refused { code: NO_SUCH_OBJECT, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Retries after the results busy (51) and unavailable (52) of RFC 4511.
#[derive(Default)]
pub(crate) struct BusyBackoff {
    retries: u32,
}

impl BusyBackoff {
    /// Waits before a retry; false if the result allows none or the retries are used up. The waits double and last two
    /// seconds together.
    pub(crate) async fn wait(&mut self, code: u32) -> bool {
        const FIRST: Duration = Duration::from_millis(125);
        const RETRIES: u32 = 4;
        if !matches!(code, 51 | 52) || self.retries >= RETRIES {
            return false;
        }
        tokio::time::sleep(FIRST * 2_u32.pow(self.retries)).await;
        self.retries += 1;
        true
    }
}
