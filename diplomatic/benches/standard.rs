//! What sealing, opening and decoding cost.
//!
//! `cargo bench -p diplomatic --no-default-features --features engine --bench standard`

#![allow(clippy::unwrap_used, reason = "a benchmark that panics says where")]

use diplomatic::standard::calls::{Notification, NotificationItem};
use diplomatic::standard::{
    Bag, BagHead, Body, Decode, Encode, EntityBody, EntityId, Head, HostKeys, Label, Message, Seed, Seq, Timestamp,
    export,
};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn main() {
    divan::main();
}

fn keys() -> HostKeys {
    HostKeys::derive(&seed(), &Label::default())
}

fn seed() -> Seed {
    Seed::from_bytes([7; 32])
}

/// A message with a body of 100 bytes.
fn message(counter: u64) -> Message {
    let entity = EntityId::fresh(&mut StdRng::seed_from_u64(counter), Timestamp::from_millis(1_764_000_000_123));
    let body = EntityBody::new("todo.added", &[&[0xc4, 76][..], &[1; 76]].concat()).to_bytes();
    assert_eq!(body.len(), 100);
    Message::new(entity, Timestamp::from_millis(1_764_000_086_400), counter, Body::new(body)).unwrap()
}

fn bags(count: u64) -> Vec<Bag> {
    let keys = keys();
    (0..count).map(|counter| keys.seal(&message(counter))).collect()
}

#[divan::bench]
fn derive_host_keys(bencher: Bencher<'_, '_>) {
    let (seed, label) = (seed(), Label::default());
    bencher.bench(|| HostKeys::derive(black_box(&seed), black_box(&label)));
}

#[divan::bench]
fn make_message(bencher: Bencher<'_, '_>) {
    let message = message(1);
    let body = Body::new(message.body().unwrap()).unwrap();
    let changed = message.head().changed();
    bencher
        .with_inputs(|| (message.head().entity().clone(), body.clone()))
        .bench_values(|(entity, body)| Message::new(entity, changed, 1, Some(body)));
}

#[divan::bench]
fn seal(bencher: Bencher<'_, '_>) {
    let (keys, message) = (keys(), message(1));
    bencher.bench_local(|| keys.seal(black_box(&message)));
}

#[divan::bench]
fn open_singly(bencher: Bencher<'_, '_>) {
    let (keys, bags) = (keys(), bags(1));
    bencher.bench(|| keys.open(black_box(&bags[0])).unwrap());
}

/// Heads with their signatures, then bodies.
#[divan::bench(args = [10, 100, 1000])]
fn open_in_bulk(bencher: Bencher<'_, '_>, count: u64) {
    let (keys, bags) = (keys(), bags(count));
    bencher.counter(ItemsCount::new(count)).bench(|| {
        let heads = keys.open_heads(bags.iter().map(|bag| &bag.head));
        let messages = heads.into_iter().zip(&bags).map(|(head, bag)| head.unwrap().open_body(&bag.body).unwrap());
        messages.map(|message| message.head().counter()).sum::<u64>()
    });
}

#[divan::bench]
fn authenticate(bencher: Bencher<'_, '_>) {
    let keys = keys();
    bencher.bench(|| keys.authenticate(black_box(Timestamp::from_millis(1_764_000_000_123))));
}

#[divan::bench]
fn decode_head(bencher: Bencher<'_, '_>) {
    let bytes = message(1).head().to_bytes();
    bencher.bench(|| Head::decode(black_box(&bytes)).unwrap());
}

#[divan::bench]
fn decode_bag(bencher: Bencher<'_, '_>) {
    let bytes = bags(1)[0].to_bytes();
    bencher.bench(|| Bag::decode(black_box(&bytes)).unwrap());
}

#[divan::bench]
fn decode_bag_head(bencher: Bencher<'_, '_>) {
    let bytes = bags(1)[0].head.to_bytes();
    bencher.bench(|| BagHead::decode(black_box(&bytes)).unwrap());
}

#[divan::bench]
fn decode_notification(bencher: Bencher<'_, '_>) {
    let Bag { head, body } = bags(1).remove(0);
    let item = NotificationItem { seq: Seq::ZERO.next(), head, inlined: body };
    let bytes = Notification { items: vec![item] }.to_bytes();
    bencher.bench(|| Notification::decode(black_box(&bytes)).unwrap());
}

#[divan::bench]
fn decode_entity_body(bencher: Bencher<'_, '_>) {
    let message = message(1);
    let bytes = message.body().unwrap();
    bencher.bench(|| EntityBody::decode(black_box(bytes)).unwrap());
}

/// A payload of twenty fields, to be stepped over.
#[divan::bench]
fn decode_entity_body_of_many_fields(bencher: Bencher<'_, '_>) {
    let mut payload = vec![0xde, 0, 20];
    (0..20).for_each(|_| payload.extend_from_slice(b"\xa6field1\xce\x01\x02\x03\x04"));
    let bytes = EntityBody::new("todo.added", &payload).to_bytes();
    bencher.bench(|| EntityBody::decode(black_box(&bytes)).unwrap());
}

#[divan::bench]
fn encode_entity_body(bencher: Bencher<'_, '_>) {
    let message = message(1);
    let body = EntityBody::decode(message.body().unwrap()).unwrap();
    bencher.bench(|| black_box(&body).to_bytes());
}

#[divan::bench(args = [1000])]
fn write_export(bencher: Bencher<'_, '_>, count: u64) {
    let (seed, label) = (seed(), export::usual_label());
    let messages: Vec<_> = (0..count).map(message).collect();
    bencher.counter(ItemsCount::new(count)).bench_local(|| export::write(&seed, &label, black_box(&messages)).unwrap());
}

#[divan::bench(args = [1000])]
fn read_export(bencher: Bencher<'_, '_>, count: u64) {
    let (seed, label) = (seed(), export::usual_label());
    let messages: Vec<_> = (0..count).map(message).collect();
    let file = export::write(&seed, &label, &messages).unwrap();
    bencher.counter(ItemsCount::new(count)).bench(|| export::read(&seed, black_box(&file)).unwrap());
}
