//! Public keys and signatures.

use std::fmt;
use std::str::FromStr;

use super::Status;
use super::bytes::{Decode, DecodeError, Encode, Reader};
use super::verification::Verifier;

/// A signature that does not match its key and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match its key and content")]
pub struct InvalidSignature;

impl InvalidSignature {
    /// Returns the standard's status for this error.
    pub const fn status(self) -> Status {
        Status::INVALID_SIGNATURE
    }
}

/// The public half of a host key pair. It identifies a user to one host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Wraps the key's bytes without checking them. Bytes that are not a key verify nothing.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks one Ed25519 signature.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`], also if these bytes are not a public key.
    pub fn verify(&self, content: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        let holds = Verifier::new(&self.0).is_some_and(|verifier| verifier.holds(content, &signature.0));
        if holds { Ok(()) } else { Err(InvalidSignature) }
    }

    /// Checks many signatures by this key and returns whether each is valid, in order.
    ///
    /// This costs about a quarter of checking each alone, and little more if some of them are invalid. The results are the
    /// same.
    pub fn verify_each(&self, signed: &[(&[u8], &Signature)]) -> Vec<bool> {
        let Some(verifier) = Verifier::new(&self.0) else { return vec![false; signed.len()] };
        let signed: Vec<_> = signed.iter().map(|(content, signature)| (*content, &signature.0)).collect();
        verifier.hold(&signed)
    }
}

impl Encode for PublicKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for PublicKey {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Shows the key as 64 hex digits.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// A text is not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a public key: write it in 64 hex digits")]
pub struct PublicKeyParseError;

/// Reads 64 hex digits, upper or lower case.
impl FromStr for PublicKey {
    type Err = PublicKeyParseError;

    fn from_str(text: &str) -> Result<Self, PublicKeyParseError> {
        let bytes = parse_hex(text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(PublicKeyParseError)
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Wraps the bytes of a signature.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Returns the signature's bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl Encode for Signature {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Signature {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        write_hex(f, &self.0)?;
        f.write_str(")")
    }
}

/// Writes bytes as lower case hex digits.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads hex digits, upper or lower case; `None` for anything else.
pub(crate) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<_>>()?;
    let (pairs, odd) = digits.as_chunks::<2>();
    odd.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

crate::standard::never_retryable::never_retryable!(InvalidSignature, PublicKeyParseError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_read_as_it_is_shown_and_nothing_else_is_one() {
        let key = PublicKey::from_bytes(std::array::from_fn(|index| 7 * index as u8));
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse(), Ok(key));
        let short = &key.to_string()[1..];
        for text in ["", short, &format!("{short}g"), &format!("{key}00"), "é"] {
            assert_eq!(text.parse::<PublicKey>(), Err(PublicKeyParseError), "{text}");
        }
    }
}
