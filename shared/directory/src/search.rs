//! One search, item by item. Every question to the directory goes through here.

use std::time::Duration;

use crate::connection::{Connection, Question};
use crate::decode::{self, Garbled, RawEntry};
use crate::errors::{DirectoryError, DirectoryOperation};
use crate::filter;
use crate::paging::{Chain, PageMark, Stuck, cookie_of, page};
use crate::wire::{Control, Message, Outcome, Request, SearchScope, WireError};

/// What to search for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The entry to begin with.
    pub(crate) base: String,
    /// That entry only, or all under it as well.
    pub(crate) scope: SearchScope,
    /// What the entries must be like.
    pub(crate) filter: String,
    /// What to be told about them.
    pub(crate) attributes: Vec<String>,
    /// What this is for.
    pub(crate) doing: DirectoryOperation,
}

/// What to be told about an entry whose existence is enough (RFC 4511, section 4.5.1.8).
pub(crate) const NO_ATTRIBUTES: &str = "1.1";

/// A filter that every entry passes.
pub(crate) const ANY: &str = "(objectClass=*)";

/// A search that has been sent. Entries are taken off it one by one, up to the [`Item::Done`].
pub(crate) struct Search {
    question: Question,
    doing: DirectoryOperation,
}

/// What a server answers a search with.
pub(crate) enum Item {
    /// An entry, not yet taken apart.
    Entry(Message),
    /// Something that the server says in between, about the search as a whole.
    Intermediate(Message),
    /// A part of the tree is elsewhere; the addresses are alternatives.
    Reference(Vec<String>),
    /// That was all, or why it ended before.
    Done(Outcome),
}

impl Query {
    /// A look at a single entry.
    pub(crate) fn one(base: &str, attributes: &[&str], doing: DirectoryOperation) -> Self {
        Self {
            base: base.to_owned(),
            scope: SearchScope::Base,
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
        controls: &[Control],
    ) -> Result<Self, DirectoryError> {
        let Query { base, scope, filter, attributes, doing } = query;
        // The text may hold somebody's name, so it is not shown.
        let filter = filter::encode(&filter).map_err(|error| DirectoryError::Protocol {
            doing: doing.clone(),
            detail: format!("the filter can't be sent: {error}"),
        })?;
        match connection.send(Request::search(&base, scope, filter, &attributes), controls).await {
            Ok(question) => Ok(Self { question, doing }),
            Err(error) => Err(connection.failure(doing, error)),
        }
    }

    /// The next item. After [`Item::Done`] or an error there is none, and this must not be called again.
    pub(crate) async fn next(&mut self, connection: &mut Connection) -> Result<Item, DirectoryError> {
        let item = match connection.receive(&self.question).await {
            Ok(message) => match message.kind {
                Message::ENTRY => Ok(Item::Entry(message)),
                Message::REFERENCE => Ok(Item::Reference(message.addresses())),
                Message::INTERMEDIATE => Ok(Item::Intermediate(message)),
                Message::SEARCH_DONE => message.outcome().map(Item::Done).ok_or(WireError::NotLdap),
                _ => Err(WireError::NotLdap),
            },
            Err(error) => Err(error),
        };
        match item {
            Ok(item) => {
                if matches!(item, Item::Done(_)) {
                    connection.close(&self.question);
                }
                Ok(item)
            }
            Err(error) => {
                connection.give_up(&self.question).await;
                Err(connection.failure(self.doing.clone(), error))
            }
        }
    }
}

impl Connection {
    /// Asks for a few entries, in one answer. References are passed over: whoever asks this way asks about
    /// entries that are known to be on this server.
    pub(crate) async fn ask(&mut self, query: Query) -> Result<Vec<RawEntry>, DirectoryError> {
        Ok(self.ask_with(query, &[]).await?.0)
    }

    /// Asks for a few entries, with controls; the answer's own come along.
    pub(crate) async fn ask_with(
        &mut self,
        query: Query,
        controls: &[Control],
    ) -> Result<(Vec<RawEntry>, Vec<Control>), DirectoryError> {
        let doing = query.doing.clone();
        let mut patience = Backoff::default();
        let (entries, controls) = loop {
            let mut search = Search::start(self, query.clone(), controls).await?;
            let mut entries = Vec::new();
            let result = loop {
                match search.next(self).await? {
                    Item::Entry(message) => entries.push(decode::entry(&message)),
                    Item::Reference(_) | Item::Intermediate(_) => {}
                    Item::Done(result) => break result,
                }
            };
            match result.code {
                0 => break (entries, result.controls),
                code if entries.is_empty() && patience.again(code).await => {}
                code => return Err(DirectoryError::refused(doing, code)),
            }
        };
        let entries: Result<_, _> = entries.into_iter().collect();
        let entries = entries.map_err(|garbled: Garbled| DirectoryError::Protocol {
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
        controls: &[Control],
    ) -> Result<Vec<RawEntry>, DirectoryError> {
        let Some(page_size) = page_size else { return Ok(self.ask_with(query, controls).await?.0) };
        let doing = query.doing.clone();
        let garbled =
            |detail: &str| DirectoryError::Protocol { doing: doing.clone(), detail: detail.to_owned() };
        let mut entries = Vec::new();
        let mut chain = Chain::default();
        loop {
            let mut with = controls.to_vec();
            with.push(page(page_size, chain.cookie()));
            let (found, answer) = self.ask_with(query.clone(), &with).await?;
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
