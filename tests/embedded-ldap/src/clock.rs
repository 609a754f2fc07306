//! Time and identity without a clock and without chance, so that two runs answer byte for byte the same.

/// The year whose first second is that of the first change.
const FIRST_YEAR: u64 = 2026;

/// Counts changes, and makes timestamps and entryUUIDs of the count.
#[derive(Debug)]
pub(crate) struct Clock {
    changes: u64,
    changes_per_second: u64,
    uuids: u64,
}

impl Clock {
    pub(crate) fn new(changes_per_second: u64) -> Clock {
        Clock { changes: 0, changes_per_second: changes_per_second.max(1), uuids: 0 }
    }

    /// The timestamp of the next change, in LDAP's generalized time.
    pub(crate) fn tick(&mut self) -> Vec<u8> {
        let seconds = self.changes / self.changes_per_second;
        self.changes += 1;
        generalized_time(seconds).into_bytes()
    }

    /// The next entryUUID. It never comes again, so an entry that is deleted and made anew is another one.
    pub(crate) fn uuid(&mut self) -> Vec<u8> {
        self.uuids += 1;
        uuid(self.uuids).into_bytes()
    }
}

/// `seconds` after the start of [`FIRST_YEAR`], written as `20260101000000Z`.
fn generalized_time(seconds: u64) -> String {
    let (mut days, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = FIRST_YEAR;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}{month:02}{:02}{hour:02}{minute:02}{second:02}Z", days + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// A UUID that looks random, so that nobody comes to rely on its order, but follows from its number alone.
fn uuid(number: u64) -> String {
    let (high, low) = (scramble(number), scramble(!number));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0x0fff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff,
    )
}

/// Spreads one number over 64 bits, each step reversible, so that different numbers stay different.
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
    fn timestamps_follow_the_calendar() {
        for (seconds, expected) in [
            (0, "20260101000000Z"),
            (61, "20260101000101Z"),
            (59 * 86_400, "20260301000000Z"),
            ((365 + 365 + 59) * 86_400, "20280229000000Z"),
            (365 * 86_400 - 1, "20261231235959Z"),
        ] {
            assert_eq!(generalized_time(seconds), expected);
        }
    }

    #[test]
    fn changes_can_share_a_second() {
        let mut clock = Clock::new(2);
        let times: Vec<_> = (0..4).map(|_| clock.tick()).collect();
        assert_eq!(times[0], times[1]);
        assert_ne!(times[1], times[2]);
    }

    #[test]
    fn uuids_are_distinct_and_well_formed() {
        let uuids: std::collections::BTreeSet<_> = (1..10_000).map(uuid).collect();
        assert_eq!(uuids.len(), 9_999);
        assert!(uuids.iter().all(|uuid| uuid.len() == 36));
    }
}
