//! Entity IDs.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rand_core::CryptoRng;

use super::Timestamp;
use super::bytes::{Decode, DecodeError, Encode, Reader, put_varbytes};
use super::signature::write_hex;

/// An entity's ID (EID): some bytes and the entity's creation time.
///
/// ```text
/// varbytes id · date ts (creation)
/// ```
///
/// The bytes are usually eight random ones. The IDs of registers and singletons are derived from their type and key,
/// and have a creation time of 0. In MessagePack, an entity ID is a bin of its encoding; in text formats and in its
/// [`Display`](fmt::Display) form, it is the encoding in hex.
///
/// ```
/// use diplomatic::standard::{EntityId, Timestamp};
///
/// let milk = EntityId::new(b"milkmilk", Timestamp::from_millis(1_764_000_000_000));
/// assert_eq!(milk.created(), Timestamp::from_millis(1_764_000_000_000));
/// // Every device derives the same ID for a singleton.
/// assert_eq!(EntityId::singleton("status").created(), Timestamp::EPOCH);
/// ```
#[derive(Clone)]
pub struct EntityId {
    id: Id,
    created: Timestamp,
}

/// Up to 16 bytes are stored inline, which covers all usual IDs.
#[derive(Clone)]
enum Id {
    Inline { len: u8, bytes: [u8; 16] },
    Shared(Arc<[u8]>),
}

impl EntityId {
    /// Names an entity by `id`, created at `created`.
    pub fn new(id: &[u8], created: Timestamp) -> Self {
        let mut bytes = [0; 16];
        let id = match bytes.get_mut(..id.len()) {
            Some(inline) => {
                inline.copy_from_slice(id);
                Id::Inline { len: id.len() as u8, bytes }
            }
            None => Id::Shared(id.into()),
        };
        Self { id, created }
    }

    /// Makes the ID of a new entity from eight random bytes and the current time.
    pub fn fresh<R: CryptoRng + ?Sized>(rng: &mut R, now: Timestamp) -> Self {
        let mut id = [0; 8];
        rng.fill_bytes(&mut id);
        Self::new(&id, now)
    }

    /// Returns the ID of the account's singleton of this type: `id = varstring(type)`, `ts = 0`.
    pub fn singleton(type_name: &str) -> Self {
        let mut id = Vec::with_capacity(type_name.len() + 1);
        put_varbytes(&mut id, type_name.as_bytes());
        Self::new(&id, Timestamp::EPOCH)
    }

    /// Names the register of `type_name` for a key, given as MessagePack.
    ///
    /// `id` is the first 16 bytes of the BLAKE3 of the varstrings "diplomatic register v1" and the type, and of the
    /// key; `ts = 0`. So every device derives the same name, and the latest value per key counts.
    pub fn register(type_name: &str, key: &[u8]) -> Self {
        let mut material = Vec::with_capacity(32 + type_name.len() + key.len());
        put_varbytes(&mut material, b"diplomatic register v1");
        put_varbytes(&mut material, type_name.as_bytes());
        material.extend_from_slice(key);
        Self::new(&blake3::hash(&material).as_bytes()[..16], Timestamp::EPOCH)
    }

    /// Names an entity that had a UUID elsewhere: the same UUID gives the same name on every device.
    ///
    /// The id is the UUID's 16 bytes, and the creation time is 1 ms after the epoch: at the epoch itself, such an id
    /// would look like that of a register, and could not be written as an entity.
    ///
    /// ```
    /// use diplomatic::EntityId;
    ///
    /// let uuid = 0x018f_2f5c_9a4b_7c3e_8d21_5b6a_0f9e_3c77_u128;
    /// let imported = EntityId::from_uuid(uuid.to_be_bytes());
    /// assert_eq!(imported.id(), uuid.to_be_bytes());
    /// assert!(!imported.is_derived());
    /// ```
    pub fn from_uuid(uuid: [u8; 16]) -> Self {
        Self::new(&uuid, Timestamp::from_millis(1))
    }

