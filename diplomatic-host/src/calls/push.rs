//! PUSH: stores bags, and tells the caller's other devices.

use diplomatic::standard::calls::{INLINE_LIMIT, Notification, NotificationItem, PushItem, PushOutcome, PushRequest};
use diplomatic::standard::{Bag, BagHead, Decode, Encode, PublicKey, SealedBody, Status, VerifiedBag};

use super::{Answer, Caller, Notice, Respond};
use crate::reply::Items;
use crate::{BagStore, Placed, Refusal};

pub(crate) fn push(store: &impl BagStore, caller: &Caller, request: &[u8], respond: Respond) {
    let decoded = caller.registered().and_then(|_| Ok(PushRequest::decode(request)?));
    let bags = match decoded {
        Ok(PushRequest { bags }) => bags,
        Err(refusal) => return respond(Err(refusal)),
    };
    let (valid, slip) = Slip::check(caller.key, bags);
    if valid.is_empty() {
        return respond(Ok(slip.answer(&[])));
    }
    let done = move |outcome: Result<Vec<Placed>, _>| {
        respond(outcome.map(|placed| slip.answer(&placed)).map_err(Refusal::from));
    };
    store.append(&caller.key, valid, Box::new(done));
}

/// What is kept of a push while the store has its bags.
struct Slip {
    user: PublicKey,
    /// For each bag of the request whether its signature holds.
    valid: Vec<bool>,
    /// What the notification says of each valid bag.
    heads: Vec<BagHead>,
    /// The body that goes along with the notification.
    inlined: SealedBody,
}

impl Slip {
    fn check(user: PublicKey, bags: Vec<Bag>) -> (Vec<VerifiedBag>, Self) {
        let inlined = match &bags[..] {
            [Bag { body, .. }] if body.as_bytes().len() <= INLINE_LIMIT => body.clone(),
            _ => SealedBody::default(),
        };
        let checked = Bag::verify_each(bags, &user);
        let valid = checked.iter().map(Result::is_ok).collect();
        let bags: Vec<VerifiedBag> = checked.into_iter().flatten().collect();
        let heads = bags.iter().map(|bag| bag.as_bag().head.clone()).collect();
        (bags, Self { user, valid, heads, inlined })
    }

    /// Answers for every bag of the request, given where the valid ones lie.
    fn answer(self, placed: &[Placed]) -> Answer {
        let mut seqs = placed.iter().map(|placed| placed.seq());
        let mut items = Vec::with_capacity(8 * self.valid.len());
        for (index, valid) in (0..).zip(&self.valid) {
            let stored = valid.then(|| seqs.next()).flatten();
            let outcome = stored.map_or(PushOutcome::Refused(Status::INVALID_SIGNATURE), PushOutcome::Stored);
            PushItem { index, outcome }.encode(&mut items);
        }
        Answer { items: Items::whole(items), notice: self.notice(placed) }
    }

    /// Tells of the bags that are new. Bags that the host had already were told of when they came.
    fn notice(self, placed: &[Placed]) -> Option<Notice> {
        let Self { user, valid: _, heads, inlined } = self;
        let new = heads.into_iter().zip(placed).filter(|(_, placed)| placed.is_new());
        let items: Vec<_> =
            new.map(|(head, placed)| NotificationItem { seq: placed.seq(), head, inlined: inlined.clone() }).collect();
        (!items.is_empty()).then(|| Notice { user, frame: Notification { items }.to_bytes() })
    }
}
