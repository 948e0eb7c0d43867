//! Values of every structure of the standard, small and large.

use diplomatic::standard::calls::{
    AuthTimestamp, Notification, NotificationItem, PeekItem, PeekRequest, PullItem, PullRequest, PushItem, PushOutcome,
    PushRequest, Quota, ResponseHead, UserRequest,
};
use diplomatic::standard::export::{ExportHead, IndexItem};
use diplomatic::standard::{
    Bag, BagHead, Body, Decode, EntityId, Head, Kdm, Label, MAX_VARINT, Message, PublicKey, SealedBody, SealedHead,
    Seed, Seq, Signature, Status, Timestamp, write_varint,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// The largest number that is written.
pub(crate) const MAX_SAFE: u64 = (1 << 53) - 1;

/// A number of any size up to `max`, small ones as often as large ones.
fn up_to(max: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(max),
        0..=max.min(300),
        (0..64_u32, any::<u64>()).prop_map(move |(cut, n)| (n >> cut) % max)
    ]
}

pub(crate) fn number() -> impl Strategy<Value = u64> {
    up_to(MAX_VARINT)
}

pub(crate) fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

pub(crate) fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(|number| Seq::new(number).unwrap())
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    number().prop_map(Timestamp::from_millis)
}

pub(crate) fn kdm() -> impl Strategy<Value = Kdm> {
    any::<[u8; 8]>().prop_map(Kdm::from_bytes)
}

pub(crate) fn public_key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey::from_bytes)
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> {
    (any::<[u8; 32]>(), any::<[u8; 32]>())
        .prop_map(|halves| Signature::from_bytes(<[u8; 64]>::try_from([halves.0, halves.1].concat()).unwrap()))
}

pub(crate) fn entity_id() -> impl Strategy<Value = EntityId> {
    (bytes(40), timestamp()).prop_map(|(id, created)| EntityId::new(&id, created))
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let times = (up_to(MAX_SAFE), up_to(MAX_SAFE)).prop_map(|(a, b)| (a.min(b), a.max(b)));
    (bytes(40), times, up_to(MAX_SAFE), bytes(300)).prop_map(|(id, (created, changed), counter, body)| {
        let entity = EntityId::new(&id, Timestamp::from_millis(created));
        Message::new(entity, Timestamp::from_millis(changed), counter, Body::new(body)).unwrap()
    })
}

pub(crate) fn head() -> impl Strategy<Value = Head> {
    message().prop_map(|message| message.head().clone())
}

pub(crate) fn sealed_head() -> impl Strategy<Value = SealedHead> {
    bytes(300).prop_map(SealedHead::from_bytes)
}

pub(crate) fn sealed_body() -> impl Strategy<Value = SealedBody> {
    bytes(600).prop_map(SealedBody::from_bytes)
}

pub(crate) fn bag_head() -> impl Strategy<Value = BagHead> {
    (signature(), kdm(), sealed_head()).prop_map(|(signature, kdm, head)| BagHead { signature, kdm, head })
}

pub(crate) fn bag() -> impl Strategy<Value = Bag> {
    (bag_head(), sealed_body()).prop_map(|(head, body)| Bag { head, body })
}

pub(crate) fn auth_timestamp() -> impl Strategy<Value = AuthTimestamp> {
    (public_key(), signature(), timestamp()).prop_map(|(key, signature, time)| AuthTimestamp { key, signature, time })
}

pub(crate) fn user_request() -> impl Strategy<Value = UserRequest> {
    Just(UserRequest)
}

pub(crate) fn peek_request() -> impl Strategy<Value = PeekRequest> {
    seq().prop_map(|after| PeekRequest { after })
}

pub(crate) fn push_request() -> impl Strategy<Value = PushRequest> {
    vec(bag(), 0..4).prop_map(|bags| PushRequest { bags })
}

pub(crate) fn pull_request() -> impl Strategy<Value = PullRequest> {
    vec(seq(), 0..20).prop_map(|seqs| PullRequest { seqs })
}

pub(crate) fn peek_item() -> impl Strategy<Value = PeekItem> {
    (bag_head(), seq()).prop_map(|(head, seq)| PeekItem { head, seq })
}

pub(crate) fn push_item() -> impl Strategy<Value = PushItem> {
    let outcome = prop_oneof![
        seq().prop_map(PushOutcome::Stored),
        (1..=u8::MAX).prop_map(|number| PushOutcome::Refused(Status::from_number(number))),
    ];
    (any::<u32>(), outcome).prop_map(|(index, outcome)| PushItem { index, outcome })
}

pub(crate) fn pull_item() -> impl Strategy<Value = PullItem> {
    (seq(), sealed_body()).prop_map(|(seq, body)| PullItem { seq, body })
}

pub(crate) fn notification_item() -> impl Strategy<Value = NotificationItem> {
    (seq(), bag_head(), sealed_body()).prop_map(|(seq, head, inlined)| NotificationItem { seq, head, inlined })
}

pub(crate) fn notification() -> impl Strategy<Value = Notification> {
    vec(notification_item(), 0..4).prop_map(|items| Notification { items })
}

pub(crate) fn quota() -> impl Strategy<Value = Quota> {
    (number(), number()).prop_map(|(limit, used)| Quota::new(limit, used))
}

pub(crate) fn response_head() -> impl Strategy<Value = ResponseHead> {
    (any::<u8>(), timestamp(), timestamp(), number(), number(), quota(), quota()).prop_map(
        |(status, received, sent, term, elapsed, stored, traffic)| ResponseHead {
            status: Status::from_number(status),
            received,
            sent,
            term,
            elapsed,
            stored,
            traffic,
        },
    )
}

/// Made of its bytes, since only files have one.
pub(crate) fn export_head() -> impl Strategy<Value = ExportHead> {
    ("\\PC{0,40}", [number(), number(), number()], any::<[u8; 32]>(), signature()).prop_map(
        |(name, [index, count, index_len], hash, signature)| {
            let mut out = Vec::new();
            write_varint(&mut out, name.len() as u64).unwrap();
            out.extend_from_slice(name.as_bytes());
            write_varint(&mut out, index).unwrap();
            write_varint(&mut out, count).unwrap();
            out.extend_from_slice(&hash);
            out.extend_from_slice(signature.as_bytes());
            write_varint(&mut out, index_len).unwrap();
            let head = ExportHead::decode(&out).unwrap();
            assert_eq!(head.label(), &Label::with_index(name, index));
            assert_eq!((head.count(), head.index_len()), (count, index_len));
            head
        },
    )
}

/// Made of its bytes, since only files have one.
pub(crate) fn index_item() -> impl Strategy<Value = IndexItem> {
    (any::<[u8; 8]>(), bytes(200), number(), number()).prop_map(|(kdm, head, len, offset)| {
        let mut out = kdm.to_vec();
        write_varint(&mut out, head.len() as u64).unwrap();
        out.extend_from_slice(&head);
        write_varint(&mut out, len).unwrap();
        if len > 0 {
            write_varint(&mut out, offset).unwrap();
        }
        let item = IndexItem::decode(&out).unwrap();
        let body = item.body();
        assert_eq!((body.start, body.end - body.start), (if len > 0 { offset } else { 0 }, len));
        item
    })
}

pub(crate) fn seed() -> impl Strategy<Value = Seed> {
    any::<[u8; 32]>().prop_map(Seed::from_bytes)
}

pub(crate) fn label() -> impl Strategy<Value = Label> {
    ("\\PC{0,12}", number()).prop_map(|(name, index)| Label::with_index(name, index))
}
