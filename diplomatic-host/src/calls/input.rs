//! The body of a request, as it arrives.

use bytes::Bytes;
use diplomatic::standard::calls::AuthTimestamp;
use diplomatic::standard::{Bag, Decode, DecodeError, PublicKey, Reader, Status};

use crate::{Refusal, StoreFuture};

/// The largest accepted sealed head, in bytes. Heads of real messages take about a hundred.
pub(crate) const LARGEST_HEAD: usize = 4 << 10;
/// How many bytes of a PUSH's bags are checked and stored at a time.
const PIECE_BYTES: usize = 1 << 20;
const PIECE_BAGS: usize = 1024;
const SIGNATURE_AND_KDM: usize = 64 + 8;
/// The longest auth timestamp.
const AUTH: usize = 32 + 64 + 8;

/// A source of a request's body.
///
/// A complete body, as a `Vec<u8>`, is one, too.
pub trait Incoming: Send {
    /// Returns the next bytes, or `None` after the last.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] of the whole request.
    fn next(&mut self) -> StoreFuture<'_, Result<Option<Bytes>, Refusal>>;

    /// Called when some of the bytes are no longer in memory.
    fn release(&mut self, _count: usize) {}

    /// Called with the caller's key once the auth timestamp is valid.
    fn admit(&mut self, _caller: &PublicKey) {}
}

impl Incoming for Vec<u8> {
    fn next(&mut self) -> StoreFuture<'_, Result<Option<Bytes>, Refusal>> {
        let whole = std::mem::take(self);
        Box::pin(std::future::ready(Ok((!whole.is_empty()).then(|| whole.into()))))
    }
}

/// A request being read.
pub(crate) struct Input<'a> {
    source: &'a mut dyn Incoming,
    /// Received bytes. Those not taken yet start at `taken`.
    buffer: Vec<u8>,
    taken: usize,
    ended: bool,
    skip: Skip,
}

/// The next part of a bag that is not stored.
#[derive(Debug, Clone, Copy)]
enum Skip {
    Nothing,
    Head(u64),
    BodyLength,
    Body(u64),
}

/// Some bags of a PUSH.
#[derive(Default)]
pub(crate) struct Piece {
    /// The bags in the order of the request. For those that are not to be stored, the status says why.
    pub(crate) bags: Vec<Result<Bag, Status>>,
    /// Their size in the request, in bytes.
    pub(crate) size: usize,
    /// Whether the request ends here.
    pub(crate) last: bool,
}

impl<'a> Input<'a> {
    pub(crate) fn new(source: &'a mut dyn Incoming) -> Self {
        Self { source, buffer: Vec::new(), taken: 0, ended: false, skip: Skip::Nothing }
    }

    /// Takes the auth timestamp as soon as it has arrived.
    pub(crate) async fn auth(&mut self) -> Result<AuthTimestamp, Refusal> {
        loop {
            let mut reader = Reader::new(self.left());
            match AuthTimestamp::read(&mut reader) {
                Ok(auth) => {
                    let size = self.left().len() - reader.rest().len();
                    self.taken += size;
                    return Ok(auth);
                }
                Err(error) if !error.is_incomplete() || self.left().len() >= AUTH || !self.fill().await? => {
                    return Err(error.into());
                }
                Err(_) => {}
            }
        }
    }

    pub(crate) fn admit(&mut self, caller: &PublicKey) {
        self.source.admit(caller);
    }

    /// Takes the rest of a short request. If it is longer than `most`, takes a little more than that.
    pub(crate) async fn short(&mut self, most: usize) -> Result<&[u8], Refusal> {
        while self.left().len() <= most && self.fill().await? {}
        Ok(self.left())
    }

    /// Takes the rest.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooLarge`] if it is more than `most`.
    pub(crate) async fn rest(&mut self, most: usize) -> Result<Vec<u8>, Refusal> {
        while self.left().len() <= most {
            if !self.fill().await? {
                return Ok(self.left().to_vec());
            }
        }
        Err(Refusal::TooLarge)
    }

    /// Takes the next bags, none of them larger than `largest`.
    pub(crate) async fn piece(&mut self, largest: usize) -> Result<Piece, Refusal> {
        let mut piece = Piece::default();
        while piece.size < PIECE_BYTES && piece.bags.len() < PIECE_BAGS {
            let taken = match self.skip {
                Skip::Nothing if self.left().is_empty() => {
                    if !self.fill().await? {
                        piece.last = true;
                        break;
                    }
                    continue;
                }
                Skip::Nothing => self.take_bag(largest, &mut piece),
                _ => self.skip_some(),
            };
            match taken {
                Err(error) if error.is_incomplete() && self.fill().await? => {}
                taken => taken?,
            }
        }
        Ok(piece)
    }

    /// Takes one bag, or the beginning of one that is not to be stored.
    fn take_bag(&mut self, largest: usize, piece: &mut Piece) -> Result<(), DecodeError> {
        let mut reader = Reader::new(self.left());
        let before = self.left().len();
        reader.array::<SIGNATURE_AND_KDM>()?;
        let head = reader.varint()?;
        if head > LARGEST_HEAD as u64 {
            self.taken += before - reader.rest().len();
            self.skip = Skip::Head(head);
            piece.bags.push(Err(Status::INVALID_MESSAGE));
            return Ok(());
        }
        reader.bytes(head)?;
        let body = reader.varint()?;
        if body > largest as u64 {
            self.taken += before - reader.rest().len();
            self.skip = Skip::Body(body);
            piece.bags.push(Err(Status::INVALID_REQUEST));
            return Ok(());
        }
        reader.bytes(body)?;
        let size = before - reader.rest().len();
        let bag = Bag::decode(&self.left()[..size])?;
        self.taken += size;
        piece.size += size;
        piece.bags.push(Ok(bag));
        Ok(())
    }

