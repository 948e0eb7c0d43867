//! How the tables' keys and values are laid out; [`tables`](super::tables) draws them.

use std::ops::Range;
use std::sync::Arc;

use super::error::LogError;
use super::vault::EntityKey;
use crate::order::Position;
use crate::standard::{Body, Decode, DecodeError, Head, Label, Message, Reader, Timestamp, put_varbytes, put_varint};

/// The message that counts for an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Winner {
    pub(crate) position: Position,
    /// `None` for a delete.
    pub(crate) type_name: Option<Box<str>>,
}

/// A host that this log was ever linked with.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) number: u32,
    pub(crate) label: Arc<Label>,
    /// How far the host was read, in whatever form whoever reads it keeps that; empty at the start.
    pub(crate) cursor: Vec<u8>,
    /// Whether messages are queued for the host. One that was unlinked is only remembered as where messages came from.
    pub(crate) is_linked: bool,
}

/// The hash of a piece's content, which only those with the seed can tell anything from.
pub(crate) type PieceHash = [u8; 32];

/// What was noted of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotNote {
    /// Whether the fold knew the root of every event.
    pub(crate) is_tidy: bool,
    /// Whether it is the state of that moment: nothing later had taken the place of what it is made of.
    pub(crate) is_whole: bool,
    /// About how many bytes the messages have from which it was folded.
    pub(crate) folded: u64,
    /// How many bytes it has.
    pub(crate) len: u64,
}

pub(super) fn encode_message(origin: u32, message: &Message) -> Vec<u8> {
    let body = message.body().unwrap_or_default();
    let head = message.head().as_bytes();
    let mut value = Vec::with_capacity(head.len() + body.len() + 8);
    put_varint(&mut value, u64::from(origin));
    put_varbytes(&mut value, head);
    value.extend_from_slice(body);
    value
}

pub(super) fn decode_message(value: &[u8]) -> Result<(u32, Message), LogError> {
    let (origin, head, body) = split_message(value)?;
    let message = Message::join(head, Body::new(body)).map_err(|_| DAMAGED_MESSAGE)?;
    Ok((origin, message))
}

/// Decodes a message that stands in a page of many, and shares its body with the page. It does not hash the body: a value
/// that opens is as it was sealed, and what is sealed is a whole message. To check that once more would take half as long
/// as to open it.
pub(super) fn decode_shared_message(page: &Arc<Vec<u8>>, place: Range<usize>) -> Result<(u32, Message), LogError> {
    let value = page.get(place.clone()).ok_or(DAMAGED_MESSAGE)?;
    let (origin, head, body) = split_message(value)?;
    let body = Body::part(page, place.end - body.len()..place.end);
    let message = Message::join_known(head, body).map_err(|_| DAMAGED_MESSAGE)?;
    Ok((origin, message))
}

const DAMAGED_MESSAGE: LogError = LogError::DamagedValue { table: "messages-1" };

/// Splits a message into the link that brought it, its head, and its body.
fn split_message(value: &[u8]) -> Result<(u32, Head, &[u8]), LogError> {
    let mut reader = Reader::new(value);
    let origin = reader.varint().ok().and_then(|origin| u32::try_from(origin).ok()).ok_or(DAMAGED_MESSAGE)?;
    let head = reader.varbytes().and_then(Head::decode).map_err(|_| DAMAGED_MESSAGE)?;
    Ok((origin, head, reader.rest()))
}

/// Of the type name, one byte comes first, so that the empty name of an opaque body differs from a delete.
pub(super) fn encode_winner(position: &Position, type_name: Option<&str>) -> Vec<u8> {
    let mut value = position.to_bytes().to_vec();
    if let Some(type_name) = type_name {
        value.push(1);
        value.extend_from_slice(type_name.as_bytes());
    }
    value
}

pub(super) fn decode_winner(value: &[u8]) -> Result<Winner, LogError> {
    let damaged = || LogError::DamagedValue { table: "entities-1" };
    let (position, mark) = value.split_first_chunk::<48>().ok_or_else(damaged)?;
    let type_name = match mark {
        [] => None,
        [_, name @ ..] => Some(std::str::from_utf8(name).map_err(|_| damaged())?.into()),
    };
    Ok(Winner { position: Position::from_bytes(position), type_name })
}

pub(super) fn encode_link(label: &Label, cursor: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    put_varbytes(&mut value, label.name().as_bytes());
    value.extend_from_slice(&label.index().to_be_bytes());
    value.extend_from_slice(cursor);
    value
}

