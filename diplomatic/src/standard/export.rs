//! Export files (`.dpl`): an account's messages in one file that only its seed can open.
//!
//! ```text
//! file       = varstring label · varint idx · varint num · bytes(32) hsh · bytes(64) sig
//!            · varbytes index · varbytes bodies
//! index      = num items
//! index item = bytes(8) kdm · varbytes headCph · varint lenBody · varint offBody, only if lenBody > 0
//! ```
//!
//! `hsh` is the BLAKE3-256 hash of the index, `sig` is its signature, and offBody is relative to the start of bodies.
//!
//! [`write()`] and [`read`] handle a whole file in memory. [`open`] returns one result per item, so that a damaged item
//! does not hide the others. For files larger than memory, callers do the I/O and use the single steps:
//!
//! - Writing: [`IndexWriter`] only needs the heads, because a head tells the length of its sealed body. Write its output
//!   as it comes (to a second file, for example); [`IndexWriter::finish`] returns the parts around the index. Then
//!   [`BodySealer`] seals the bodies in the same order.
//! - Reading: decode an [`ExportHead`] from the front and [verify](ExportHead::verify) it, feed the index to
//!   [`IndexCheck`] in pieces of any size, and open [`IndexItem`]s and bodies one by one with the resulting
//!   [`ItemOpener`].
//!
//! ```
//! use diplomatic::standard::{Body, EntityId, Label, Message, Seed, Timestamp, export};
//! # let mut rng = rand::rng();
//!
//! let seed = Seed::generate(&mut rng);
//! let now = Timestamp::from_millis(1_764_000_000_000);
//! let note = Message::new(EntityId::fresh(&mut rng, now), now, 0, Body::new(*b"\xa5hello"))?;
//!
//! let file = export::write(&seed, &export::usual_label(), [&note])?;
//! assert_eq!(export::read(&seed, &file)?, [note]);
//!
//! let stranger = Seed::generate(&mut rng);
//! assert!(matches!(export::read(&stranger, &file), Err(export::ExportError::InvalidSignature(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use super::bytes::{Decode, DecodeError, Encode, MAX_VARINT, Reader, VarintTooLarge, put_varbytes, put_varint};
use super::seal::{OVERHEAD, seal_body, seal_head};
use super::{
    Head, HostKeys, InvalidSignature, Kdm, Label, Message, OpenBagError, OpenedHead, SealedBody, SealedHead, Seed,
    Signature, Status,
};

/// Returns the label that the standard's tools use for exports: `export`, 0.
pub fn usual_label() -> Label {
    Label::new("export")
}

/// Writes `messages` to a file, in order.
///
/// # Errors
///
/// [`VarintTooLarge`] if the label's number is too large for the file.
pub fn write<'a>(
    seed: &Seed,
    label: &Label,
    messages: impl IntoIterator<Item = &'a Message>,
) -> Result<Vec<u8>, VarintTooLarge> {
    let mut writer = IndexWriter::new(seed, label)?;
    let (mut index, mut bodies) = (Vec::new(), Vec::new());
    for message in messages {
        writer.add(message.head(), &mut index)?;
        bodies.extend_from_slice(writer.sealer.seal(message).as_bytes());
    }
    let frame = writer.finish();
    Ok([frame.before_index, index, frame.before_bodies, bodies].concat())
}

/// Reads every message of a file, in order.
///
/// # Errors
///
/// [`ExportError`] of the file or of the first item that cannot be opened; [`open`] returns the other items.
pub fn read(seed: &Seed, file: &[u8]) -> Result<Vec<Message>, ExportError> {
    let items = open(seed, file)?.enumerate();
    items.map(|(place, item)| item.map_err(|source| ExportError::Item { place: place as u64, source })).collect()
}

/// Checks a file as a whole, and opens its items lazily.
///
/// # Errors
///
/// [`ExportError`] of the file as a whole.
pub fn open<'a>(seed: &Seed, file: &'a [u8]) -> Result<Items<'a>, ExportError> {
    let file = ExportFile::decode(file)?;
    let mut check = file.head.verify(seed)?;
    check.update(file.index);
    let opener = check.finish()?;
    Ok(Items { opener, left: file.head.count, index: Reader::new(file.index), bodies: file.bodies })
}

