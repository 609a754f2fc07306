//! The target's call budget, shared by all workers of a connection.
//!
//! The table holds one moment: when the next call may be made. Whoever wants to call moves it on by a block of calls, in
//! one atomic addition, and has the time in between to itself. So calls are spread evenly however many workers there
//! are, no second has more than the budget, and a block costs one small write.

use crate::Store;
use crate::errors::StoreError;
use crate::item::{ItemReader, TableItem, number};
use crate::write::{ItemWrite, UpdateResult};

const NEXT: &str = "next";
const SHARE: &str = "share";
const SLOWED_AT: &str = "slowed_at";

/// A moment in microseconds since 1970 UTC, and a span of them.
pub type Micros = i64;

const SECOND: Micros = 1_000_000;

/// How many parts of the budget there are.
const WHOLE: i64 = 1_000;

/// The least that is left of the budget, however often the target complains.
const LEAST: i64 = WHOLE / 16;

/// From nought to the whole budget again takes so long.
const RECOVERY: Micros = 60 * SECOND;

/// How often the item may change under somebody who reserves; many do so at once.
const ATTEMPTS: usize = 20;

/// How fast the target is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// When the next call may be made that nobody has reserved.
    pub next: Micros,
    share: i64,
    slowed_at: Micros,
}

impl Pace {
    /// Which share of the budget may be used, in thousandths. After each complaint it is half of what it was; from then on
    /// it grows by itself.
    pub fn share(&self, now: Micros) -> i64 {
        let since = now.saturating_sub(self.slowed_at).clamp(0, RECOVERY);
        self.share.saturating_add(since * WHOLE / RECOVERY).clamp(LEAST, WHOLE)
    }

    /// How far apart calls are at this budget.
    pub fn interval(&self, now: Micros, per_second: u32) -> Micros {
        SECOND * WHOLE / (i64::from(per_second.max(1)) * self.share(now))
    }
}

impl Default for Pace {
    /// As it is before the first call.
    fn default() -> Self {
        Self { next: 0, share: WHOLE, slowed_at: 0 }
    }
}

impl Store {
    /// Reserves so much time for calls, beginning at once or when all that is reserved is over. Gives the beginning, and
    /// the pace after it.
    pub async fn reserve_calls(&self, now: Micros, span: Micros) -> Result<(Micros, Pace), StoreError> {
        let key = self.keys.pace();
        for _ in 0..ATTEMPTS {
            let behind = ItemWrite::update(key.clone())
                .add(NEXT, span)
                .only_if("#next >= :now", [("now", number(now))]);
            if let UpdateResult::Now(item) = self.update_and_read(&behind).await? {
                let pace = decode(&item)?;
                return Ok((pace.next.saturating_sub(span), pace));
            }
            let first = ItemWrite::update(key.clone())
                .set(NEXT, number(now.saturating_add(span)))
                .only_if("attribute_not_exists(#next) OR #next < :now", [("now", number(now))]);
            if let UpdateResult::Now(item) = self.update_and_read(&first).await? {
                return Ok((now, decode(&item)?));
            }
        }
        Err(StoreError::Throttled { action: "reserve calls to the target" })
    }

    /// Halves the share of the budget, because the target wants fewer calls, and reserves the time that it wants to be left
    /// alone. Many workers hear of the same complaint: within a second it counts once.
    pub async fn slow_down(&self, now: Micros, seen: &Pace, wait: Micros) -> Result<(), StoreError> {
        let key = self.keys.pace();
        let slower = ItemWrite::update(key.clone())
            .set(SHARE, number((seen.share(now) / 2).max(LEAST)))
            .set(SLOWED_AT, number(now))
            .only_if(
                "attribute_not_exists(#slowed_at) OR #slowed_at < :before",
                [("before", number(now.saturating_sub(SECOND)))],
            );
        self.update_and_read(&slower).await?;
        if wait > 0 {
            let until = number(now.saturating_add(wait));
            let later = ItemWrite::update(key)
                .set(NEXT, until.clone())
                .only_if("attribute_not_exists(#next) OR #next < :until", [("until", until)]);
            self.update_and_read(&later).await?;
        }
        Ok(())
    }
}

fn decode(item: &TableItem) -> Result<Pace, StoreError> {
    let read = ItemReader::new(item);
    let usual = Pace::default();
    Ok(Pace {
        next: read.required(NEXT, read.number(NEXT)?)?,
        share: read.number(SHARE)?.unwrap_or(usual.share),
        slowed_at: read.number(SLOWED_AT)?.unwrap_or(usual.slowed_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_halved_and_grows_again() {
        let now = 1_800_000_000 * SECOND;
        assert_eq!((Pace::default().share(now), Pace::default().interval(now, 50)), (1_000, 20_000));
        let slowed = Pace { share: 500, slowed_at: now, ..Pace::default() };
        for (seconds, share) in [(0, 500), (15, 750), (30, 1_000), (3_600, 1_000), (-5, 500)] {
            assert_eq!(slowed.share(now + seconds * SECOND), share, "after {seconds} s");
        }
        assert_eq!(slowed.interval(now, 50), 40_000);
        let stopped = Pace { share: 0, slowed_at: now, ..Pace::default() };
        assert_eq!(stopped.share(now), LEAST);
        assert!(stopped.interval(now, 0) > 0);
    }
}
