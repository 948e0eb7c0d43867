//! Export files (`.dpl`): an account's messages in one file that only its seed opens.
//!
//! ```text
//! file       = varstring label · varint idx · varint num · bytes(32) hsh · bytes(64) sig
//!            · varbytes index · varbytes bodies
//! index      = num items
//! index item = bytes(8) kdm · varbytes headCph · varint lenBody · varint offBody, only if lenBody > 0
//! ```
//!
//! `hsh` is the BLAKE3-256 of the index, `sig` its signature, and offBody counts from the start of bodies.
//!
//! [`write()`] and [`read`] do it in one call, in memory. [`open`] gives each item its own result, so that a damaged one
//! does not hide the others. For a file larger than memory, the same steps stand open to callers, who do the I/O:
//!
//! - writing: [`IndexWriter`] takes the heads alone, since a head tells how long its sealed body will be; what it
//!   returns is written as it comes (to a file beside, say), and [`IndexWriter::finish`] makes what stands around it.
//!   Then [`BodySealer`] seals the bodies, in the same order.
//! - reading: [`ExportHead`] is decoded from the front and [verified](ExportHead::verify); [`IndexCheck`] is fed the
//!   index in pieces of any size; the [`ItemOpener`] that comes of it opens [`IndexItem`]s and bodies, one at a time.
//!
//! ```
//! use diplomatic::standard::{Body, EntityId, Label, Message, Seed, Timestamp, export};
//! # let mut rng = rand::rng();
//!
//! let seed = Seed::generate(&mut rng);
//! let now = Timestamp::from_millis(1_764_000_000_000);
//! let note = Message::new(EntityId::fresh(&mut rng, now), now, 0, Body::new(*b"\xa5hello"))?;
//!
//! let file = export::write(&seed, &export::usual_label(), [&note], &mut rng)?;
//! assert_eq!(export::read(&seed, &file)?, [note]);
//!
//! let stranger = Seed::generate(&mut rng);
//! assert!(matches!(export::read(&stranger, &file), Err(export::ExportError::InvalidSignature(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use rand_core::CryptoRng;

use super::bytes::{Decode, DecodeError, Encode, MAX_VARINT, Reader, VarintTooLarge, put_varbytes, put_varint};
use super::seal::{OVERHEAD, seal_body, seal_head};
use super::{
    Head, HostKeys, InvalidSignature, Kdm, Label, Message, OpenBagError, OpenedHead, SealedBody, SealedHead, Seed,
    Signature, Status,
};

/// Returns the label that the standard's tools export under: `export`, 0.
pub fn usual_label() -> Label {
    Label::new("export")
}

/// Writes a file of `messages`, in their order.
///
/// # Errors
///
/// [`VarintTooLarge`], when the label's number is above what the file can hold.
pub fn write<'a, R: CryptoRng + ?Sized>(
    seed: &Seed,
    label: &Label,
    messages: impl IntoIterator<Item = &'a Message>,
    rng: &mut R,
) -> Result<Vec<u8>, VarintTooLarge> {
    let mut writer = IndexWriter::new(seed, label)?;
    let (mut index, mut bodies) = (Vec::new(), Vec::new());
    for message in messages {
        writer.add(message.head(), &mut index, rng)?;
        bodies.extend_from_slice(writer.sealer.seal(message, rng).as_bytes());
    }
    let frame = writer.finish();
    Ok([frame.before_index, index, frame.before_bodies, bodies].concat())
}

/// Reads every message of a file, in their order.
///
/// # Errors
///
/// [`ExportError`], also of the first item that does not open; [`open`] gives the others.
pub fn read(seed: &Seed, file: &[u8]) -> Result<Vec<Message>, ExportError> {
    let items = open(seed, file)?.enumerate();
    items.map(|(place, item)| item.map_err(|source| ExportError::Item { place: place as u64, source })).collect()
}

/// Checks a file as a whole, and opens its items one by one as they are asked for.
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

