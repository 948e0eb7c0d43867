//! New seeds and IDs. They are made here because `standard` draws no randomness.

use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use crate::standard::{EntityId, Seed, Timestamp};

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

impl EntityId {
    /// Makes the ID of a new entity from the operating system's randomness and time, for events with
    /// `#[diplomatic(entity = "...")]`. [`fresh`](Self::fresh) takes both as parameters.
    ///
    /// ```
    /// use diplomatic::{EntityId, Timestamp};
    ///
    /// let (one, other) = (EntityId::random(), EntityId::random());
    /// assert_ne!(one, other);
    /// assert!(one.created() <= Timestamp::now());
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the operating system cannot provide randomness.
    pub fn random() -> Self {
        Self::fresh(&mut UnwrapErr(SysRng), Timestamp::now())
    }
}