/// Why a file could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The file does not match its layout: it is cut short or not an export file.
    #[error("the file is cut short, or is not an export file")]
    Decode(#[from] DecodeError),
    /// The file was written with another seed, or was changed.
    #[error("the file was written with another seed, or was changed")]
    InvalidSignature(#[from] InvalidSignature),
    /// The index does not match the signed hash.
    #[error("the file's index was changed")]
    IndexHash,
    /// An item cannot be opened.
    #[error("item {place} of the file cannot be opened")]
    Item {
        /// Its place in the file, starting at 0.
        place: u64,
        /// What is wrong with it.
        source: ItemError,
    },
}

impl ExportError {
    /// Returns the standard's status for this error.
    pub const fn status(self) -> Status {
        match self {
            Self::Decode(error) => error.status(),
            Self::InvalidSignature(error) => error.status(),
            Self::IndexHash => Status::HASH_MISMATCH,
            Self::Item { source, .. } => source.status(),
        }
    }
}

/// Why an item of a file could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// The index does not match its layout from here on, so later items are lost.
    #[error("the index does not match its layout")]
    Index(#[source] DecodeError),
    /// The body is outside the file's bodies.
    #[error("the body's {len} bytes at offset {offset} are outside the file's {bodies} bytes of bodies")]
    BodyOutOfBounds {
        /// The body's offset.
        offset: u64,
        /// The body's length.
        len: u64,
        /// How many bytes of bodies there are.
        bodies: u64,
    },
    /// The head or body cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenBagError),
}

impl ItemError {
    /// Returns the standard's status for this error.
    pub const fn status(self) -> Status {
        match self {
            Self::Index(error) => error.status(),
            Self::BodyOutOfBounds { .. } => Status::OUT_OF_BOUNDS,
            Self::Open(error) => error.status(),
        }
    }
}

/// The messages of a file that was checked as a whole. Each may still be damaged on its own.
///
/// If the index does not match its layout, that error is the last item.
pub struct Items<'a> {
    opener: ItemOpener,
    left: u64,
    index: Reader<'a>,
    bodies: &'a [u8],
}

impl Items<'_> {
    fn open_next(&mut self) -> Result<Message, ItemError> {
        let item = IndexItem::read(&mut self.index).map_err(|error| {
            self.left = 0;
            self.index = Reader::new(&[]);
            ItemError::Index(error)
        })?;
        let head = self.opener.open_head(&item)?;
        let body = item.body.slice(self.bodies)?;
        Ok(head.open_body(&SealedBody::from_bytes(body.to_vec()))?)
    }
}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opener, left, index, bodies } = self;
        f.debug_struct("Items")
            .field("opener", opener)
            .field("left", left)
            .field("index", index)
            .field("bodies", &format_args!("{} bytes", bodies.len()))
            .finish()
    }
}

impl FusedIterator for Items<'_> {}

impl Iterator for Items<'_> {
    type Item = Result<Message, ItemError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return Some(self.open_next());
        }
        let surplus = self.index.finish().err()?;
        self.index = Reader::new(&[]);
        Some(Err(ItemError::Index(surplus)))
    }
}

/// Everything before a file's index, including the index's length.
///
/// ```text
/// varstring label · varint idx · varint num · bytes(32) hsh · bytes(64) sig · varint (length of index)
/// ```
///
/// Decoding too few bytes returns a [`DecodeError`] that [is incomplete](DecodeError::is_incomplete).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportHead {
    label: Label,
    count: u64,
    index_hash: [u8; 32],
    signature: Signature,
    index_len: u64,
}

impl ExportHead {
    /// Returns the label from which the file's keys are derived.
    pub const fn label(&self) -> &Label {
        &self.label
    }

    /// Returns the number of items that the index should hold. It is not authenticated.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the length of the index in bytes. It is not authenticated.
    pub const fn index_len(&self) -> u64 {
        self.index_len
    }

    /// Checks that this seed wrote the file, and returns a check for the index.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`].
    pub fn verify(&self, seed: &Seed) -> Result<IndexCheck, InvalidSignature> {
        let keys = HostKeys::derive(seed, &self.label);
        keys.public_key().verify(&self.index_hash, &self.signature)?;
        Ok(IndexCheck { opener: ItemOpener { keys }, announced: self.index_hash, hasher: blake3::Hasher::new() })
    }
}

impl Encode for ExportHead {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { label, count, index_hash, signature, index_len } = self;
        put_varbytes(out, label.name().as_bytes());
        put_varint(out, label.index());
        put_varint(out, *count);
        out.extend_from_slice(index_hash);
        signature.encode(out);
        put_varint(out, *index_len);
    }
}

