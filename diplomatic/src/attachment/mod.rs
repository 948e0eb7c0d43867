//! Attachments: bytes that are too large for an event, cut into chunks that are messages of their own.
//!
//! An [`Attachment`] is an address that follows from the bytes alone, so equal bytes are stored and sent once. A chunk of
//! up to 256 KiB is a message about an entity of its own; larger bytes have lists of chunks, which are such messages, too.
//!
//! ```text
//! id = "dip.chunk" or "dip.parts" · bytes(32) BLAKE3 of the body, ts = 0, off = 0, ctr = 0
//! body = { "type": "dip.chunk" or "dip.parts", "body": bin }
//! ```
//!
//! The bin of a chunk is bytes of the attachment. That of a list is the hashes of up to 4096 chunks, or of as many lists.
//! The head tells what a message is, and that its body is the right one, so a body need not be here for its message to be
//! known. All devices make the same messages of the same bytes.

#[cfg(feature = "replay")]
mod chunk;
#[cfg(feature = "store")]
mod mention;
#[cfg(feature = "store")]
mod tree;

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "replay")]
pub(crate) use chunk::ChunkName;
#[cfg(feature = "store")]
pub(crate) use chunk::is_chunk_type;
#[cfg(feature = "store")]
pub(crate) use mention::mentions;
#[cfg(feature = "store")]
pub(crate) use tree::{Cutter, Leaves};

use crate::standard::{MAX_SAFE, Reader, parse_hex, put_varint, write_hex};

/// How many bytes a chunk has at most.
#[cfg(feature = "store")]
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

/// Bodies up to this size are not worth a request of their own, so they are never left at a host.
#[cfg(feature = "store")]
pub(crate) const SMALL: u64 = 4 << 10;

/// The first bytes of an attachment in MessagePack.
const MARK: &[u8; 8] = b"dip.file";

/// The address of bytes that were attached, to be put into the fields of events.
///
/// It follows from the bytes alone, on every device. [`Client::attach`](crate::Client::attach) returns it, and
/// [`Client::open_attachment`](crate::Client::open_attachment) gives the bytes back. Within an account nobody can make
/// other bytes that have it.
///
/// In MessagePack, it is a bin of the 8 bytes `dip.file`, the 32 bytes of the hash and the length as a varint. In text
/// formats and in its [`Display`](fmt::Display) form, it is the hash in hex, a dot and the length.
///
/// ```
/// use diplomatic::Attachment;
///
/// let photo: Attachment = "4242424242424242424242424242424242424242424242424242424242424242.1048576".parse()?;
/// assert_eq!(photo.len(), 1 << 20);
/// # Ok::<(), diplomatic::attachments::AttachmentParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// The hash of the only chunk, or of the list at the top.
    root: [u8; 32],
    len: u64,
}

impl Attachment {
    /// Returns how many bytes there are.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether there are no bytes.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the chunk or list at the top: either, since the length may not be true.
    #[cfg(feature = "store")]
    pub(crate) const fn roots(&self) -> [ChunkName; 2] {
        let hash = self.root;
        [ChunkName { is_list: false, hash }, ChunkName { is_list: true, hash }]
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = MARK.to_vec();
        bytes.extend_from_slice(&self.root);
        put_varint(&mut bytes, self.len);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes.strip_prefix(MARK)?);
        let (root, len) = (reader.array().ok()?, reader.varint().ok()?);
        (reader.is_empty() && len <= MAX_SAFE).then_some(Self { root, len })
    }
}

/// The hash in hex, a dot and the length.
impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.root)?;
        write!(f, ".{}", self.len)
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({self})")
    }
}

/// Text that is not the address of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the address of an attachment is 64 hex digits, a dot and the number of bytes, as a device shows it")]
pub struct AttachmentParseError;

impl FromStr for Attachment {
    type Err = AttachmentParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (hash, len) = text.split_once('.').ok_or(AttachmentParseError)?;
        let root = parse_hex(hash).and_then(|root| root.try_into().ok()).ok_or(AttachmentParseError)?;
        let is_plain = !len.is_empty() && len.bytes().all(|byte| byte.is_ascii_digit());
        let len = len.parse().ok().filter(|len| is_plain && *len <= MAX_SAFE).ok_or(AttachmentParseError)?;
        Ok(Self { root, len })
    }
}

mod serde_form {
    use serde::de::{Error, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Attachment, fmt};

    impl Serialize for Attachment {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if serializer.is_human_readable() {
                serializer.collect_str(self)
            } else {
                serializer.serialize_bytes(&self.to_bytes())
            }
        }
    }

    impl<'de> Deserialize<'de> for Attachment {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct AttachmentVisitor;

            impl Visitor<'_> for AttachmentVisitor {
                type Value = Attachment;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("the address of an attachment")
                }

                fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Attachment, E> {
                    Attachment::from_bytes(bytes).ok_or_else(|| E::custom("bytes that are not an attachment's address"))
                }

                fn visit_str<E: Error>(self, text: &str) -> Result<Attachment, E> {
                    text.parse().map_err(E::custom)
                }
            }

            if deserializer.is_human_readable() {
                deserializer.deserialize_str(AttachmentVisitor)
            } else {
                deserializer.deserialize_bytes(AttachmentVisitor)
            }
        }
    }
}

crate::standard::never_retryable::never_retryable!(AttachmentParseError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_message_pack_and_text() {
        let address = Attachment { root: [0xab; 32], len: 300_000 };
        let packed = rmp_serde::to_vec(&address).expect("it has bytes");
        assert_eq!(packed[..10], *b"\xc4\x2bdip.file");
        assert_eq!(rmp_serde::from_slice::<Attachment>(&packed).expect("as written"), address);
        assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let hash = "ab".repeat(32);
        for text in ["", ".", "ab.1", &hash, &format!("{hash}."), &format!("{hash}.+1"), &format!("é{}.1", &hash[2..])]
        {
            assert!(text.parse::<Attachment>().is_err(), "{text}");
        }
        assert!(format!("{hash}.{}", MAX_SAFE + 1).parse::<Attachment>().is_err());
        assert!(Attachment::from_bytes(b"dip.file").is_none());
    }
}
