//! Which chunks an attachment has: lists of their hashes, and lists of lists, up to one at the top.

use super::chunk::{ChunkName, content, make};
use super::{Attachment, CHUNK_BYTES};
use crate::standard::Message;

/// How many hashes a list has at most.
const FANOUT: usize = 4096;

/// Cuts bytes into chunks.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    hashes: Vec<[u8; 32]>,
    len: u64,
}

impl Cutter {
    /// Returns the message of the next chunk. All but the last must have [`CHUNK_BYTES`] bytes.
    pub(crate) fn cut(&mut self, bytes: &[u8]) -> Message {
        debug_assert_eq!(self.len % CHUNK_BYTES as u64, 0, "only the last chunk is short");
        let (name, message) = make(false, bytes);
        self.hashes.push(name.hash);
        self.len += bytes.len() as u64;
        message
    }

    /// Returns the attachment, and the messages that are left: its lists, or the chunk of no bytes at all.
    pub(crate) fn finish(mut self) -> (Attachment, Vec<Message>) {
        let mut messages = Vec::new();
        if self.hashes.is_empty() {
            messages.push(self.cut(&[]));
        }
        let Self { mut hashes, len } = self;
        while hashes.len() > 1 {
            hashes = hashes
                .chunks(FANOUT)
                .map(|hashes| {
                    let (name, message) = make(true, hashes.as_flattened());
                    messages.push(message);
                    name.hash
                })
                .collect();
        }
        (Attachment { root: hashes[0], len }, messages)
    }
}

/// The chunks of an attachment, as far as the lists of them are here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Every chunk, in order, with how many bytes it has.
    All(Vec<(ChunkName, u64)>),
    /// Lists that are not here, with how many bytes each has.
    Unknown(Vec<(ChunkName, u64)>),
    /// The lists are not those of an attachment of this length.
    Mismatch,
}

impl Leaves {
    /// Finds the chunks; `body` returns the bodies of lists that are here.
    pub(crate) fn of<E>(
        attachment: &Attachment,
        mut body: impl FnMut(&ChunkName) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Self, E> {
        let Attachment { root, len } = *attachment;
        let chunk = CHUNK_BYTES as u64;
        let count = len.div_ceil(chunk).max(1);
        let mut hashes = vec![root];
        for expected in level_sizes(count).into_iter().rev() {
            let (mut below, mut unknown) = (Vec::new(), Vec::new());
            for (number, hash) in (0..).zip(hashes) {
                let name = ChunkName { is_list: true, hash };
                match body(&name)? {
                    None => {
                        let fanout = FANOUT as u64;
                        unknown.push((name, 32 * fanout.min(expected.saturating_sub(number * fanout))));
                    }
                    Some(body) => match content(&body).map(<[u8]>::as_chunks::<32>) {
                        Some((hashes, [])) if hashes.len() <= FANOUT => below.extend_from_slice(hashes),
                        _ => return Ok(Self::Mismatch),
                    },
                }
            }
            if !unknown.is_empty() {
                return Ok(Self::Unknown(unknown));
            }
            if below.len() as u64 != expected {
                return Ok(Self::Mismatch);
            }
            hashes = below;
        }
        let leaf = |(number, hash): (u64, [u8; 32])| {
            let bytes = len.saturating_sub(number * chunk).min(chunk);
            (ChunkName { is_list: false, hash }, bytes)
        };
        Ok(Self::All((0..).zip(hashes).map(leaf).collect()))
    }

    /// Returns the bytes of a chunk, given its body; `None` if there are not as many as there should be.
    pub(crate) fn bytes(body: &[u8], len: u64) -> Option<&[u8]> {
        content(body).filter(|bytes| bytes.len() as u64 == len)
    }
}

/// Returns how many hashes the lists of each level have together, from the chunks up; nothing for a single chunk.
fn level_sizes(chunks: u64) -> Vec<u64> {
    let (mut sizes, mut count) = (Vec::new(), chunks);
    while count > 1 {
        sizes.push(count);
        count = count.div_ceil(FANOUT as u64);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::*;

    type Bodies = HashMap<[u8; 32], Vec<u8>>;

    fn attach(bytes: &[u8]) -> (Attachment, Bodies) {
        let mut cutter = Cutter::default();
        let mut messages: Vec<Message> = bytes.chunks(CHUNK_BYTES).map(|bytes| cutter.cut(bytes)).collect();
        let (attachment, rest) = cutter.finish();
        messages.extend(rest);
        let named = |message: Message| {
            let name = ChunkName::of(message.head()).expect("it is a chunk");
            (name.hash, message.body().expect("it has one").to_vec())
        };
        (attachment, messages.into_iter().map(named).collect())
    }

    fn leaves(attachment: &Attachment, bodies: &Bodies) -> Leaves {
        Leaves::of::<Infallible>(attachment, |name| Ok(bodies.get(&name.hash).cloned()))
            .unwrap_or_else(|never| match never {})
    }

    #[test]
    fn bytes_of_every_length_come_back() {
        for len in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7] {
            let bytes: Vec<u8> = (0..len).map(|place| (place / 1000 % 251) as u8).collect();
            let (attachment, bodies) = attach(&bytes);
            assert_eq!(attachment.len(), len as u64);
            let Leaves::All(found) = leaves(&attachment, &bodies) else { panic!("every list is here") };
            assert_eq!(found.len(), len.div_ceil(CHUNK_BYTES).max(1));
            let whole: Vec<u8> = found
                .iter()
                .flat_map(|(name, len)| Leaves::bytes(&bodies[&name.hash], *len).expect("of this length").to_vec())
                .collect();
            assert!(whole == bytes, "{len}");
        }
    }

    #[test]
    fn more_chunks_than_a_list_has_room_for_have_lists_of_lists() {
        let mut cutter = Cutter { hashes: vec![[7; 32]; FANOUT + 1], len: (FANOUT as u64 + 1) * CHUNK_BYTES as u64 };
        cutter.hashes[FANOUT] = [8; 32];
        let (attachment, lists) = cutter.finish();
        assert_eq!(lists.len(), 3);
        let bodies: Bodies = lists
            .iter()
            .map(|list| (ChunkName::of(list.head()).expect("a list").hash, list.body().expect("it has one").to_vec()))
            .collect();
        let Leaves::All(found) = leaves(&attachment, &bodies) else { panic!("every list is here") };
        assert_eq!(found.len(), FANOUT + 1);
        assert_eq!(found[FANOUT].0.hash, [8; 32]);
    }

    #[test]
    fn a_list_that_is_not_here_is_named() {
        let (attachment, _) = attach(&vec![1; 2 * CHUNK_BYTES]);
        let name = ChunkName { is_list: true, hash: attachment.root };
        assert_eq!(leaves(&attachment, &HashMap::new()), Leaves::Unknown(vec![(name, 64)]));
    }

    #[test]
    fn an_address_with_another_length_opens_nothing() {
        let (attachment, bodies) = attach(&vec![1; 2 * CHUNK_BYTES + 5]);
        for len in [4 * CHUNK_BYTES as u64, u64::from(u32::MAX) * 4096] {
            let other = Attachment { len, ..attachment };
            assert_eq!(leaves(&other, &bodies), Leaves::Mismatch, "{len}");
        }
        assert_eq!(Leaves::bytes(make(false, b"abc").1.body().expect("it has one"), 4), None);
    }
}
