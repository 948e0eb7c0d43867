//! A host in memory that speaks the standard's wire format and stores bags it cannot read.

use std::collections::{BTreeMap, BTreeSet};

use crate::standard::calls::{
    AuthTimestamp, AuthToken, CLOCK_TOLERANCE, Call, INLINE_LIMIT, Notification, NotificationItem, PeekItem,
    PeekRequest, PullItem, PullRequest, PushItem, PushOutcome, PushRequest, ResponseHead,
};
use crate::standard::{Bag, Decode, Encode, PublicKey, Reader, SealedBody, Seq, Status, Timestamp};

/// A host in memory. It does not check signatures, because all of its users belong to the test.
#[derive(Debug, Default)]
pub(super) struct MemoryHost {
    users: BTreeSet<PublicKey>,
    bags: BTreeMap<PublicKey, Vec<Bag>>,
}

/// The outcome of a call: the response and, if something was stored, the frame for each of the user's open sockets.
pub(super) type Answer = (Vec<u8>, Option<(PublicKey, Vec<u8>)>);

impl MemoryHost {
    pub(super) fn call(&mut self, now: Timestamp, call: Call, request: &[u8]) -> Answer {
        let mut items = Vec::new();
        let (status, frame) = match self.answer(now, call, request, &mut items) {
            Ok(frame) => (Status::SUCCESS, frame),
            Err(status) => {
                items.clear();
                (status, None)
            }
        };
        let mut response = ResponseHead::unlimited(status, now, now).to_bytes();
        response.append(&mut items);
        (response, frame)
    }

    /// Returns the user whose socket an upgrade opens, if it is allowed.
    pub(super) fn upgrade(&self, now: Timestamp, token: &AuthToken) -> Option<PublicKey> {
        let auth = token.auth();
        (is_in_time(now, auth) && self.users.contains(&auth.key)).then_some(auth.key)
    }

    fn answer(
        &mut self,
        now: Timestamp,
        call: Call,
        request: &[u8],
        items: &mut Vec<u8>,
    ) -> Result<Option<(PublicKey, Vec<u8>)>, Status> {
        let mut reader = Reader::new(request);
        let auth = AuthTimestamp::read(&mut reader).map_err(|error| error.status())?;
        if !is_in_time(now, &auth) {
            return Err(Status::CLOCK_OUT_OF_SYNC);
        }
        if call == Call::User {
            self.users.insert(auth.key);
            return Ok(None);
        }
        if !self.users.contains(&auth.key) {
            return Err(Status::USER_NOT_REGISTERED);
        }
        let bags = self.bags.entry(auth.key).or_default();
        match call {
            Call::Peek => {
                let PeekRequest { after } = PeekRequest::decode(reader.rest()).map_err(|error| error.status())?;
                for (index, bag) in bags.iter().enumerate().filter(|(index, _)| seq(*index) > after) {
                    PeekItem { head: bag.head.clone(), seq: seq(index) }.encode(items);
                }
            }
            Call::Pull => {
                let PullRequest { seqs } = PullRequest::decode(reader.rest()).map_err(|error| error.status())?;
                for wanted in seqs {
                    let index = usize::try_from(wanted.number()).ok().and_then(|number| number.checked_sub(1));
                    if let Some(bag) = index.and_then(|index| bags.get(index)) {
                        PullItem { seq: wanted, body: bag.body.clone() }.encode(items);
                    }
                }
            }
            Call::Push => {
                let pushed = PushRequest::decode(reader.rest()).map_err(|error| error.status())?.bags;
                let notified = push(bags, pushed, items);
                return Ok((!notified.is_empty()).then(|| (auth.key, Notification { items: notified }.to_bytes())));
            }
            Call::User => {}
        }
        Ok(None)
    }
}

fn push(bags: &mut Vec<Bag>, pushed: Vec<Bag>, items: &mut Vec<u8>) -> Vec<NotificationItem> {
    let is_single = pushed.len() == 1;
    let mut notified = Vec::new();
    for (index, bag) in (0..).zip(pushed) {
        let known = bags.iter().position(|known| known.head.signature == bag.head.signature);
        let place = known.unwrap_or(bags.len());
        PushItem { index, outcome: PushOutcome::Stored(seq(place)) }.encode(items);
        if known.is_none() {
            let is_inlined = is_single && bag.body.as_bytes().len() <= INLINE_LIMIT;
            let inlined = if is_inlined { bag.body.clone() } else { SealedBody::default() };
            notified.push(NotificationItem { seq: seq(place), head: bag.head.clone(), inlined });
            bags.push(bag);
        }
    }
    notified
}

fn is_in_time(now: Timestamp, auth: &AuthTimestamp) -> bool {
    now.since(auth.time).max(auth.time.since(now)) <= CLOCK_TOLERANCE
}

fn seq(index: usize) -> Seq {
    Seq::new(index as u64 + 1).expect("a test has few bags")
}