    /// Skips the received part of a bag that is not stored.
    fn skip_some(&mut self) -> Result<(), DecodeError> {
        match self.skip {
            Skip::Nothing => {}
            Skip::Head(count) => {
                let left = self.pass(count);
                self.skip = if left == 0 { Skip::BodyLength } else { Skip::Head(left) };
            }
            Skip::BodyLength => {
                let mut reader = Reader::new(self.left());
                let length = reader.varint()?;
                self.taken += self.left().len() - reader.rest().len();
                self.skip = Skip::Body(length);
            }
            Skip::Body(count) => {
                let left = self.pass(count);
                self.skip = if left == 0 { Skip::Nothing } else { Skip::Body(left) };
            }
        }
        match self.skip {
            Skip::Head(wanted) | Skip::Body(wanted) if self.left().is_empty() && wanted > 0 => {
                Err(DecodeError::OutOfBounds { wanted, left: 0 })
            }
            _ => Ok(()),
        }
    }

    /// Drops up to `count` of the received bytes, and returns how many to drop later.
    fn pass(&mut self, count: u64) -> u64 {
        let now = self.left().len().min(usize::try_from(count).unwrap_or(usize::MAX));
        self.taken += now;
        self.source.release(now);
        count - now as u64
    }

    /// Returns the memory of stored bags to the budget.
    pub(crate) fn release(&mut self, size: usize) {
        self.source.release(size);
    }

    fn left(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Waits for more bytes; returns false at the end.
    async fn fill(&mut self) -> Result<bool, Refusal> {
        if self.ended {
            return Ok(false);
        }
        match self.source.next().await? {
            Some(bytes) => {
                self.buffer.drain(..self.taken);
                self.taken = 0;
                if self.buffer.is_empty() {
                    // A whole body is not copied.
                    self.buffer = bytes.into();
                } else {
                    self.buffer.extend_from_slice(&bytes);
                }
                Ok(true)
            }
            None => {
                self.ended = true;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use diplomatic::standard::{BagHead, Encode, Kdm, SealedBody, SealedHead, Signature};
    use proptest::prelude::*;

    use super::*;

    /// A body that comes in pieces of these sizes, over and over.
    struct Chunks(VecDeque<Bytes>);

    impl Chunks {
        fn new(mut body: &[u8], sizes: &[usize]) -> Self {
            let mut chunks = VecDeque::new();
            for size in sizes.iter().cycle() {
                let (chunk, rest) = body.split_at((*size).min(body.len()));
                chunks.push_back(Bytes::copy_from_slice(chunk));
                body = rest;
                if body.is_empty() {
                    break;
                }
            }
            Self(chunks)
        }
    }

    impl Incoming for Chunks {
        fn next(&mut self) -> StoreFuture<'_, Result<Option<Bytes>, Refusal>> {
            let next = self.0.pop_front();
            Box::pin(std::future::ready(Ok(next)))
        }
    }

    fn bag(head: usize, body: usize) -> Bag {
        let head = SealedHead::from_bytes(vec![1; head]);
        let head = BagHead { signature: Signature::from_bytes([7; 64]), kdm: Kdm::from_bytes([8; 8]), head };
        Bag { head, body: SealedBody::from_bytes(vec![2; body]) }
    }

    async fn read(body: &[u8], sizes: &[usize], largest: usize) -> Result<Vec<Result<Bag, Status>>, Refusal> {
        let mut chunks = Chunks::new(body, sizes);
        let mut input = Input::new(&mut chunks);
        let mut bags = Vec::new();
        loop {
            let piece = input.piece(largest).await?;
            assert!(piece.bags.len() <= PIECE_BAGS && piece.size < PIECE_BYTES + largest + LARGEST_HEAD + 100);
            bags.extend(piece.bags);
            if piece.last {
                return Ok(bags);
            }
        }
    }

    proptest! {
        #[test]
        fn bags_are_the_same_however_the_request_comes_and_only_those_that_are_too_large_are_not_there(
            bags in proptest::collection::vec((0..2 * LARGEST_HEAD, 0..3000_usize), 0..20),
            sizes in proptest::collection::vec(1..5000_usize, 1..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let bags: Vec<_> = bags.into_iter().map(|(head, body)| bag(head, body)).collect();
            let mut request = Vec::new();
            bags.iter().for_each(|bag| bag.encode(&mut request));
            let read = |request: &[u8]| runtime.block_on(read(request, &sizes, 2000));
            let expected = bags.into_iter().map(|bag| {
                if bag.head.head.as_bytes().len() > LARGEST_HEAD {
                    Err(Status::INVALID_MESSAGE)
                } else if bag.body.as_bytes().len() > 2000 {
                    Err(Status::INVALID_REQUEST)
                } else {
                    Ok(bag)
                }
            });
            prop_assert!(read(&request).unwrap().into_iter().eq(expected));
            if !request.is_empty() {
                let cut = cut.index(request.len());
                let whole = cut == 0 || diplomatic::standard::calls::PushRequest::decode(&request[..cut]).is_ok();
                prop_assert_eq!(read(&request[..cut]).is_ok(), whole);
            }
        }
    }
}