/// Why a file does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The file does not follow its layout: it is cut short, or is no export file.
    #[error("the file does not follow its layout")]
    Decode(#[from] DecodeError),
    /// The file was written with another seed, or was changed.
    #[error("the file was written with another seed, or was changed")]
    InvalidSignature(#[from] InvalidSignature),
    /// The index is not the one that was signed.
    #[error("the file's index was changed")]
    IndexHash,
    /// An item does not open.
    #[error("item {place} of the file does not open")]
    Item {
        /// Its place in the file, from 0 on.
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

/// Why an item of a file does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// The index does not follow its layout from here on; nothing can be said of later items.
    #[error("the index does not follow its layout")]
    Index(#[source] DecodeError),
    /// The body would stand outside of the file's bodies.
    #[error("the body would stand at {offset}, {len} bytes long, among {bodies} bytes of bodies")]
    BodyOutOfBounds {
        /// Where it would start.
        offset: u64,
        /// How long it would be.
        len: u64,
        /// How many bytes of bodies there are.
        bodies: u64,
    },
    /// Head or body do not open.
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

/// The messages of a file that was checked as a whole; each may still be damaged on its own.
///
/// An index that does not follow its layout ends the iteration with that error.
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

/// What stands before the index of a file, its length included.
///
/// ```text
/// varstring label · varint idx · varint num · bytes(32) hsh · bytes(64) sig · varint (length of index)
/// ```
///
/// Decoding it from too few bytes gives a [`DecodeError`] that [is incomplete](DecodeError::is_incomplete).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportHead {
    label: Label,
    count: u64,
    index_hash: [u8; 32],
    signature: Signature,
    index_len: u64,
}

impl ExportHead {
    /// Returns the label that the file's keys are derived from.
    pub const fn label(&self) -> &Label {
        &self.label
    }

    /// Returns how many items the index should hold; nothing vouches for it.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Returns how many bytes long the index should be; nothing vouches for it.
    pub const fn index_len(&self) -> u64 {
        self.index_len
    }

    /// Checks that the file is by this seed; what returns checks the index.
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

/// A file as its layout shows it; nothing of it is checked.
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

/// Checks an index against its signed hash, piece by piece.
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

    /// Checks that the whole index was the one that was signed.
    ///
    /// # Errors
    ///
    /// [`ExportError::IndexHash`].
    pub fn finish(self) -> Result<ItemOpener, ExportError> {
        let Self { opener, announced, hasher } = self;
        if hasher.finalize() == announced { Ok(opener) } else { Err(ExportError::IndexHash) }
    }
}

/// Opens the items of a file whose index was checked.
#[derive(Debug, Clone)]
pub struct ItemOpener {
    keys: HostKeys,
}

impl ItemOpener {
    /// Opens items of a file that failed its checks as a whole, for recovery: each is still checked on its own.
    ///
    /// What nothing checks then is which items the file should have held.
    pub fn for_recovery(seed: &Seed) -> Self {
        // A message's key comes from the seed and the item alone, so that any label does.
        Self { keys: HostKeys::derive(seed, &usual_label()) }
    }

    /// Opens an item's head; the body that stands at [`IndexItem::body`] is opened with what returns.
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

    /// Returns where the sealed body stands, counted from the start of the bodies; empty for a delete.
    ///
    /// Neither end need be within the file.
    pub const fn body(&self) -> Range<u64> {
        // Both are below 2^56, so that their sum is within a u64.
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

/// Makes the index of a file, head by head, and then what stands around it.
#[derive(Debug)]
pub struct IndexWriter {
    sealer: BodySealer,
    label: Label,
    count: u64,
    index_len: u64,
    bodies_len: u64,
    hasher: blake3::Hasher,
}

/// What stands around the index: a file is `before_index`, the index, `before_bodies`, the bodies.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The head of the file; it goes before the index.
    pub before_index: Vec<u8>,
    /// The length of the bodies; it goes between the index and the bodies.
    pub before_bodies: Vec<u8>,
    /// Seals the bodies, which follow one another in the order in which their heads were added.
    pub sealer: BodySealer,
}

impl IndexWriter {
    /// Starts an empty index.
    ///
    /// # Errors
    ///
    /// [`VarintTooLarge`], when the label's number is above what the file can hold.
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
    /// [`VarintTooLarge`], when the head announces a body beyond any file; nothing is added then.
    pub fn add<R: CryptoRng + ?Sized>(
        &mut self,
        head: &Head,
        out: &mut Vec<u8>,
        rng: &mut R,
    ) -> Result<(), VarintTooLarge> {
        let len = if head.is_delete() { 0 } else { head.body_len() + OVERHEAD };
        let bodies_len = self.bodies_len + len;
        if bodies_len > MAX_VARINT {
            return Err(VarintTooLarge(bodies_len));
        }
        let (kdm, key) = self.sealer.keys.key_for(head);
        let body = BodyPlace { len, offset: self.bodies_len };
        let start = out.len();
        IndexItem { kdm, head: seal_head(&key, head, rng), body }.encode(out);
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

/// Seals the bodies of a file.
#[derive(Debug, Clone)]
pub struct BodySealer {
    keys: HostKeys,
}

impl BodySealer {
    /// Seals a message's body; of a delete comes nothing.
    pub fn seal<R: CryptoRng + ?Sized>(&self, message: &Message, rng: &mut R) -> SealedBody {
        // The head's key again: to keep one for every message would cost memory, and it is quickly derived.
        let (_, key) = self.keys.key_for(message.head());
        seal_body(&key, message.body(), rng)
    }
}
