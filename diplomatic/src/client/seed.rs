//! New seeds. They are made here because `standard` draws no randomness.

use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use crate::standard::Seed;

impl Seed {
    /// Makes a new seed from the operating system's randomness.
    ///
    /// ```
    /// use diplomatic::Seed;
    ///
    /// let seed = Seed::random();
    /// assert_eq!(seed.expose_hex().len(), 64);
    /// assert_ne!(seed.expose_bytes(), Seed::random().expose_bytes());
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the operating system cannot provide randomness.
    pub fn random() -> Self {
        Self::generate(&mut UnwrapErr(SysRng))
    }
}
