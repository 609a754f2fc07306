//! Circuit breaker of a connection. While it is open, no requests are sent to the target.
//!
//! The breaker has its own item, so that workers that report failures don't contend with the scan's lease. The caller
//! chooses the time between two probes.

use model::UnixSeconds;

use crate::Store;
use crate::errors::{Result, StoreError};
use crate::item::{ItemReader, TableItem, number, text};
use crate::write::{ItemWrite, UpdateResult};

const REASON: &str = "reason";
const OPENED_AT: &str = "opened_at";
const UNTIL: &str = "until";
const PROBES: &str = "probes";
const REPORTS: &str = "reports";

/// Attempts to open the breaker. Many workers open it at the same time.
const ATTEMPTS: usize = 20;

/// Why no requests are sent.
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
    /// Reason in the latest report.
    pub reason: BreakerReason,
    /// Time at which it opened.
    pub opened_at: UnixSeconds,
    /// No requests before this time. Then one worker may probe; the breaker stays open until it is closed.
    pub until: UnixSeconds,
    /// Probes since it opened.
    pub probes: u32,
    /// Reports of failures since it opened. A report that came later than a probe began is not undone by the probe.
    pub reports: u64,
}

impl Store {
    /// The breaker, if it is open. An eventually consistent read, because it runs before each user and costs half. A
    /// stale answer causes one call or one wait too many; a conditional write decides which worker may probe.
    pub async fn fetch_breaker(&self) -> Result<Option<Breaker>> {
        let item = self.get_lately(&self.keys.breaker()).await?;
        item.map(|item| decode(&item)).transpose()
    }

    /// Opens the breaker for this many seconds. An open breaker keeps its opening time and is never shortened: many
    /// workers report one outage, and the latest report is not always the best informed.
    pub async fn open_breaker(
        &self,
        reason: BreakerReason,
        now: UnixSeconds,
        seconds: i64,
    ) -> Result<Breaker> {
        let (key, until) = (self.keys.breaker(), now.plus(seconds));
        let longer = ItemWrite::update(key.clone())
            .set(REASON, text(reason.word()))
            .set(UNTIL, number(until.0))
            .set_if_absent(OPENED_AT, number(now.0))
            .bump(REPORTS)
            .only_if("attribute_not_exists(#until) OR #until <= :new", [("new", number(until.0))]);
        // Of a breaker that is open for longer, only the reason changes.
        let reported = ItemWrite::update(key)
            .set(REASON, text(reason.word()))
            .bump(REPORTS)
            .only_if("attribute_exists(#until)", []);
        for _ in 0..ATTEMPTS {
            for write in [&longer, &reported] {
                if let UpdateResult::Now(item) = self.update_and_read(write).await? {
                    return decode(&item);
                }
            }
        }
        Err(StoreError::Throttled("open the breaker"))
    }

    /// Asks for the one probe that shows whether the target is back. When the time is over, exactly one worker gets it,
    /// for this many seconds, as the breaker that it may close. `None` also means that the breaker is closed, or that
    /// `seen` is out of date; [`fetch_breaker`](Self::fetch_breaker) tells.
    pub async fn try_probe(&self, seen: Breaker, now: UnixSeconds, seconds: i64) -> Result<Option<Breaker>> {
        let until = now.plus(seconds);
        let write = ItemWrite::update(self.keys.breaker()).set(UNTIL, number(until.0)).bump(PROBES).only_if(
            "#until <= :now AND #reports = :reports",
            [("now", number(now.0)), ("reports", number(seen.reports))],
        );
        // As a transaction: if the response to a plain update is lost, the retry fails on the condition that the first
        // attempt changed, and no worker probes.
        let is_done = self.transact(&[write]).await?.is_done();
        Ok(is_done.then_some(Breaker { until, probes: seen.probes + 1, ..seen }))
    }

    /// Ends a probe that failed: the breaker is open for this many seconds from now, also if the probe could have taken
    /// longer. Without effect on the time if another worker has reported a failure since.
    pub async fn end_probe(
        &self,
        probe: Breaker,
        reason: BreakerReason,
        (now, seconds): (UnixSeconds, i64),
    ) -> Result<Breaker> {
        let write = ItemWrite::update(self.keys.breaker())
            .set(REASON, text(reason.word()))
            .set(UNTIL, number(now.plus(seconds).0))
            .bump(REPORTS)
            .only_if(
                "#until = :until AND #reports = :reports",
                [("until", number(probe.until.0)), ("reports", number(probe.reports))],
            );
        match self.update_and_read(&write).await? {
            UpdateResult::Now(item) => decode(&item),
            UpdateResult::Refused(_) => self.open_breaker(reason, now, seconds).await,
        }
    }

    /// Closes the breaker that was seen, after a successful call. `false` if another worker has reported a failure
    /// since. Costs a write, so call it only where the breaker was seen open.
    pub async fn close_breaker(&self, seen: Breaker) -> Result<bool> {
        let write = ItemWrite::delete(self.keys.breaker()).only_if(
            "#opened_at = :opened AND #reports = :reports",
            [("opened", number(seen.opened_at.0)), ("reports", number(seen.reports))],
        );
        let result = self.commit(&[write]).await?;
        Ok(result.is_done() || result.into_first_item().is_none())
    }
}

fn decode(item: &TableItem) -> Result<Breaker> {
    let read = ItemReader::new(item);
    let reason = read.required(REASON, read.text(REASON)?)?;
    Ok(Breaker {
        reason: BreakerReason::of(reason).ok_or_else(|| read.wrong(REASON, "is no reason"))?,
        opened_at: UnixSeconds(read.required(OPENED_AT, read.number(OPENED_AT)?)?),
        until: UnixSeconds(read.required(UNTIL, read.number(UNTIL)?)?),
        probes: read.number(PROBES)?.unwrap_or_default(),
        reports: read.number(REPORTS)?.unwrap_or_default(),
    })
}
