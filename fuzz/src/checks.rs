//! What must hold of any bytes, one check a family of decoders.
//!
//! The fuzz targets call these, and so does an ordinary test of the library, on the corpora.

use std::fmt::Debug;

use diplomatic::standard::calls::{
    AuthTimestamp, AuthToken, Notification, NotificationItem, PeekItem, PeekRequest, PullItem, PullRequest, PushItem,
    PushRequest, Quota, ResponseHead, UserRequest,
};
use diplomatic::standard::export::{self, ExportHead, IndexItem};
use diplomatic::standard::{
    Bag, BagHead, Decode, Encode, EntityBody, EntityId, Head, HostKeys, Kdm, Label, PublicKey, Reader, SealedBody,
    SealedHead, Seed, Seq, Signature, Timestamp, write_varint,
};

/// A check of any bytes; it panics when they break a promise.
pub type Check = fn(&[u8]);

/// Every check by the name of its fuzz target, which is also that of its corpus.
pub const CHECKS: [(&str, Check); 8] = [
    ("primitives", primitives),
    ("heads", heads),
    ("bags", bags),
    ("requests", requests),
    ("responses", responses),
    ("export_files", export_files),
    ("entity_bodies", entity_bodies),
    ("texts", texts),
];

/// Checks a structure: what decodes encodes to the same bytes, or to fewer where a number was longer than needed, and
/// these decode to the same value.
pub fn structure<T: Decode + Encode + PartialEq + Debug>(data: &[u8]) {
    let mut reader = Reader::new(data);
    let value = match T::read(&mut reader) {
        Ok(value) => value,
        Err(error) => {
            assert!(error.status().name().is_some() && !error.to_string().is_empty());
            assert!(T::decode(data).is_err());
            // Who reads from a stream stops at such an error, rightly only if no more bytes would have mended it.
            if !error.is_incomplete() {
                assert_eq!(T::read(&mut Reader::new(&[data, &[0; 16]].concat())), Err(error));
            }
            return;
        }
    };
    let taken = &data[..data.len() - reader.rest().len()];
    assert_eq!(T::decode(data).is_ok(), taken.len() == data.len());
    let encoded = value.to_bytes();
    assert!(encoded.len() < taken.len() || encoded == taken, "{value:?} grew from {taken:02x?} to {encoded:02x?}");
    assert_eq!(T::decode(&encoded).as_ref(), Ok(&value));
}

/// Numbers, byte strings, and what is made of few of them.
pub fn primitives(data: &[u8]) {
    if let Ok(number) = Reader::new(data).varint() {
        let mut out = Vec::new();
        write_varint(&mut out, number).expect("what was read can be written");
        assert_eq!(Reader::new(&out).varint(), Ok(number));
    }
    if let Ok(text) = Reader::new(data).varstring() {
        assert_eq!(Reader::new(data).varbytes(), Ok(text.as_bytes()));
    }
    structure::<Seq>(data);
    structure::<Timestamp>(data);
    structure::<Kdm>(data);
    structure::<PublicKey>(data);
    structure::<Signature>(data);
    structure::<SealedHead>(data);
    structure::<SealedBody>(data);
}

/// Entity ids and message heads.
pub fn heads(data: &[u8]) {
    structure::<EntityId>(data);
    structure::<Head>(data);
    if let Ok(entity) = EntityId::decode(data) {
        assert_eq!(entity.to_string().parse(), Ok(entity.clone()));
        if let Some(name) = entity.singleton_type() {
            assert!(EntityId::singleton(name).to_bytes().len() <= data.len());
        }
    }
    if let Ok(head) = Head::decode(data) {
        assert_eq!(head.as_bytes(), data);
        assert_eq!(head.is_delete(), head.body_hash().is_none());
        assert!(head.changed() >= head.entity().created());
    }
}

/// Bags; a stranger's do not open.
pub fn bags(data: &[u8]) {
    structure::<BagHead>(data);
    structure::<Bag>(data);
    if let Ok(bag) = Bag::decode(data) {
        let keys = HostKeys::derive(&Seed::from_bytes([7; 32]), &Label::default());
        assert!(keys.open(&bag).is_err());
        assert!(bag.verify(keys.public_key()).is_err());
    }
}

/// What clients send.
pub fn requests(data: &[u8]) {
    structure::<AuthTimestamp>(data);
    structure::<UserRequest>(data);
    structure::<PeekRequest>(data);
    structure::<PushRequest>(data);
    structure::<PullRequest>(data);
    if let Ok(auth) = AuthTimestamp::decode(data) {
        assert_eq!(AuthToken::parse(&AuthToken::new(auth.clone()).to_string()), Some(AuthToken::new(auth.clone())));
        let _ = auth.verify(auth.time);
    }
}

/// What hosts send.
pub fn responses(data: &[u8]) {
    structure::<Quota>(data);
    structure::<ResponseHead>(data);
    structure::<PeekItem>(data);
    structure::<PushItem>(data);
    structure::<PullItem>(data);
    structure::<NotificationItem>(data);
    structure::<Notification>(data);
}

/// Export files, under the seed of the recorded ones, which the corpus starts from.
pub fn export_files(data: &[u8]) {
    structure::<ExportHead>(data);
    structure::<IndexItem>(data);
    let seed: Seed = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".parse().expect("64 hex digits");
    let read = export::read(&seed, data);
    match export::open(&seed, data) {
        Ok(items) => {
            let items: Vec<_> = items.collect();
            assert_eq!(read.is_ok(), items.iter().all(Result::is_ok));
        }
        Err(error) => assert_eq!(read, Err(error)),
    }
}

/// Entity bodies.
pub fn entity_bodies(data: &[u8]) {
    if let Ok(body) = EntityBody::decode(data) {
        let encoded = body.to_bytes();
        assert_eq!(EntityBody::decode(&encoded), Ok(body));
    }
}

/// What people and addresses hold as text: seeds, entity ids, auth tokens.
pub fn texts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Seed>() {
        Ok(seed) => assert_eq!(*seed.expose_hex(), text.to_lowercase()),
        Err(error) => assert!(error.to_string().len() < 100),
    }
    if let Ok(entity) = text.parse::<EntityId>() {
        assert_eq!(entity.to_string().parse(), Ok(entity));
    }
    if let Some(token) = AuthToken::parse(&text) {
        assert_eq!(AuthToken::parse(&token.to_string()), Some(token));
    }
}
