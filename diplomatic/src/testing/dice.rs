//! Random choices from a seed.

use std::convert::Infallible;

use rand_core::{SeedableRng, TryCryptoRng, TryRng};

/// A stream of random choices that one seed determines (SplitMix64).
///
/// ```
/// use diplomatic::testing::Dice;
///
/// let mut dice = Dice::new(7);
/// let word = dice.word();
/// assert_eq!(word, Dice::new(7).word());
/// assert!(dice.below(6) < 6);
/// assert!(["milk", "bread"].contains(dice.pick(&["milk", "bread"])));
/// ```
///
/// It is a random number generator of the crates `rand` and `rand_core`, too, also where a parameter asks for one that is
/// cryptographically secure. It is not: it is for tests.
///
/// ```
/// use diplomatic::testing::Dice;
/// use diplomatic::{EntityId, Timestamp};
///
/// let today = Timestamp::from_millis(1_764_000_000_000);
/// let milk = EntityId::fresh(&mut Dice::new(7), today);
/// assert_eq!(milk, EntityId::fresh(&mut Dice::new(7), today));
/// ```
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Starts the stream for a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns any number.
    pub const fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, or 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end.max(1)
    }

    /// Returns true with a probability in percent.
    pub fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    /// Returns one of `items`.
    ///
    /// # Panics
    ///
    /// Panics if `items` is empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        assert!(!items.is_empty(), "there is nothing to pick from");
        &items[self.below(items.len() as u64) as usize]
    }

    /// Returns one of a few short words, so that repetitions are frequent.
    pub fn word(&mut self) -> String {
        (*self.pick(&["ant", "bee", "cat", "dog", "eel", "fox"])).to_owned()
    }

    pub(super) fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.any().to_le_bytes()));
        bytes
    }
}

impl TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.any() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.any())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.any().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Dice {}

impl SeedableRng for Dice {
    type Seed = [u8; 8];

    fn from_seed(seed: [u8; 8]) -> Self {
        Self::new(u64::from_le_bytes(seed))
    }
}