pub(super) fn decode_link(number: u32, value: &[u8], is_linked: bool) -> Result<Link, LogError> {
    let mut reader = Reader::new(value);
    let mut decode = || {
        let label = Label::with_index(reader.varstring()?.to_owned(), u64::from_be_bytes(reader.array()?));
        Ok::<_, DecodeError>(Link { number, label: Arc::new(label), cursor: reader.rest().to_vec(), is_linked })
    };
    decode().map_err(|_| LogError::DamagedValue { table: "links-1" })
}

pub(super) fn overwritten_key(entity: &EntityKey, position: &[u8; 48]) -> [u8; 80] {
    let mut key = [0; 80];
    key[..32].copy_from_slice(entity);
    key[32..].copy_from_slice(position);
    key
}

pub(super) fn split_overwritten_key(key: &[u8; 80]) -> Position {
    let (_, position) = key.split_last_chunk::<48>().expect("a key of this table has 80 bytes");
    Position::from_bytes(position)
}

pub(super) fn register_key(parent: &EntityKey, register: &EntityKey) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(parent);
    key[32..].copy_from_slice(register);
    key
}

/// Returns the first and the last of the keys with this first part.
pub(super) fn register_keys(parent: &EntityKey) -> ([u8; 64], [u8; 64]) {
    (register_key(parent, &[0; 32]), register_key(parent, &[0xff; 32]))
}

/// Returns the second part of such a key.
pub(super) fn split_register_key(key: &[u8; 64]) -> EntityKey {
    *key.last_chunk().expect("a key of this table has 64 bytes")
}

pub(super) fn skipped_key(link: u32, seq: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&link.to_be_bytes());
    key[4..].copy_from_slice(&seq.to_be_bytes());
    key
}

pub(super) fn split_skipped_key(key: &[u8; 12]) -> u64 {
    let (_, seq) = key.split_last_chunk::<8>().expect("a key of this table has 12 bytes");
    u64::from_be_bytes(*seq)
}

pub(super) fn snapshot_key(at: &Position, number: u64) -> [u8; 56] {
    let mut key = [0; 56];
    key[..48].copy_from_slice(&at.to_bytes());
    key[48..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn split_snapshot_key(key: &[u8; 56]) -> (Position, u64) {
    let (at, number) = key.split_first_chunk::<48>().expect("a key of this table has 56 bytes");
    let number = number.first_chunk().expect("a key of this table has 56 bytes");
    (Position::from_bytes(at), u64::from_be_bytes(*number))
}

/// Encodes a snapshot: its bytes are in its pieces.
pub(super) fn encode_snapshot(fingerprint: &[u8; 32], note: SnapshotNote, pieces: &[PieceHash]) -> Vec<u8> {
    let SnapshotNote { is_tidy, is_whole, folded, len } = note;
    let mut value = Vec::with_capacity(64 + pieces.len() * 32);
    value.extend_from_slice(fingerprint);
    value.push(u8::from(is_tidy) | u8::from(is_whole) << 1);
    put_varint(&mut value, folded);
    put_varint(&mut value, len);
    pieces.iter().for_each(|hash| value.extend_from_slice(hash));
    value
}

/// Decodes a snapshot of the fold with this fingerprint.
pub(super) fn decode_snapshot(value: &[u8], fingerprint: &[u8; 32]) -> Option<(SnapshotNote, Vec<PieceHash>)> {
    let mut reader = Reader::new(value.strip_prefix(fingerprint)?);
    let marks = reader.byte().ok()?;
    let (folded, len) = (reader.varint().ok()?, reader.varint().ok()?);
    let (pieces, rest) = reader.rest().as_chunks::<32>();
    let note = SnapshotNote { is_tidy: marks & 1 != 0, is_whole: marks & 2 != 0, folded, len };
    rest.is_empty().then(|| (note, pieces.to_vec()))
}

/// The last key that a message of this time can have.
pub(super) fn last_at(time: Timestamp) -> [u8; 48] {
    let mut bound = [0xff; 48];
    bound[..8].copy_from_slice(&time.as_millis().to_be_bytes());
    bound
}

/// The first and the last key of what may be held for a link's host.
pub(super) fn held_keys(link: u32) -> ([u8; 52], [u8; 52]) {
    (held_key(link, &[0; 48]), held_key(link, &[0xff; 48]))
}

pub(super) fn held_key(link: u32, position: &[u8; 48]) -> [u8; 52] {
    let mut key = [0; 52];
    key[..4].copy_from_slice(&link.to_be_bytes());
    key[4..].copy_from_slice(position);
    key
}
