//! Buckets of the snapshot as bytes, and the bucket of a user.

use model::{AnchorHash, Fingerprint};

/// A user's anchor hash and fingerprint.
pub(crate) type SnapshotPair = (AnchorHash, Fingerprint);

const PAIR: usize = 32;
/// Users per bucket: 4 KB, the unit in which reads are billed.
const USERS: usize = 128;
/// Average users per bucket above which the snapshot is split anew.
const MANY: usize = 256;
/// Average users per bucket below which it is split anew.
const FEW: usize = 16;
/// Maximum bits of a hash that name a bucket: over 100 million users.
const MAX_BITS: u32 = 20;

/// Bits of a hash that name its bucket, for this many users.
pub(crate) fn bits_for(users: usize) -> u32 {
    let buckets = users.div_ceil(USERS).max(1).next_power_of_two();
    buckets.trailing_zeros().min(MAX_BITS)
}

/// Whether this many users no longer fit these bits.
pub(crate) fn outgrown(users: usize, bits: u32) -> bool {
    let buckets = 1usize << bits.min(MAX_BITS);
    (users > buckets * MANY && bits < MAX_BITS) || (users < buckets * FEW && bits > 0)
}

/// Bucket of a hash: its first bits.
pub(crate) fn bucket_of(hash: &AnchorHash, bits: u32) -> u32 {
    let [a, b, c, d, ..] = hash.0;
    u32::from_be_bytes([a, b, c, d]).checked_shr(32 - bits.min(MAX_BITS)).unwrap_or_default()
}

pub(crate) fn pack(pairs: &[SnapshotPair]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pairs.len() * PAIR);
    for (hash, fingerprint) in pairs {
        bytes.extend_from_slice(&hash.0);
        bytes.extend_from_slice(&fingerprint.0);
    }
    bytes
}

/// Appends a bucket's pairs. `None` when the bytes are not this bucket.
pub(crate) fn unpack(bytes: &[u8], bucket: u32, bits: u32, into: &mut Vec<SnapshotPair>) -> Option<()> {
    let (chunks, rest) = bytes.as_chunks::<PAIR>();
    if !rest.is_empty() {
        return None;
    }
    for chunk in chunks {
        let (hash, fingerprint) = chunk.split_first_chunk::<16>()?;
        let pair = (AnchorHash(*hash), Fingerprint(fingerprint.try_into().ok()?));
        let in_order = into.last().is_none_or(|(before, _)| *before < pair.0);
        if !in_order || bucket_of(&pair.0, bits) != bucket {
            return None;
        }
        into.push(pair);
    }
    Some(())
}

/// The pairs of one bucket, out of all.
pub(crate) fn run_of(pairs: &[SnapshotPair], bucket: u32, bits: u32) -> &[SnapshotPair] {
    let start = pairs.partition_point(|(hash, _)| bucket_of(hash, bits) < bucket);
    let end = pairs.partition_point(|(hash, _)| bucket_of(hash, bits) <= bucket);
    pairs.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_about_128_users() {
        assert_eq!(bits_for(0), 0);
        assert_eq!(bits_for(128), 0);
        assert_eq!(bits_for(129), 1);
        assert_eq!(bits_for(100_000), 10);
        assert!(!outgrown(256, 0) && outgrown(257, 0));
        assert!(!outgrown(0, 0));
        for users in [0, 1, 127, 128, 129, 1_000, 100_000, 10_000_000] {
            assert!(!outgrown(users, bits_for(users)), "{users}");
        }
    }

    #[test]
    fn bucket_is_the_first_bits() {
        let mut hash = AnchorHash([0; 16]);
        hash.0[0] = 0b1010_0000;
        assert_eq!(bucket_of(&hash, 0), 0);
        assert_eq!(bucket_of(&hash, 1), 1);
        assert_eq!(bucket_of(&hash, 3), 0b101);
    }

    #[test]
    fn malformed_bucket_is_refused() {
        let pair = |first: u8| (AnchorHash([first; 16]), Fingerprint([7; 16]));
        let good = pack(&[pair(1), pair(2)]);
        let mut read = Vec::new();
        assert_eq!(unpack(&good, 0, 0, &mut read), Some(()));
        assert_eq!(read, [pair(1), pair(2)]);
        assert_eq!(unpack(&good[1..], 0, 0, &mut Vec::new()), None);
        assert_eq!(unpack(&good, 1, 1, &mut Vec::new()), None);
        assert_eq!(unpack(&pack(&[pair(2), pair(1)]), 0, 0, &mut Vec::new()), None);
    }
}