    /// Returns the id without the creation time.
    pub fn id(&self) -> &[u8] {
        match &self.id {
            Id::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Id::Shared(bytes) => bytes,
        }
    }

    /// Returns the creation time; the epoch for registers and singletons.
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// Returns the type if this has the form of a singleton's ID.
    pub fn singleton_type(&self) -> Option<&str> {
        if self.created != Timestamp::EPOCH {
            return None;
        }
        let mut reader = Reader::new(self.id());
        let name = reader.varstring().ok()?;
        // An overlong length would be a second ID for the same value.
        let (length, _) = self.id().split_at(self.id().len().checked_sub(name.len())?);
        (reader.is_empty() && (length.len() == 1 || length.last() != Some(&0))).then_some(name)
    }

    /// Returns whether this has the form of a derived ID: that of a register or a singleton.
    pub fn is_derived(&self) -> bool {
        self.created == Timestamp::EPOCH && (self.id().len() == 16 || self.singleton_type().is_some())
    }
}

impl PartialEq for EntityId {
    fn eq(&self, other: &Self) -> bool {
        self.created == other.created && self.id() == other.id()
    }
}

impl Eq for EntityId {}

/// Orders by creation time, then by the bytes.
impl Ord for EntityId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.created.cmp(&other.created).then_with(|| match (&self.id, &other.id) {
            // Zeros follow the bytes, so this is the order of the bytes, in a few instructions.
            (Id::Inline { len, bytes }, Id::Inline { len: other_len, bytes: other_bytes }) => {
                u128::from_be_bytes(*bytes).cmp(&u128::from_be_bytes(*other_bytes)).then(len.cmp(other_len))
            }
            _ => self.id().cmp(other.id()),
        })
    }
}

impl PartialOrd for EntityId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for EntityId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.created.hash(state);
        self.id().hash(state);
    }
}

impl Encode for EntityId {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varbytes(out, self.id());
        self.created.encode(out);
    }
}

impl Decode for EntityId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = reader.varbytes()?;
        Ok(Self::new(id, Decode::read(reader)?))
    }
}

/// Shows the encoding in hex.
impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.to_bytes())
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntityId({self})")
    }
}

/// Text that is not an entity ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an entity id is the hex digits of its bytes, as a device shows it")]
pub struct EntityIdParseError;

impl std::str::FromStr for EntityId {
    type Err = EntityIdParseError;

    fn from_str(hex: &str) -> Result<Self, Self::Err> {
        let bytes = super::signature::parse_hex(hex).ok_or(EntityIdParseError)?;
        Self::decode(&bytes).map_err(|_| EntityIdParseError)
    }
}

#[cfg(feature = "engine")]
#[cfg(feature = "derive")]
pub(crate) use serde_form::ENTITY_ID;

#[cfg(feature = "engine")]
mod serde_form {
    use serde::de::{Error, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Decode, Encode, EntityId, fmt};

    /// The name of the newtype that an id is to serializers, by which ours know one from other bytes.
    pub(crate) const ENTITY_ID: &str = "diplomatic::EntityId";

    struct Bytes<'a>(&'a [u8]);

    impl Serialize for Bytes<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }

    impl Serialize for EntityId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if serializer.is_human_readable() {
                serializer.collect_str(self)
            } else {
                serializer.serialize_newtype_struct(ENTITY_ID, &Bytes(&self.to_bytes()))
            }
        }
    }

    impl<'de> Deserialize<'de> for EntityId {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct EntityIdVisitor;

            impl Visitor<'_> for EntityIdVisitor {
                type Value = EntityId;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an entity id")
                }

                fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<EntityId, E> {
                    EntityId::decode(bytes).map_err(E::custom)
                }

                fn visit_str<E: Error>(self, hex: &str) -> Result<EntityId, E> {
                    hex.parse().map_err(E::custom)
                }
            }

            if deserializer.is_human_readable() {
                deserializer.deserialize_str(EntityIdVisitor)
            } else {
                deserializer.deserialize_bytes(EntityIdVisitor)
            }
        }
    }
}

crate::standard::never_retryable::never_retryable!(EntityIdParseError);
