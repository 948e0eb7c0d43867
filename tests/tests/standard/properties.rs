//! What holds of every structure: it reads back as it was written, and of other bytes comes an error.

use std::fmt::Debug;

use diplomatic::standard::calls::{
    AuthTimestamp, Notification, NotificationItem, PeekItem, PeekRequest, PullItem, PullRequest, PushItem, PushRequest,
    Quota, ResponseHead, UserRequest,
};
use diplomatic::standard::export::{ExportHead, IndexItem};
use diplomatic::standard::{
    Bag, BagHead, Decode, DecodeError, Encode, EntityId, Head, Kdm, MAX_VARINT, PublicKey, Reader, SealedBody,
    SealedHead, Seq, Signature, Status, Timestamp, VarintTooLarge, write_varint,
};
use proptest::prelude::*;

use crate::{checks, structures};

/// A varint that announces more than any memory holds.
const ENDLESS: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];

/// Checks one value of a structure; `open_ended` ones are lists that take items until the bytes end.
fn check<T: Decode + Encode + PartialEq + Debug>(value: &T, open_ended: bool, place: prop::sample::Index, byte: u8) {
    let encoded = value.to_bytes();
    assert_eq!(T::decode(&encoded).as_ref(), Ok(value));

    for cut in 0..encoded.len() {
        match T::decode(&encoded[..cut]) {
            Ok(shorter) => assert!(open_ended && shorter.to_bytes() == encoded[..cut], "cut at {cut}"),
            Err(error) => assert!(error.is_incomplete(), "cut at {cut}: {error}"),
        }
    }
    if !open_ended {
        let longer = [&encoded[..], &[byte]].concat();
        assert_eq!(T::decode(&longer), Err(DecodeError::TrailingBytes { count: 1 }));
    }
    // Close to a valid form, where arbitrary bytes seldom get: one byte changed, or a length that lies.
    if !encoded.is_empty() {
        let at = place.index(encoded.len());
        let mut changed = encoded.clone();
        changed[at] = byte;
        checks::structure::<T>(&changed);
        checks::structure::<T>(&[&encoded[..at], &ENDLESS, &encoded[at..]].concat());
    }
}

macro_rules! properties {
    ($($structure:ident: $type:ty $(, $open_ended:ident)?;)*) => {
        $(
            mod $structure {
                use super::*;

                proptest! {
                    #[test]
                    fn reads_back_and_refuses_everything_else(
                        value in structures::$structure(),
                        place in any::<prop::sample::Index>(),
                        byte in any::<u8>(),
                    ) {
                        check::<$type>(&value, [$(stringify!($open_ended) == "open_ended")?].contains(&true), place, byte);
                    }

                    #[test]
                    fn arbitrary_bytes_never_panic(bytes in structures::bytes(400)) {
                        checks::structure::<$type>(&bytes);
                    }
                }
            }
        )*
    };
}

properties! {
    seq: Seq;
    timestamp: Timestamp;
    kdm: Kdm;
    public_key: PublicKey;
    signature: Signature;
    sealed_head: SealedHead;
    sealed_body: SealedBody;
    entity_id: EntityId;
    head: Head;
    bag_head: BagHead;
    bag: Bag;
    auth_timestamp: AuthTimestamp;
    user_request: UserRequest;
    peek_request: PeekRequest;
    push_request: PushRequest, open_ended;
    pull_request: PullRequest, open_ended;
    peek_item: PeekItem;
    push_item: PushItem;
    pull_item: PullItem;
    notification_item: NotificationItem;
    notification: Notification, open_ended;
    quota: Quota;
    response_head: ResponseHead;
    export_head: ExportHead;
    index_item: IndexItem;
}

proptest! {
    #[test]
    fn numbers_read_back_whatever_follows(number in structures::number(), after in structures::bytes(9)) {
        let mut out = Vec::new();
        write_varint(&mut out, number).unwrap();
        prop_assert!(out.len() <= 8);
        for cut in 0..out.len() {
            prop_assert_eq!(Reader::new(&out[..cut]).varint(), Err(DecodeError::TruncatedVarint));
        }
        out.extend_from_slice(&after);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.varint(), Ok(number));
        prop_assert_eq!(reader.rest(), &after[..]);
    }

    #[test]
    fn longer_forms_of_a_number_are_the_number(number in 0..1_u64 << 35, padding in 1..3_usize) {
        let mut out = Vec::new();
        write_varint(&mut out, number).unwrap();
        *out.last_mut().unwrap() |= 0x80;
        out.extend(std::iter::repeat_n(0x80, padding - 1));
        out.push(0);
        prop_assert_eq!(Reader::new(&out).varint(), Ok(number));
    }

    #[test]
    fn numbers_beyond_a_varint_are_not_written(number in MAX_VARINT + 1..) {
        let mut out = Vec::new();
        prop_assert_eq!(write_varint(&mut out, number), Err(VarintTooLarge(number)));
        prop_assert!(out.is_empty());
    }

    #[test]
    fn every_check_takes_arbitrary_bytes(bytes in structures::bytes(300)) {
        checks::CHECKS.iter().for_each(|(_, check)| check(&bytes));
    }
}

/// More bytes after these cannot help, and who reads from a stream must not wait for them.
#[test]
fn structures_that_end_early_inside_of_others_are_not_incomplete() {
    // An entity id of one byte that announces an id of eight.
    let head = Head::decode(&[1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
    // Bag heads of two bytes.
    let peek = PeekItem::decode(&[2, 0, 0, 1, 0, 0, 0, 0]).unwrap_err();
    let notification = NotificationItem::decode(&[1, 2, 0, 0, 0]).unwrap_err();
    for error in [head, peek, notification] {
        assert!(!error.is_incomplete(), "{error}");
        assert_eq!(error.status(), Status::OUT_OF_BOUNDS);
    }
    let eid_without_time = Head::decode(&[1, 0, 0, 0, 0]).unwrap_err();
    assert!(!eid_without_time.is_incomplete());
    assert_eq!(eid_without_time.status(), Status::INVALID_MESSAGE);
}

#[test]
fn a_push_item_beyond_any_request_is_not_incomplete() {
    let error = PushItem::decode(&[0xff, 0xff, 0xff, 0xff, 0x1f, 0, 1]).unwrap_err();
    assert!(!error.is_incomplete());
    assert_eq!(error.status(), Status::INVALID_MESSAGE);
}

#[test]
fn a_singleton_has_one_name_only() {
    let other_form = EntityId::new(b"\x86\x00status", Timestamp::EPOCH);
    assert_eq!(EntityId::singleton("status").singleton_type(), Some("status"));
    assert_eq!(other_form.singleton_type(), None);
}

proptest! {
    #[test]
    fn entity_ids_stand_in_the_order_of_their_times_and_then_of_their_bytes(
        left in (prop::collection::vec(0..3_u8, 0..20), 0..2_u64),
        right in (prop::collection::vec(0..3_u8, 0..20), 0..2_u64),
    ) {
        let id = |(bytes, millis): &(Vec<u8>, u64)| EntityId::new(bytes, Timestamp::from_millis(*millis));
        let expected = (left.1, &left.0).cmp(&(right.1, &right.0));
        prop_assert_eq!(id(&left).cmp(&id(&right)), expected);
        prop_assert_eq!(id(&left) == id(&right), expected.is_eq());
    }
}
