//! Deterministic timestamps and ids, so that two runs give the same bytes.

use jiff::Timestamp;
use model::Anchor;

/// Time of the first change: the start of 2026, in seconds.
const FIRST: i64 = 1_767_225_600;

/// Counter of changes and ids.
#[derive(Debug)]
pub(crate) struct ChangeClock {
    changes: u64,
    changes_per_second: u64,
    uuids: u64,
}

impl ChangeClock {
    pub(crate) fn new(changes_per_second: u64) -> Self {
        Self { changes: 0, changes_per_second: changes_per_second.max(1), uuids: 0 }
    }

    /// Generalized time of the next change.
    pub(crate) fn tick(&mut self) -> Vec<u8> {
        let seconds = i64::try_from(self.changes / self.changes_per_second).unwrap_or(i64::MAX);
        self.changes += 1;
        let time = Timestamp::from_second(FIRST.saturating_add(seconds)).unwrap_or(Timestamp::MAX);
        time.strftime("%Y%m%d%H%M%SZ").to_string().into_bytes()
    }

    /// Next entryUUID. None occurs twice.
    pub(crate) fn uuid(&mut self) -> Vec<u8> {
        self.uuids += 1;
        uuid(self.uuids).into_bytes()
    }
}

/// UUID of version 4 that follows from a number and shows no order.
fn uuid(number: u64) -> String {
    let bits = (u128::from(scramble(number)) << 64) | u128::from(scramble(!number));
    let version = (bits & !(0xf << 76)) | (4 << 76);
    let variant = (version & !(3 << 62)) | (2 << 62);
    Anchor::from_uuid(variant.to_be_bytes()).to_string()
}

/// Spreads a number over 64 bits. Every step is reversible, so different numbers stay different.
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3 {
        bits ^= bits >> 29;
        bits = bits.wrapping_mul(0xd6e8_feb8_6659_fd93);
        bits ^= bits >> 32;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_share_a_second_as_configured() {
        let mut clock = ChangeClock::new(2);
        let times: Vec<_> = (0..4).map(|_| String::from_utf8(clock.tick()).unwrap()).collect();
        let (first, second) = ("20260101000000Z", "20260101000001Z");
        assert_eq!(times, [first, first, second, second]);
    }

    #[test]
    fn uuids_are_distinct_and_well_formed() {
        let uuids: std::collections::BTreeSet<_> = (1..10_000).map(uuid).collect();
        assert_eq!(uuids.len(), 9_999);
        assert!(uuids.iter().all(|uuid| uuid.len() == 36));
    }
}
