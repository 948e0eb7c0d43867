//! Randomness from a seed, for unpredictable nonces and for jitter.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};

/// The keyed BLAKE3 hash of nothing, read as an endless stream.
pub(crate) struct Random(blake3::OutputReader);

impl Random {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_keyed(seed).finalize_xof())
    }

    /// Takes its seed from another source.
    pub(crate) fn from_rng(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self::new(&seed)
    }

    /// Returns a uniformly distributed duration from zero to `longest`, in whole milliseconds.
    pub(super) fn part_of(&mut self, longest: Duration) -> Duration {
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX - 1);
        Duration::from_millis(self.next_u64() % (millis + 1))
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Random {}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(..)")
    }
}