impl Decode for ExportHead {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = reader.varstring()?;
        Ok(Self {
            label: Label::with_index(name, reader.varint()?),
            count: reader.varint()?,
            index_hash: reader.array()?,
            signature: Decode::read(reader)?,
            index_len: reader.varint()?,
        })
    }
}

/// A decoded but unchecked file.
struct ExportFile<'a> {
    head: ExportHead,
    index: &'a [u8],
    bodies: &'a [u8],
}

impl<'a> ExportFile<'a> {
    fn decode(file: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(file);
        let head = ExportHead::read(&mut reader)?;
        let index = reader.bytes(head.index_len)?;
        let bodies = reader.varbytes()?;
        reader.finish()?;
        Ok(Self { head, index, bodies })
    }
}

/// Checks an index against its signed hash, in pieces.
#[derive(Debug)]
pub struct IndexCheck {
    opener: ItemOpener,
    announced: [u8; 32],
    hasher: blake3::Hasher,
}

impl IndexCheck {
    /// Takes the next bytes of the index.
    pub fn update(&mut self, index: &[u8]) {
        self.hasher.update(index);
    }

    /// Checks that the whole index matches the signed hash.
    ///
    /// # Errors
    ///
    /// [`ExportError::IndexHash`].
    pub fn finish(self) -> Result<ItemOpener, ExportError> {
        let Self { opener, announced, hasher } = self;
        if hasher.finalize() == announced { Ok(opener) } else { Err(ExportError::IndexHash) }
    }
}

/// Opens the items of a file whose index has been checked.
#[derive(Debug, Clone)]
pub struct ItemOpener {
    keys: HostKeys,
}

impl ItemOpener {
    /// Opens items of a file that failed its checks as a whole, for recovery.
    ///
    /// Each item is still checked on its own, but nothing proves which items the file should have held.
    pub fn for_recovery(seed: &Seed) -> Self {
        // A message's key depends on the seed and the item alone, so any label will do.
        Self { keys: HostKeys::derive(seed, &usual_label()) }
    }

    /// Opens an item's head. Use the result to open the body at [`IndexItem::body`].
    ///
    /// # Errors
    ///
    /// [`OpenBagError`] of the head.
    pub fn open_head(&self, item: &IndexItem) -> Result<OpenedHead, OpenBagError> {
        self.keys.decrypt_head(&item.kdm, &item.head)
    }
}

/// One item of an index.
///
/// ```text
/// bytes(8) kdm · varbytes headCph · varint lenBody · varint offBody, only if lenBody > 0
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexItem {
    kdm: Kdm,
    head: SealedHead,
    body: BodyPlace,
}

impl IndexItem {
    /// Returns the sealed head.
    pub const fn head(&self) -> &SealedHead {
        &self.head
    }

    /// Returns the range of the sealed body, relative to the start of the bodies; empty for a delete.
    ///
    /// The range may be outside the file.
    pub const fn body(&self) -> Range<u64> {
        // Both are below 2^56, so their sum fits in a u64.
        self.body.offset..self.body.offset + self.body.len
    }
}

impl Encode for IndexItem {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { kdm, head, body } = self;
        kdm.encode(out);
        head.encode(out);
        put_varint(out, body.len);
        if body.len > 0 {
            put_varint(out, body.offset);
        }
    }
}

impl Decode for IndexItem {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (kdm, head) = (Decode::read(reader)?, Decode::read(reader)?);
        let body = match reader.varint()? {
            0 => BodyPlace { len: 0, offset: 0 },
            len => BodyPlace { len, offset: reader.varint()? },
        };
        Ok(Self { kdm, head, body })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BodyPlace {
    len: u64,
    offset: u64,
}

impl BodyPlace {
    fn slice(self, bodies: &[u8]) -> Result<&[u8], ItemError> {
        let Self { len, offset } = self;
        let outside = || ItemError::BodyOutOfBounds { offset, len, bodies: bodies.len() as u64 };
        let end = usize::try_from(offset + len).map_err(|_| outside())?;
        let start = usize::try_from(offset).map_err(|_| outside())?;
        bodies.get(start..end).ok_or_else(outside)
    }
}

/// Makes the index of a file, head by head, and then the parts around it.
#[derive(Debug)]
pub struct IndexWriter {
    sealer: BodySealer,
    label: Label,
    count: u64,
    index_len: u64,
    bodies_len: u64,
    hasher: blake3::Hasher,
}

/// The parts around the index: a file is `before_index`, the index, `before_bodies`, and the bodies.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The head of the file, which precedes the index.
    pub before_index: Vec<u8>,
    /// The length of the bodies, which precedes the bodies.
    pub before_bodies: Vec<u8>,
    /// Seals the bodies, which must come in the order of their heads.
    pub sealer: BodySealer,
}

