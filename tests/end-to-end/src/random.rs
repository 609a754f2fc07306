//! Random numbers that a failing test can repeat.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// The SplitMix64 generator: the same numbers on every machine and with every version of every library.
pub struct SeededRandom(u64);

impl SeededRandom {
    /// Starts the sequence of a seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// True with a probability of `percent`.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// The seed in `TEST_SEED`, or a new one; printed, so that a run can be repeated.
#[expect(clippy::disallowed_methods, reason = "the environment is how a developer repeats a run")]
pub fn seed(test: &str) -> u64 {
    let given = std::env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("{test}: seed {seed} (TEST_SEED={seed} repeats it)");
    seed
}
