//! The DIPLOMATIC standard, version 0.2, as pure functions: the bytes on the wire and how they are sealed.
//!
//! Nothing here reads a clock, draws a random number, starts a thread or touches a file; time and randomness are
//! arguments. Without the feature `seal`, this module cannot decrypt: seeds, message heads and opening do not exist.
//! A host builds on that part alone.
//!
//! ```
//! use diplomatic::standard::{Decode, Encode, Status, Seq};
//! use diplomatic::standard::calls::PeekRequest;
//!
//! let request = PeekRequest { after: Seq::new(300).unwrap() };
//! assert_eq!(request.to_bytes(), [0xac, 0x02]);
//! assert_eq!(PeekRequest::decode(&[0xac, 0x02]).unwrap(), request);
//!
//! let trailing = PeekRequest::decode(&[0xac, 0x02, 0x00]).unwrap_err();
//! assert_eq!(trailing.status(), Status::EXTRA_BODY_CONTENT);
//! ```

mod bag;
mod bytes;
pub mod calls;
#[cfg(feature = "replay")]
mod content;
#[cfg(feature = "seal")]
mod digest;
#[cfg(feature = "engine")]
mod entity_body;
#[cfg(feature = "seal")]
mod entity_id;
#[cfg(feature = "seal")]
pub mod export;
#[cfg(feature = "seal")]
mod head;
#[cfg(feature = "seal")]
mod keys;
#[cfg(feature = "engine")]
pub(crate) mod message_pack;
pub(crate) mod never_retryable;
#[cfg(feature = "seal")]
mod seal;
#[cfg(feature = "seal")]
mod seed;
#[cfg(feature = "engine")]
pub(crate) mod serde_forms;
mod signature;
mod status;
mod time;
mod verification;

pub use bag::{Bag, BagHead, Kdm, SealedBody, SealedHead, Seq, VerifiedBag};
#[cfg(feature = "engine")]
pub(crate) use bytes::MAX_SAFE;
pub use bytes::{Decode, DecodeError, Encode, MAX_VARINT, Reader, VarintTooLarge, write_varint};
#[cfg(feature = "engine")]
pub(crate) use bytes::{put_varbytes, put_varint};
#[cfg(feature = "replay")]
pub(crate) use content::Content;
#[cfg(feature = "seal")]
pub use digest::Digest;
#[cfg(feature = "engine")]
pub use entity_body::{EntityBody, EntityBodyError};
#[cfg(feature = "derive")]
pub(crate) use entity_id::ENTITY_ID;
#[cfg(feature = "seal")]
pub use entity_id::{EntityId, EntityIdParseError};
#[cfg(feature = "seal")]
pub use head::{Body, HashMismatch, Head, HeadError, HeadHash, Message};
#[cfg(feature = "seal")]
pub use keys::{HostKeys, Label};
#[cfg(feature = "seal")]
pub use seal::{OpenBagError, OpenedHead};
#[cfg(feature = "seal")]
pub use seed::{Seed, SeedParseError};
pub use signature::{InvalidSignature, PublicKey, PublicKeyParseError, Signature};
#[cfg(feature = "engine")]
pub(crate) use signature::{parse_hex, write_hex};
pub use status::Status;
pub use time::{ClockOffset, Timestamp};
