//! Bags: sealed messages, as hosts store and relay them.

use std::fmt;

use super::bytes::{Decode, DecodeError, Encode, MAX_VARINT, Reader, put_varbytes, put_varint};
use super::signature::write_hex;
use super::{InvalidSignature, PublicKey, Signature};

/// A bag's number at one host: its place among the user's bags there, starting at 1.
///
/// [`Seq::ZERO`] is the place before the first bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(u64);

impl Seq {
    /// The place before the first bag.
    pub const ZERO: Self = Self(0);

    /// Returns the seq with this number if the number fits in a varint.
    pub const fn new(number: u64) -> Option<Self> {
        if number <= MAX_VARINT { Some(Self(number)) } else { None }
    }

    /// Returns the number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Returns the seq before; the place before the first bag returns itself.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Returns the next seq; the last one returns itself.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(if self.0 < MAX_VARINT { self.0 + 1 } else { MAX_VARINT })
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Encode for Seq {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0);
    }
}

impl Decode for Seq {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.varint().map(Self)
    }
}

/// A message's key derivation material for one host: eight bytes that the bag carries in the clear.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kdm([u8; 8]);

impl Kdm {
    /// Wraps the bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl Encode for Kdm {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Kdm {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

impl fmt::Debug for Kdm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kdm(")?;
        write_hex(f, &self.0)?;
        f.write_str(")")
    }
}

macro_rules! ciphertext {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Default)]
        pub struct $name(Vec<u8>);

        impl $name {
            /// Wraps a ciphertext.
            pub const fn from_bytes(bytes: Vec<u8>) -> Self {
                Self(bytes)
            }

            /// Returns the ciphertext.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                put_varbytes(out, &self.0);
            }
        }

        impl Decode for $name {
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.varbytes().map(|bytes| Self(bytes.to_vec()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.0.len())
            }
        }
    };
}

ciphertext! {
    /// An encrypted message head. On the wire: a length and the ciphertext.
    SealedHead
}

ciphertext! {
    /// An encrypted message body; empty for a delete. On the wire: a length and the ciphertext.
    SealedBody
}

/// The part of a bag that PEEK lists: everything except the body.
///
/// ```text
/// bytes(64) sig · bytes(8) kdm · varbytes headCph
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagHead {
    /// The owner's signature of the encrypted head.
    pub signature: Signature,
    /// The material that the message's key is derived from.
    pub kdm: Kdm,
    /// The encrypted head.
    pub head: SealedHead,
}

impl BagHead {
    /// Checks the signature against the key of the bag's owner.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`].
    pub fn verify(&self, owner: &PublicKey) -> Result<(), InvalidSignature> {
        owner.verify(self.head.as_bytes(), &self.signature)
    }
}

impl Encode for BagHead {
    fn encode(&self, out: &mut Vec<u8>) {
        self.signature.encode(out);
        self.kdm.encode(out);
        self.head.encode(out);
    }
}

impl Decode for BagHead {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { signature: Decode::read(reader)?, kdm: Decode::read(reader)?, head: Decode::read(reader)? })
    }
}

/// A message sealed for one host.
///
/// ```text
/// bytes(64) sig · bytes(8) kdm · varbytes headCph · varbytes bodyCph
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bag {
    /// The part that PEEK lists.
    pub head: BagHead,
    /// The part that PULL fetches.
    pub body: SealedBody,
}

impl Bag {
    /// Checks the signature against the key of the bag's owner.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`].
    pub fn verify(self, owner: &PublicKey) -> Result<VerifiedBag, InvalidSignature> {
        self.head.verify(owner)?;
        Ok(VerifiedBag(self))
    }

    /// Checks the signatures of many bags of one owner at once, and returns one result for each, in order.
    pub fn verify_each(bags: Vec<Self>, owner: &PublicKey) -> Vec<Result<VerifiedBag, InvalidSignature>> {
        let signed: Vec<(&[u8], &Signature)> =
            bags.iter().map(|bag| (bag.head.head.as_bytes(), &bag.head.signature)).collect();
        let holds = owner.verify_each(&signed);
        bags.into_iter()
            .zip(holds)
            .map(|(bag, holds)| if holds { Ok(VerifiedBag(bag)) } else { Err(InvalidSignature) })
            .collect()
    }
}

impl Encode for Bag {
    fn encode(&self, out: &mut Vec<u8>) {
        self.head.encode(out);
        self.body.encode(out);
    }
}

impl Decode for Bag {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { head: Decode::read(reader)?, body: Decode::read(reader)? })
    }
}

/// A bag whose signature has been checked; a host stores no other kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBag(Bag);

impl VerifiedBag {
    /// Returns the bag.
    pub const fn as_bag(&self) -> &Bag {
        &self.0
    }

    /// Returns the bag.
    pub fn into_bag(self) -> Bag {
        self.0
    }
}
