//! The log's tables. Keys are laid out in our own bytes; values are sealed by the [`Vault`](super::vault::Vault).

use redb::TableDefinition;

/// What the file is. Key: a name. Value, in the clear but for `check`, which opens under the right seed alone:
///
/// ```text
/// format: u32, big-endian · salt: bytes(32) · check: sealed · index: 1, if there is one ·
/// horizon: position from which on the state is what it was before compaction, if any was dropped ·
/// device: bytes(16), this device's ID, from the first time that it is needed ·
/// dropped-news: 1, if a witness has to tell of what compaction dropped ·
/// odd-witnesses: u64, big-endian, how many witnesses made no sense ·
/// opened: u64, big-endian, how often chunks were opened or came ·
/// looked-for-unused: u64, big-endian, when chunks were last looked for to which nothing refers
/// ```
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta-1");

/// Every message, in the total order. Key: [`Position`](crate::Position). Value: varint link that brought it (0: this
/// device, 2^32 - 1: a file) · varbytes head · body to the end.
pub(super) const MESSAGES: TableDefinition<'_, &[u8; 48], &[u8]> = TableDefinition::new("messages-1");

/// The message that counts for each entity. Key: [entity key](super::vault::EntityKey). Value: position (48), then,
/// unless it is a delete, 1 and the type name to the end.
pub(super) const ENTITIES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("entities-1");

/// The messages that do not count, since a later one of their entity does. Key: position. Value: none.
pub(super) const SUPERSEDED: TableDefinition<'_, &[u8; 48], ()> = TableDefinition::new("superseded-1");

/// The same messages by entity. Key: entity key (32) · position (48). Value: none.
pub(super) const OVERWRITTEN: TableDefinition<'_, &[u8; 80], ()> = TableDefinition::new("overwritten-1");

/// Messages that were here until compaction dropped them. Key: position. Value: none.
pub(super) const DROPPED: TableDefinition<'_, &[u8; 48], ()> = TableDefinition::new("dropped-1");

/// What this device wrote, by transactions, in the order in which it did: a clock that runs ahead somewhere puts some of
/// it behind later ones in the total order. Key: number of the transaction (8, big-endian), counted up · part (1): 0 for
/// what it wrote or what redid it, 1 for what undid it · index (4, big-endian). Value: position. Transactions that were
/// undone come last.
pub(super) const TRANSACTIONS: TableDefinition<'_, &[u8; 13], &[u8; 48]> = TableDefinition::new("transactions-1");

/// The messages with which undo and redo wrote an earlier version of an entity again. Key: position. Value: position of
/// that version; zeros if nothing was there.
pub(super) const RESTORED: TableDefinition<'_, &[u8; 48], &[u8; 48]> = TableDefinition::new("restored-1");

/// Lists of the entities that are there, in a log that was asked for one. Key: see [`Row`](super::index::Row). Value:
/// none.
pub(super) const INDEX: TableDefinition<'_, &[u8; 57], ()> = TableDefinition::new("index-1");

/// The registers of which an entity is or ever was the parent. Key: entity key of the parent (32) · of the register
/// (32). Value: the register's EID.
pub(super) const REGISTERS: TableDefinition<'_, &[u8; 64], &[u8]> = TableDefinition::new("registers-1");

/// The hosts that were ever linked. Key: number of the link (4, big-endian), from 1 on. Value: varstring label ·
/// index (8, big-endian) · cursor to the end, in the form of whoever reads the host.
pub(super) const LINKS: TableDefinition<'_, &[u8; 4], &[u8]> = TableDefinition::new("links-1");

/// Bags that could not be read. Key: link (4, big-endian) · seq (8, big-endian). Value: a note in the form of whoever
/// reads the host.
pub(super) const SKIPPED: TableDefinition<'_, &[u8; 12], &[u8]> = TableDefinition::new("skipped-1");

/// States as of a position. Key: position (48) · number (8, big-endian), counted up from 1. Value: bytes(32)
/// fingerprint of the fold · u8 marks: 1 tidy, 2 whole · varint bytes of what was folded · varint bytes of the state ·
/// bytes(32) hash of each piece. See [`SnapshotNote`](super::rows::SnapshotNote).
pub(super) const SNAPSHOTS: TableDefinition<'_, &[u8; 56], &[u8]> = TableDefinition::new("snapshots-1");

/// Pieces of the states. Key: keyed hash of the piece. Value: the piece.
pub(super) const PIECES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("pieces-1");

/// The messages that the app's last fold could not apply, and that would count if it could. Key: position. Value:
/// bytes(32) fingerprint of the fold · why.
pub(super) const UNAPPLIED: TableDefinition<'_, &[u8; 48], &[u8]> = TableDefinition::new("unapplied-1");

/// The framework's own messages, which apps do not see. Key: position. Value: none.
pub(super) const OWN_KIND: TableDefinition<'_, &[u8; 48], ()> = TableDefinition::new("own-kind-1");

/// What this device has emitted since its last witness. Key: number (8, big-endian), counted up. Value, not sealed:
/// position (48) · the device's time (8, big-endian).
pub(super) const EMITTED: TableDefinition<'_, u64, &[u8; 56]> = TableDefinition::new("emitted-1");

