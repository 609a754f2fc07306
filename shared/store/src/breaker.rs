//! The breaker: while a target accepts nothing from anybody, nobody is tried.
//!
//! It has an item of its own, so that workers who report a failure don't get in the way of the scan's lease. How
//! long to wait from one probe to the next is the caller's to say.

use model::UnixSeconds;

use crate::Store;
use crate::errors::StoreError;
use crate::item::{ItemReader, TableItem, number, text};
use crate::write::{CommitResult, ItemWrite, UpdateResult};

const REASON: &str = "reason";
const OPENED_AT: &str = "opened_at";
const UNTIL: &str = "until";
const PROBES: &str = "probes";

/// How often the breaker may change under somebody who opens it; many do so at once.
const ATTEMPTS: usize = 20;

/// Why nobody is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerReason {
    /// The target does not accept the token.
    Unauthorized,
    /// The target is down, or wants far fewer calls.
    Unavailable,
}

impl BreakerReason {
    /// A single word for items, metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Unavailable => "unavailable",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Unauthorized, Self::Unavailable].into_iter().find(|reason| reason.word() == word)
    }
}

/// An open breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Why, as it was told last.
    pub reason: BreakerReason,
    /// Since when.
    pub opened_at: UnixSeconds,
    /// Until when nobody calls. From then on one may try; the breaker stays open until somebody closes it.
    pub until: UnixSeconds,
    /// How often somebody has tried since it opened.
    pub probes: u32,
}

impl Store {
    /// The breaker, if it is open. It may be a moment old, which is enough: the worst that comes of it is one call more
    /// or one wait more, and who may probe is decided by a write. It is asked before each user, so half the price counts.
    pub async fn fetch_breaker(&self) -> Result<Option<Breaker>, StoreError> {
        let item = self.get_lately(&self.keys.breaker()).await?;
        item.map(|item| decode(&item)).transpose()
    }

    /// Opens the breaker for so many seconds. One that is open stays open since when it was, and is never shortened: many
    /// workers report the same outage, and the latest report need not be the one that knows most.
    pub async fn open_breaker(
        &self,
        reason: BreakerReason,
        now: UnixSeconds,
        seconds: i64,
    ) -> Result<Breaker, StoreError> {
        let key = self.keys.breaker();
        let until = now.plus(seconds);
        for _ in 0..ATTEMPTS {
            let longer = ItemWrite::update(key.clone())
                .set(REASON, text(reason.word()))
                .set(UNTIL, number(until.0))
                .only_if("#until <= :new", [("new", number(until.0))]);
            let found = match self.update_and_read(&longer).await? {
                UpdateResult::Now(item) => return decode(&item),
                UpdateResult::Refused(Some(item)) => Some(item),
                UpdateResult::Refused(None) => self.get(&key).await?,
            };
            if let Some(found) = found {
                // It is open for longer than this, or somebody has opened it just now and it is to be made longer.
                if decode(&found)?.until > until {
                    let told = ItemWrite::update(key.clone())
                        .set(REASON, text(reason.word()))
                        .only_if("attribute_exists(#until)", []);
                    if let UpdateResult::Now(item) = self.update_and_read(&told).await? {
                        return decode(&item);
                    }
                }
                continue;
            }
            let first = ItemWrite::put(key.clone())
                .set(REASON, text(reason.word()))
                .set(OPENED_AT, number(now.0))
                .set(UNTIL, number(until.0))
                .set(PROBES, number(0))
                .only_if("attribute_not_exists(#until)", []);
            if self.commit(&[first]).await? == CommitResult::Done {
                return Ok(Breaker { reason, opened_at: now, until, probes: 0 });
            }
        }
        Err(StoreError::Throttled { action: "open the breaker" })
    }

    /// Asks to make the one call that shows whether the target is back. Of all who ask once the time is over, exactly one
    /// gets `true`, and it is theirs for so many seconds; then another one may. `false` too when the breaker is closed by
    /// now, which [`fetch_breaker`](Self::fetch_breaker) tells.
    pub async fn try_probe(&self, now: UnixSeconds, seconds: i64) -> Result<bool, StoreError> {
        let write = ItemWrite::update(self.keys.breaker())
            .set(UNTIL, number(now.plus(seconds).0))
            .bump(PROBES)
            .only_if("#until <= :now", [("now", number(now.0))]);
        // As a transaction: were its answer lost, a plain update would be refused at the second try, for what it did
        // itself, and then nobody would probe.
        Ok(self.transact(&[write]).await? == CommitResult::Done)
    }

    /// Closes the breaker after a call that worked. Ask for it only where it was seen open; it costs a write.
    pub async fn close_breaker(&self) -> Result<(), StoreError> {
        self.commit(&[ItemWrite::delete(self.keys.breaker())]).await.map(drop)
    }
}

fn decode(item: &TableItem) -> Result<Breaker, StoreError> {
    let read = ItemReader::new(item);
    let reason = read.required(REASON, read.text(REASON)?)?;
    Ok(Breaker {
        reason: BreakerReason::of(reason).ok_or_else(|| read.wrong(REASON, "is no reason"))?,
        opened_at: UnixSeconds(read.required(OPENED_AT, read.number(OPENED_AT)?)?),
        until: UnixSeconds(read.required(UNTIL, read.number(UNTIL)?)?),
        probes: read.number(PROBES)?.unwrap_or_default(),
    })
}
