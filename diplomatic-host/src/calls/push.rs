//! PUSH: stores bags as they arrive, and tells the caller's other devices.

use diplomatic::standard::calls::{INLINE_LIMIT, Notification, NotificationItem, PushItem, PushOutcome};
use diplomatic::standard::{Bag, BagHead, Encode, PublicKey, SealedBody, Seq, Status, VerifiedBag};
use futures_util::future::join;

use super::input::{Input, Piece};
use super::{Caller, Items, Notice, Surroundings};
use crate::{Appended, BagStore, Placed, Refusal, StoreError};

/// How large a frame of the live channel gets: every socket that it is sent on has a copy for a moment.
const FRAME: usize = 16 << 10;

/// Stores a request of any length in pieces, the next of which comes in while one is stored.
///
/// What does not decode, or breaks off, is refused as a whole; pieces that were stored before stay, which does no harm.
pub(crate) async fn push<S: BagStore + ?Sized>(
    store: &S,
    caller: &Caller,
    input: &mut Input<'_>,
    around: &dyn Surroundings,
) -> Result<Items, Refusal> {
    caller.registered(store).await?;
    let mut push = Push { store, user: caller.key, around, items: Vec::new(), count: 0, stored: 0, cut: None };
    let mut piece = input.piece(around.largest_bag()).await?;
    if piece.last {
        let alone = piece.bags.len() == 1;
        push.store(piece, alone).await?;
        return Ok(Items::whole(push.items));
    }
    loop {
        let (last, size) = (piece.last, piece.size);
        if last {
            push.store(piece, false).await?;
            return Ok(Items::whole(push.items));
        }
        let (stored, next) = join(push.store(piece, false), input.piece(around.largest_bag())).await;
        stored?;
        input.release(size);
        piece = next?;
    }
}

/// A push that is under way.
struct Push<'a, S: ?Sized> {
    store: &'a S,
    user: PublicKey,
    around: &'a dyn Surroundings,
    /// The encoded items of the answer.
    items: Vec<u8>,
    /// How many bags were answered for.
    count: u32,
    /// How many of them are stored.
    stored: u64,
    /// Why no more bags are stored: what is stored is always the first of the request.
    cut: Option<StoreError>,
}

impl<S: BagStore + ?Sized> Push<'_, S> {
    /// Checks, stores, tells of and answers for some bags. A body goes along with the notice of one that is alone in its
    /// request.
    async fn store(&mut self, piece: Piece, alone: bool) -> Result<(), Refusal> {
        let refused: Vec<Option<Status>> = piece.bags.iter().map(|bag| bag.as_ref().err().copied()).collect();
        let bags: Vec<Bag> = piece.bags.into_iter().flatten().collect();
        let inlined = match &bags[..] {
            [Bag { body, .. }] if alone && body.as_bytes().len() <= INLINE_LIMIT => body.clone(),
            _ => SealedBody::default(),
        };
        let checked = match &self.cut {
            None => self.around.check(self.user, bags).await,
            // There is no need to know.
            Some(_) => Vec::new(),
        };
        let verdicts: Vec<Option<Status>> = checked.iter().map(|bag| bag.as_ref().err().copied()).collect();
        let bags: Vec<VerifiedBag> = checked.into_iter().flatten().collect();
        let heads: Vec<BagHead> = bags.iter().map(|bag| bag.as_bag().head.clone()).collect();
        let appended = match bags.len() {
            0 => Appended::whole(Vec::new()),
            _ => self.store.append(self.user, bags).await,
        };
        self.around.stored(&appended, &verdicts);
        self.stored += appended.placed.len() as u64;
        if let Some(error) = appended.cut {
            if self.stored == 0 {
                return Err(error.into());
            }
            self.cut = Some(error);
        }
        self.tell(heads, &inlined, &appended.placed);
        self.answer(&refused, &verdicts, &appended.placed)
    }

    /// Answers for bags, given what was wrong with them from the start, what was found wrong with the others, and where
    /// the first of the rest lie.
    fn answer(
        &mut self,
        refused: &[Option<Status>],
        verdicts: &[Option<Status>],
        placed: &[Placed],
    ) -> Result<(), Refusal> {
        let cut = self.cut.as_ref().map_or(Status::STORAGE_ERROR, StoreError::status);
        let mut verdicts = verdicts.iter();
        let mut seqs = placed.iter().map(|placed| placed.seq());
        for refused in refused {
            let outcome = match (refused, refused.is_none().then(|| verdicts.next()).flatten()) {
                (Some(status), _) | (None, Some(Some(status))) => PushOutcome::Refused(*status),
                (None, Some(None)) => seqs.next().map_or(PushOutcome::Refused(cut), PushOutcome::Stored),
                (None, None) => PushOutcome::Refused(cut),
            };
            PushItem { index: self.count, outcome }.encode(&mut self.items);
            self.count = self.count.checked_add(1).ok_or(Refusal::TooLarge)?;
        }
        Ok(())
    }

    /// Tells of the bags that are new. Bags that the host had already were told of when they came.
    fn tell(&self, heads: Vec<BagHead>, inlined: &SealedBody, placed: &[Placed]) {
        let (mut items, mut size, mut first) = (Vec::new(), 0, None);
        let new = heads.into_iter().zip(placed).filter(|(_, placed)| placed.is_new());
        let mut last = Seq::ZERO;
        for (head, placed) in new {
            size += head.head.as_bytes().len();
            last = placed.seq();
            first.get_or_insert(last);
            items.push(NotificationItem { seq: last, head, inlined: inlined.clone() });
            if size >= FRAME {
                self.send(first.take(), last, std::mem::take(&mut items));
                size = 0;
            }
        }
        self.send(first, last, items);
    }

    fn send(&self, first: Option<Seq>, last: Seq, items: Vec<NotificationItem>) {
        if let Some(first) = first {
            let frame = Notification { items }.to_bytes();
            self.around.tell(Notice { user: self.user, first, last, frame });
        }
    }
}
