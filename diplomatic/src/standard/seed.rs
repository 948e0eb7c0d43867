//! The account's secret.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// An account's secret: 32 bytes from which every key is derived.
///
/// Whoever has the seed can read and write everything, and nobody can read anything without it. It is wiped from
/// memory on drop and does not appear in `Debug`.
///
/// ```
/// use diplomatic::standard::Seed;
///
/// let seed: Seed = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef".parse().unwrap();
/// assert_eq!(format!("{seed:?}"), "Seed(..)");
///
/// let mistake = "0123456789abcdefg123".parse::<Seed>().unwrap_err();
/// assert_eq!(mistake.to_string(), "a seed is 64 hex digits, and character 17 is 'g'");
/// ```
#[derive(Clone)]
pub struct Seed(Zeroizing<[u8; 32]>);

/// Text that is not a seed. The error repeats at most one character of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedParseError {
    /// A character is not a hex digit.
    #[error("a seed is 64 hex digits, and character {place} is {character:?}")]
    NotHex {
        /// Its place, starting at 1.
        place: usize,
        /// The character.
        character: char,
    },
    /// There are too few or too many digits.
    #[error("a seed is 64 hex digits, and here are {digits}")]
    WrongLength {
        /// How many there are.
        digits: usize,
    },
}

impl Seed {
    /// Wraps the bytes of a seed.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Makes a new seed.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self(bytes)
    }

    /// Returns the secret bytes.
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the secret as 64 hex digits.
    pub fn expose_hex(&self) -> Zeroizing<String> {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        // Sized at once, so that no half-written copy is left behind by a growing string.
        let mut hex = Zeroizing::new(String::with_capacity(64));
        for byte in self.0.iter() {
            hex.push(digit(byte >> 4));
            hex.push(digit(byte & 15));
        }
        hex
    }

    /// Derives a key: the BLAKE3-256 hash of the seed and the material.
    pub(crate) fn derive(&self, material: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_ref());
        for part in material {
            hasher.update(part);
        }
        let mut hash = hasher.finalize();
        let key = Zeroizing::new(*hash.as_bytes());
        hash.zeroize();
        hasher.zeroize();
        key
    }
}

/// Its one field wipes itself.
impl ZeroizeOnDrop for Seed {}

impl FromStr for Seed {
    type Err = SeedParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((index, character)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii_hexdigit()) {
            return Err(SeedParseError::NotHex { place: index + 1, character });
        }
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(SeedParseError::WrongLength { digits: digits.len() });
        }
        // Every digit was found to be one above.
        let nibble = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
        let mut bytes = Zeroizing::new([0; 32]);
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

crate::standard::never_retryable::never_retryable!(SeedParseError);