/// The largest number of a bag with a witness of a device. Key: link (4, big-endian) · device (16). Value: the number.
pub(super) const WITNESSED_AT: TableDefinition<'_, &[u8; 20], u64> = TableDefinition::new("witnessed-at-1");

/// The framework's own messages that a host gets once it has everything else. Key: link (4, big-endian) · position (48).
/// Value: none.
pub(super) const HELD: TableDefinition<'_, &[u8; 52], ()> = TableDefinition::new("held-1");

/// What is known of each device, this one included. Key: device ID. Value: [`PeerRecord`](super::peers::PeerRecord) in
/// MessagePack.
pub(super) const PEERS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("peers-1");

/// The witnesses of each device. Key: device ID (16) · n (8, big-endian). Value:
/// [`WitnessRow`](super::peers::WitnessRow) in MessagePack.
pub(super) const WITNESSES: TableDefinition<'_, &[u8; 24], &[u8]> = TableDefinition::new("witnesses-1");

/// What each other device wants. Key: device ID. Value: [`WantRow`](super::wants::WantRow) in MessagePack.
pub(super) const WANTS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("wants-1");

/// Messages that a witness names and that are not here. Key: position. Value: [`Absent`](super::peers::Absent) in
/// MessagePack.
pub(super) const ABSENT: TableDefinition<'_, &[u8; 48], &[u8]> = TableDefinition::new("absent-1");

/// Every message that is not the framework's own, in the order of arrival; also those that compaction dropped since.
/// Key: the number of 79 arrivals that follow one another, counted up from 0. Value, not sealed: their chain (16),
/// which tells the arrivals up to the last of them from any others · the last position in the total order of what
/// arrived before them (48) · the positions of 1 to 79 messages (48 each); only the last row has less than 79.
pub(super) const ARRIVALS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("arrivals-1");

/// The last change of a root, where it is not the message that counts for the root's own entity. Key: entity key of the
/// root. Value: number of the arrival, counted up from 1.
pub(super) const CHANGED_AT: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("changed-at-1");

/// The roots whose last change is a message that compaction dropped. Key: number of the arrival (8, big-endian) · entity
/// key of the root (32). Value: the root's EID.
pub(super) const CHANGED_BY_DROPPED: TableDefinition<'_, &[u8; 40], &[u8]> =
    TableDefinition::new("changed-by-dropped-1");

/// The roots that a register ever had, if they are more than one, or if it was deleted. Key: entity key of the register
/// (32) · of the root (32). Value: the root's EID.
pub(super) const HUNG_ON: TableDefinition<'_, &[u8; 64], &[u8]> = TableDefinition::new("hung-on-1");

/// Every chunk of an attachment that is known, whether its body is here or not. Key: [chunk key](super::chunks::ChunkKey).
/// Value: varint link that brought it, as of a message · head to the end.
pub(super) const CHUNKS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("chunks-1");

/// The bodies of chunks, where they are here. Key: chunk key. Value: the body.
pub(super) const CHUNK_BODIES: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("chunk-bodies-1");

/// The last messages about each chunk. Key: entity key. Value: chunk key of the last with a body (32) · of the last delete
/// (32); zeros where there is none.
pub(super) const CHUNK_LATEST: TableDefinition<'_, &[u8; 32], &[u8; 64]> = TableDefinition::new("chunk-latest-1");

/// Chunks that wait for a host, after everything else. Key: link (4, big-endian) · chunk key (32). Value: length of the
/// body (8, big-endian) · 1 if it is sent though the host lists it, else 0.
pub(super) const CHUNK_QUEUE: TableDefinition<'_, &[u8; 36], &[u8; 9]> = TableDefinition::new("chunk-queue-1");

/// Where hosts list chunks. Key: link (4, big-endian) · chunk key (32). Value: seq (8, big-endian) · 1 if the host did not
/// deliver the body when it was asked last, else 0.
pub(super) const CHUNK_PLACES: TableDefinition<'_, &[u8; 36], &[u8; 9]> = TableDefinition::new("chunk-places-1");

/// Chunks whose bodies are to be fetched. Key: chunk key. Value: length of the body.
pub(super) const CHUNK_WANTED: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("chunk-wanted-1");

/// Chunks to which nothing referred when that was looked at last. Key: chunk key. Value: since when.
pub(super) const CHUNK_UNUSED: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("chunk-unused-1");

/// The bodies of chunks that are here and may be left at a host. Key: chunk key. Value: when it was opened last, as a number
/// that counts up (8, big-endian) · length of the body (8, big-endian).
pub(super) const CHUNK_KEPT: TableDefinition<'_, &[u8; 32], &[u8; 16]> = TableDefinition::new("chunk-kept-1");

/// Returns the name of the table of messages that wait for the host of a link.
///
/// Key: position. Value: none, or [`AGAIN`]; older files hold a sealed bag, which is ignored.
pub(super) fn queue_name(link: u32) -> String {
    format!("queue-1-{link}")
}

/// Marks a message in a queue that is sent although the host lists it, since the host cannot deliver it.
pub(super) const AGAIN: &[u8] = &[1];

/// Returns the queue of the link for which `name` was made.
pub(super) const fn queue(name: &str) -> TableDefinition<'_, &'static [u8; 48], &'static [u8]> {
    TableDefinition::new(name)
}