impl IndexWriter {
    /// Starts an empty index.
    ///
    /// # Errors
    ///
    /// [`VarintTooLarge`] if the label's number is too large for the file.
    pub fn new(seed: &Seed, label: &Label) -> Result<Self, VarintTooLarge> {
        if label.index() > MAX_VARINT {
            return Err(VarintTooLarge(label.index()));
        }
        let sealer = BodySealer { keys: HostKeys::derive(seed, label) };
        let hasher = blake3::Hasher::new();
        Ok(Self { sealer, label: label.clone(), count: 0, index_len: 0, bodies_len: 0, hasher })
    }

    /// Adds a message by its head, and appends the next bytes of the index to `out`.
    ///
    /// # Errors
    ///
    /// [`VarintTooLarge`] if the body would be too large for any file; nothing is added then.
    pub fn add(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<(), VarintTooLarge> {
        let sealed = seal_index_head(&self.sealer.keys, head);
        self.add_sealed(sealed, out)
    }

    /// Returns what seals heads for [`add_sealed`](Self::add_sealed), perhaps on another thread.
    pub fn head_sealer(&self) -> HeadSealer {
        HeadSealer { keys: self.sealer.keys.clone() }
    }

    /// Adds a message by its sealed head, as [`add`](Self::add) does.
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    pub fn add_sealed(&mut self, sealed: SealedIndexHead, out: &mut Vec<u8>) -> Result<(), VarintTooLarge> {
        let SealedIndexHead { kdm, head, body_len: len } = sealed;
        let bodies_len = self.bodies_len.saturating_add(len);
        if bodies_len > MAX_VARINT {
            return Err(VarintTooLarge(bodies_len));
        }
        let start = out.len();
        IndexItem { kdm, head, body: BodyPlace { len, offset: self.bodies_len } }.encode(out);
        self.hasher.update(&out[start..]);
        self.count += 1;
        self.index_len += (out.len() - start) as u64;
        self.bodies_len = bodies_len;
        Ok(())
    }

    /// Signs the index.
    pub fn finish(self) -> Frame {
        let Self { sealer, label, count, index_len, bodies_len, hasher } = self;
        let index_hash = *hasher.finalize().as_bytes();
        let signature = sealer.keys.sign(&index_hash);
        let mut before_bodies = Vec::new();
        put_varint(&mut before_bodies, bodies_len);
        let head = ExportHead { label, count, index_hash, signature, index_len };
        Frame { before_index: head.to_bytes(), before_bodies, sealer }
    }
}

/// Seals the heads of an index.
#[derive(Debug, Clone)]
pub struct HeadSealer {
    keys: HostKeys,
}

impl HeadSealer {
    /// Seals a message's head.
    pub fn seal(&self, head: &Head) -> SealedIndexHead {
        seal_index_head(&self.keys, head)
    }
}

/// A head that is sealed for an index, and how long its sealed body will be.
#[derive(Debug, Clone)]
pub struct SealedIndexHead {
    kdm: Kdm,
    head: SealedHead,
    body_len: u64,
}

fn seal_index_head(keys: &HostKeys, head: &Head) -> SealedIndexHead {
    let (kdm, key) = keys.key_for(head);
    let body_len = if head.is_delete() { 0 } else { head.body_len().saturating_add(OVERHEAD) };
    SealedIndexHead { kdm, head: seal_head(&key, head), body_len }
}

/// Seals the bodies of a file.
#[derive(Debug, Clone)]
pub struct BodySealer {
    keys: HostKeys,
}

impl BodySealer {
    /// Seals a message's body; a delete yields nothing.
    pub fn seal(&self, message: &Message) -> SealedBody {
        // The key is derived again because that is quick, and keeping one for every message would cost memory.
        let (_, key) = self.keys.key_for(message.head());
        seal_body(&key, message.body())
    }
}

crate::standard::never_retryable::never_retryable!(ExportError, ItemError);
