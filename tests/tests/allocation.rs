//! Decoders allocate by the bytes that are there, never by the lengths that these bytes announce.

use std::path::{Path, PathBuf};

use allocation_counter::measure;
use diplomatic::standard::calls::{
    AuthTimestamp, AuthToken, Notification, NotificationItem, PeekItem, PullItem, PullRequest, PushItem, PushRequest,
    ResponseHead,
};
use diplomatic::standard::export::{self, ExportHead, IndexItem};
use diplomatic::standard::{
    Bag, BagHead, Body, Decode, EntityBody, EntityId, Head, Label, Message, SealedBody, Seed, Timestamp,
};

/// How many bytes of memory a byte of input may cost: a seq is one byte on the wire and eight in memory, and a vector
/// that grows holds up to three times that for a moment.
const PER_BYTE: u64 = 32;
/// What any input may cost.
const FLAT: u64 = 1024;

type Decoder = fn(&[u8]);

/// Everything that decodes, of which nothing keeps what it decoded.
fn decoders() -> Vec<(&'static str, Decoder)> {
    fn decode<T: Decode>(data: &[u8]) {
        drop(T::decode(data));
    }
    vec![
        ("EntityId", decode::<EntityId>),
        ("Head", decode::<Head>),
        ("SealedBody", decode::<SealedBody>),
        ("BagHead", decode::<BagHead>),
        ("Bag", decode::<Bag>),
        ("AuthTimestamp", decode::<AuthTimestamp>),
        ("PushRequest", decode::<PushRequest>),
        ("PullRequest", decode::<PullRequest>),
        ("PeekItem", decode::<PeekItem>),
        ("PushItem", decode::<PushItem>),
        ("PullItem", decode::<PullItem>),
        ("NotificationItem", decode::<NotificationItem>),
        ("Notification", decode::<Notification>),
        ("ResponseHead", decode::<ResponseHead>),
        ("ExportHead", decode::<ExportHead>),
        ("IndexItem", decode::<IndexItem>),
        ("EntityBody", |data| drop(EntityBody::decode(data))),
        ("Seed", |data| drop(std::str::from_utf8(data).map(str::parse::<Seed>))),
        ("AuthToken", |data| drop(std::str::from_utf8(data).map(AuthToken::parse))),
        ("export file", |data| drop(export::read(&Seed::from_bytes([1; 32]), data))),
    ]
}

fn assert_bounded(data: &[u8]) {
    for (name, decoder) in decoders() {
        let peak = measure(|| decoder(data)).bytes_max;
        let bound = FLAT + PER_BYTE * data.len() as u64;
        assert!(peak <= bound, "{name} took {peak} bytes of memory for {} bytes of input", data.len());
    }
}

/// Varints that announce from a little to far more than there is.
const LIES: [&[u8]; 5] = [
    &[0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
];

#[test]
fn lengths_that_lie_cost_no_memory() {
    for lie in LIES {
        for before in [0, 1, 8, 32, 64, 72, 96, 100] {
            for byte in [0x00, 0x01, 0x80, 0x91, 0xc6, 0xdd, 0xff] {
                assert_bounded(&[&vec![byte; before], lie, &[byte; 40]].concat());
            }
        }
    }
}

#[test]
fn lists_of_the_smallest_items_cost_a_small_multiple() {
    assert_bounded(&[1; 100_000]);
    assert_bounded(&[0; 100_000]);
    assert_bounded(&[0x91; 100_000]);
}

#[test]
fn corpora_cost_a_small_multiple() {
    let files = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).expect("the corpora stand beside the library");
        entries.map(|entry| entry.expect("a folder can be listed").path()).collect()
    };
    let corpora = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus"));
    assert!(!corpora.is_empty());
    for path in corpora.iter().flat_map(|corpus| files(corpus)) {
        let bytes = std::fs::read(path).expect("a corpus holds files");
        assert_bounded(&bytes);
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 32) {
            for lie in LIES {
                assert_bounded(&[&bytes[..at], lie, &bytes[at..]].concat());
            }
        }
    }
}

#[test]
fn a_file_that_announces_endless_items_costs_what_it_holds() {
    let seed = Seed::from_bytes([1; 32]);
    let now = Timestamp::from_millis(1_764_000_000_000);
    let message = |counter| Message::new(EntityId::new(b"an id...", now), now, counter, Body::new(*b"a body"));
    let messages: Vec<Message> = (0..20).map_while(|counter| message(counter).ok()).collect();
    let file = export::write(&seed, &Label::new("x"), &messages).expect("the label's number is 0");
    // The label takes two bytes, its number one, and the count of items one.
    assert_eq!(file[..4], [1, b'x', 0, 20]);
    for lie in LIES {
        let lying = [&file[..3], lie, &file[4..]].concat();
        let (mut opened, mut refused) = (0, 0);
        let peak = measure(|| {
            for item in export::open(&seed, &lying).expect("nothing vouches for the count") {
                *if item.is_ok() { &mut opened } else { &mut refused } += 1;
            }
        });
        assert_eq!((opened, refused), (20, 1));
        assert!(peak.bytes_max < 4 * FLAT, "{} bytes", peak.bytes_max);
        assert_bounded(&lying);
    }
}

#[test]
fn the_counter_counts() {
    assert!(measure(|| drop(std::hint::black_box(vec![1_u8; 10_000]))).bytes_max >= 10_000);
}
