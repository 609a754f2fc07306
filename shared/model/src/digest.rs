//! Sixteen bytes that stand for many.

use blake3::Hasher;
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

/// What digests are for: equal bytes have different digests for different purposes.
#[derive(Clone, Copy)]
pub(crate) struct Purpose(ContextKey);

impl Purpose {
    /// By a name that is never used for anything else.
    pub(crate) fn new(name: &str) -> Self {
        Self(hash_derive_key_context(name))
    }

    /// The digest of some bytes. 128 bits are plenty to tell users apart.
    pub(crate) fn digest(&self, bytes: &[u8]) -> [u8; 16] {
        let whole = Hasher::new_from_context_key(&self.0).update(bytes).finalize();
        let mut half = [0; 16];
        half.copy_from_slice(whole.as_bytes().split_at(16).0);
        half
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was stored once has to be found for ever.
    #[test]
    fn it_is_the_key_that_blake3_derives() {
        let derived = blake3::derive_key("test", b"some bytes");
        assert_eq!(Purpose::new("test").digest(b"some bytes"), derived[..16]);
        assert_ne!(Purpose::new("other").digest(b"some bytes"), derived[..16]);
    }
}
