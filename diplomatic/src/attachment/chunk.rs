//! Chunks and lists of them, as messages.

#[cfg(feature = "store")]
use super::SMALL;
#[cfg(feature = "store")]
use crate::standard::{Body, Decode, Encode, EntityBody, EntityId, Message, put_varbytes, put_varint};
use crate::standard::{Head, Timestamp};

const CHUNK: &str = "dip.chunk";
const PARTS: &str = "dip.parts";

/// The name of a chunk, or of a list of chunks or lists: the hash of its message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChunkName {
    pub(super) is_list: bool,
    pub(super) hash: [u8; 32],
}

impl ChunkName {
    /// Returns what a message is the chunk of; `None` if it is another message.
    ///
    /// A body that the name does not promise makes it another message, whoever wrote it.
    pub(crate) fn of(head: &Head) -> Option<Self> {
        let entity = head.entity();
        if entity.created() != Timestamp::EPOCH {
            return None;
        }
        let (is_list, hash) = match entity.id().strip_prefix(CHUNK.as_bytes()) {
            Some(hash) => (false, hash),
            None => (true, entity.id().strip_prefix(PARTS.as_bytes())?),
        };
        let hash = hash.try_into().ok()?;
        let is_promised = head.body_hash().is_none_or(|body| *body == hash);
        is_promised.then_some(Self { is_list, hash })
    }

    /// Returns the entity that the chunk is.
    #[cfg(feature = "store")]
    pub(crate) fn entity(&self) -> EntityId {
        let mut id = if self.is_list { PARTS } else { CHUNK }.as_bytes().to_vec();
        id.extend_from_slice(&self.hash);
        EntityId::new(&id, Timestamp::EPOCH)
    }

    /// Returns the head of the message that every device makes first of a chunk whose content has this length: who never got
    /// the message can ask others for it.
    #[cfg(feature = "store")]
    pub(crate) fn first_head(&self, content_len: usize) -> Option<Head> {
        let (_, alike) = make(self.is_list, &vec![0; content_len]);
        let mut bytes = Vec::new();
        put_varbytes(&mut bytes, &self.entity().to_bytes());
        bytes.extend_from_slice(&[0, 0]);
        put_varint(&mut bytes, alike.head().body_len());
        bytes.extend_from_slice(&self.hash);
        Head::decode(&bytes).ok()
    }

    /// Tells whether a body of this length may be left at a host. Without lists, nobody knows which chunks an attachment has.
    #[cfg(feature = "store")]
    pub(crate) const fn may_be_left(&self, body_len: u64) -> bool {
        !self.is_list && body_len > SMALL
    }
}

/// Tells whether a type is that of a chunk or a list.
#[cfg(feature = "store")]
pub(crate) fn is_chunk_type(type_name: &str) -> bool {
    matches!(type_name, CHUNK | PARTS)
}

/// Makes the message of a chunk, which is the same on every device.
#[cfg(feature = "store")]
pub(super) fn make(is_list: bool, content: &[u8]) -> (ChunkName, Message) {
    let mut payload = Vec::with_capacity(content.len() + 8);
    rmp::encode::write_bin(&mut payload, content).expect("a vector takes every byte");
    let body = EntityBody::new(if is_list { PARTS } else { CHUNK }, &payload).to_bytes();
    let name = ChunkName { is_list, hash: *blake3::hash(&body).as_bytes() };
    let message = Message::new(name.entity(), Timestamp::EPOCH, 0, Body::new(body)).expect("small numbers");
    (name, message)
}

/// Returns the content of a chunk's body; `None` if it is not what a chunk holds.
#[cfg(feature = "store")]
pub(super) fn content(body: &[u8]) -> Option<&[u8]> {
    let mut payload = EntityBody::decode(body).ok()?.payload;
    let len = rmp::decode::read_bin_len(&mut payload).ok()?;
    (payload.len() as u64 == u64::from(len)).then_some(payload)
}

#[cfg(all(test, feature = "store"))]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_known_by_its_head_and_comes_out_as_it_went_in() {
        for is_list in [false, true] {
            let (name, message) = make(is_list, b"some bytes");
            assert_eq!(ChunkName::of(message.head()), Some(name));
            assert_eq!(content(message.body().expect("it has one")), Some(&b"some bytes"[..]));
            assert!(!message.head().entity().is_derived(), "other clients see an entity");
            assert_eq!(name.first_head(10).as_ref(), Some(message.head()), "those who lack it know what to ask for");
        }
    }

    #[test]
    fn a_message_under_the_name_of_a_chunk_with_another_body_is_no_chunk() {
        let (name, _) = make(false, b"some bytes");
        let forged = Message::new(name.entity(), Timestamp::EPOCH, 0, Body::new(vec![1])).expect("small numbers");
        assert_eq!(ChunkName::of(forged.head()), None);
        let removed = Message::new(name.entity(), Timestamp::from_millis(5), 1, None).expect("small numbers");
        assert_eq!(ChunkName::of(removed.head()), Some(name));
    }

    #[test]
    fn an_entity_of_an_app_is_no_chunk() {
        for id in [&b"milkmilk"[..], b"dip.chunk", &[0; 41]] {
            let message = Message::new(EntityId::new(id, Timestamp::EPOCH), Timestamp::EPOCH, 0, Body::new(vec![1]));
            assert_eq!(ChunkName::of(message.expect("small numbers").head()), None);
        }
    }
}
