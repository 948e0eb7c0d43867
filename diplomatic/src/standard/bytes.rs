//! The primitives of the wire format: untagged bytes of exact length.

use std::fmt;

use super::Status;

/// The largest number that fits in a varint: eight groups of seven bits.
pub const MAX_VARINT: u64 = (1 << 56) - 1;

/// The largest number that every client can read, because JavaScript stores numbers as doubles.
pub(crate) const MAX_SAFE: u64 = (1 << 53) - 1;

/// A value that has exactly one encoding on the wire.
pub trait Encode {
    /// Appends the value's bytes to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Returns the value's bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// A value that can be decoded from the wire.
///
/// Decoders never panic, and never allocate more than the available bytes justify.
pub trait Decode: Sized {
    /// Takes one value from the front of `reader`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the bytes do not match the layout.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Decodes a value that takes up all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the bytes do not match the layout, or if some are left over.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Why bytes could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a varint.
    #[error("the bytes end inside a varint")]
    TruncatedVarint,
    /// A varint is longer than eight bytes.
    #[error("a varint is longer than eight bytes")]
    VarintTooLong,
    /// A field needs more bytes than are left.
    #[error("a field needs {wanted} bytes, but only {left} are left")]
    OutOfBounds {
        /// How many bytes the layout needs.
        wanted: u64,
        /// How many bytes are left.
        left: u64,
    },
    /// Bytes follow the end of the layout.
    #[error("{count} bytes follow the end of the layout")]
    TrailingBytes {
        /// How many bytes follow.
        count: u64,
    },
    /// A nested structure is cut short by the length that precedes it.
    #[error("a nested structure is cut short by the length that precedes it")]
    TruncatedInside {
        /// The standard's status for the way it is cut short.
        status: Status,
    },
    /// A number is too large for its field.
    #[error("a field holds {number}, but its maximum is {most}")]
    NumberTooLarge {
        /// The number.
        number: u64,
        /// The field's maximum.
        most: u64,
    },
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
}

impl DecodeError {
    /// Returns the standard's status for this error.
    pub const fn status(self) -> Status {
        match self {
            Self::TruncatedVarint | Self::NotUtf8 | Self::NumberTooLarge { .. } => Status::INVALID_MESSAGE,
            Self::TruncatedInside { status } => status,
            Self::VarintTooLong => Status::VAR_LIMIT_EXCEEDED,
            Self::OutOfBounds { .. } => Status::OUT_OF_BOUNDS,
            Self::TrailingBytes { .. } => Status::EXTRA_BODY_CONTENT,
        }
    }

    /// Returns whether more bytes could complete the value, as at the end of a chunk of a stream.
    ///
    /// A false length looks the same, so bound the number of bytes you wait for.
    pub const fn is_incomplete(self) -> bool {
        matches!(self, Self::TruncatedVarint | Self::OutOfBounds { .. })
    }
}

/// A cursor over bytes to decode.
#[derive(Clone)]
pub struct Reader<'a> {
    left: &'a [u8],
}

/// Shows how many bytes are left but not their contents, which may belong to a user.
impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} bytes left)", self.left.len())
    }
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Returns whether every byte was taken.
    pub const fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Returns the bytes that have not been taken yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.left
    }

    /// Takes an unsigned LEB128 number of at most eight bytes. Overlong encodings are accepted.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TruncatedVarint`] or [`DecodeError::VarintTooLong`].
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for (place, &byte) in self.left.iter().take(8).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.left = &self.left[place + 1..];
                return Ok(value);
            }
        }
        Err(if self.left.len() < 8 { DecodeError::TruncatedVarint } else { DecodeError::VarintTooLong })
    }

    /// Takes `count` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::OutOfBounds`], when fewer are left.
    pub fn bytes(&mut self, count: u64) -> Result<&'a [u8], DecodeError> {
        let split = usize::try_from(count).ok().and_then(|count| self.left.split_at_checked(count));
        let (taken, left) = split.ok_or(DecodeError::OutOfBounds { wanted: count, left: self.left.len() as u64 })?;
        self.left = left;
        Ok(taken)
    }

    /// Takes exactly `N` bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::OutOfBounds`], when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, left) = self
            .left
            .split_first_chunk::<N>()
            .ok_or(DecodeError::OutOfBounds { wanted: N as u64, left: self.left.len() as u64 })?;
        self.left = left;
        Ok(*taken)
    }

    /// Takes one byte.
    ///
    /// # Errors
    ///
    /// [`DecodeError::OutOfBounds`] if none is left.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Takes a length, then that many bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] of the length or of the bytes.
    pub fn varbytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let count = self.varint()?;
        self.bytes(count)
    }

    /// Takes a length, then that many bytes of UTF-8.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] of the length or of the bytes; [`DecodeError::NotUtf8`].
    pub fn varstring(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.varbytes()?).map_err(|_| DecodeError::NotUtf8)
    }

    /// Takes a length, then a structure of exactly that many bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] of the length, or of the structure; the latter [is never incomplete](DecodeError::is_incomplete).
    pub fn nested<T: Decode>(&mut self) -> Result<T, DecodeError> {
        T::decode(self.varbytes()?).map_err(|error| match error {
            error if error.is_incomplete() => DecodeError::TruncatedInside { status: error.status() },
            error => error,
        })
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TrailingBytes`].
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.left.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes { count: self.left.len() as u64 }) }
    }
}

/// A number that does not fit in a varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is above the largest varint, 2^56 - 1")]
pub struct VarintTooLarge(pub u64);

impl VarintTooLarge {
    /// Returns the standard's status for this error.
    pub const fn status(self) -> Status {
        Status::VAR_LIMIT_EXCEEDED
    }
}

/// Appends `value` in the fewest bytes.
///
/// # Errors
///
/// [`VarintTooLarge`] if `value` is above [`MAX_VARINT`]; nothing is written then.
pub fn write_varint(out: &mut Vec<u8>, value: u64) -> Result<(), VarintTooLarge> {
    if value > MAX_VARINT {
        return Err(VarintTooLarge(value));
    }
    put_varint(out, value);
    Ok(())
}

/// Appends a number whose type keeps it within [`MAX_VARINT`].
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    debug_assert!(value <= MAX_VARINT, "{value} was not checked against the largest varint");
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and the bytes.
pub(crate) fn put_varbytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

crate::standard::never_retryable::never_retryable!(DecodeError, VarintTooLarge);
