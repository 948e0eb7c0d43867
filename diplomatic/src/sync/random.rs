//! Randomness from a seed, for jitter.

use std::fmt;
use std::time::Duration;

/// The keyed BLAKE3 hash of nothing, read as an endless stream.
pub(super) struct Random(blake3::OutputReader);

impl Random {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(seed).finalize_xof())
    }

    /// Returns a uniformly distributed duration from zero to `longest`, in whole milliseconds.
    pub(super) fn part_of(&mut self, longest: Duration) -> Duration {
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX - 1);
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Duration::from_millis(u64::from_le_bytes(bytes) % (millis + 1))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(..)")
    }
}
