//! Short keyed hashes.

use blake3::Hasher;
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

/// The purpose of a digest. Equal bytes have different digests for different purposes.
#[derive(Clone, Copy)]
pub(crate) struct Purpose(ContextKey);

impl Purpose {
    /// Takes a name that no other purpose uses.
    pub(crate) fn new(name: &str) -> Self {
        Self(hash_derive_key_context(name))
    }

    /// Hashes bytes to 128 bits, which are enough to tell users apart.
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

    /// Stored keys stay readable only while this holds.
    #[test]
    fn digest_is_the_start_of_blake3_derive_key() {
        let derived = blake3::derive_key("test", b"some bytes");
        assert_eq!(Purpose::new("test").digest(b"some bytes"), derived[..16]);
        assert_ne!(Purpose::new("other").digest(b"some bytes"), derived[..16]);
    }
}
