//! PUSH: stores bags, and tells the caller's other devices.

use diplomatic::standard::calls::{INLINE_LIMIT, Notification, NotificationItem, PushItem, PushOutcome, PushRequest};
use diplomatic::standard::{Bag, BagHead, Decode, Encode, PublicKey, SealedBody, Status, VerifiedBag};

use super::{Caller, Items, Notice, Surroundings};
use crate::{Appended, BagStore, Placed, Refusal};

pub(crate) async fn push<S: BagStore + ?Sized>(
    store: &S,
    caller: &Caller,
    request: &[u8],
    around: &dyn Surroundings,
) -> Result<Items, Refusal> {
    caller.registered()?;
    let PushRequest { bags } = PushRequest::decode(request)?;
    let inlined = match &bags[..] {
        [Bag { body, .. }] if body.as_bytes().len() <= INLINE_LIMIT => body.clone(),
        _ => SealedBody::default(),
    };
    let checked = around.check(caller.key, bags).await;
    let valid: Vec<bool> = checked.iter().map(Result::is_ok).collect();
    let bags: Vec<VerifiedBag> = checked.into_iter().flatten().collect();
    let heads: Vec<BagHead> = bags.iter().map(|bag| bag.as_bag().head.clone()).collect();
    let appended = match bags.len() {
        0 => Appended::whole(Vec::new()),
        _ => store.append(caller.key, bags).await,
    };
    match appended {
        Appended { placed, cut: Some(error) } if placed.is_empty() => Err(error.into()),
        Appended { placed, cut } => {
            if let Some(notice) = notice(caller.key, heads, &inlined, &placed) {
                around.tell(notice);
            }
            Ok(Items::whole(answer(&valid, &placed, cut.map_or(Status::STORAGE_ERROR, |error| error.status()))))
        }
    }
}

/// Answers for every bag of the request, given whose signatures hold and where the first of those bags lie.
fn answer(valid: &[bool], placed: &[Placed], cut: Status) -> Vec<u8> {
    let mut seqs = placed.iter().map(|placed| placed.seq());
    let mut items = Vec::with_capacity(8 * valid.len());
    for (index, valid) in (0..).zip(valid) {
        let outcome = match valid {
            true => seqs.next().map_or(PushOutcome::Refused(cut), PushOutcome::Stored),
            false => PushOutcome::Refused(Status::INVALID_SIGNATURE),
        };
        PushItem { index, outcome }.encode(&mut items);
    }
    items
}

/// Tells of the bags that are new. Bags that the host had already were told of when they came.
fn notice(user: PublicKey, heads: Vec<BagHead>, inlined: &SealedBody, placed: &[Placed]) -> Option<Notice> {
    let new = heads.into_iter().zip(placed).filter(|(_, placed)| placed.is_new());
    let items: Vec<_> =
        new.map(|(head, placed)| NotificationItem { seq: placed.seq(), head, inlined: inlined.clone() }).collect();
    let (first, last) = (items.first()?.seq, items.last()?.seq);
    Some(Notice { user, first, last, frame: Notification { items }.to_bytes() })
}
