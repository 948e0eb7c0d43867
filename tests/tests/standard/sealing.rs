//! Bags and export files open for the one seed and label, unchanged, and not otherwise.

use diplomatic::standard::export::{self, ExportError, ExportHead, IndexItem, IndexWriter, ItemError};
use diplomatic::standard::{
    Bag, Body, Decode, Encode, EntityId, HashMismatch, Head, HostKeys, Label, MAX_VARINT, Message, OpenBagError,
    Reader, SealedBody, Seed, Status, Timestamp, VarintTooLarge, write_varint,
};
use proptest::prelude::*;

use crate::structures::{label, message, seed};

fn keys(name: &str) -> HostKeys {
    HostKeys::derive(&Seed::from_bytes([1; 32]), &Label::new(name))
}

/// A note and its deletion.
fn messages() -> [Message; 2] {
    let entity = EntityId::new(b"a note..", Timestamp::from_millis(1_764_000_000_123));
    let note = Message::new(entity.clone(), Timestamp::from_millis(1_764_000_000_999), 1, Body::new(*b"\xa4milk"));
    [note.unwrap(), Message::new(entity, Timestamp::from_millis(1_764_000_001_000), 2, None).unwrap()]
}

/// Every copy of the bytes in which one bit is another.
fn with_one_bit_flipped(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

#[test]
fn a_bag_with_one_bit_flipped_does_not_open() {
    let keys = keys("host");
    for message in messages() {
        let bag = keys.seal(&message);
        assert_eq!(keys.open(&bag).as_ref(), Ok(&message));
        for (bit, flipped) in with_one_bit_flipped(&bag.to_bytes()) {
            if let Ok(flipped) = Bag::decode(&flipped) {
                assert!(keys.open(&flipped).is_err(), "bit {bit}");
            }
        }
    }
}

#[test]
fn a_file_with_one_bit_flipped_does_not_read() {
    let seed = Seed::from_bytes([1; 32]);
    let file = export::write(&seed, &Label::new("x"), &messages()).unwrap();
    for (bit, flipped) in with_one_bit_flipped(&file) {
        assert!(export::read(&seed, &flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn every_prefix_of_a_file_is_an_error() {
    let seed = Seed::from_bytes([1; 32]);
    let file = export::write(&seed, &Label::new("x"), &messages()).unwrap();
    for cut in 0..file.len() {
        assert!(matches!(export::read(&seed, &file[..cut]), Err(ExportError::Decode(error)) if error.is_incomplete()));
    }
    let longer = [&file[..], &[0]].concat();
    assert!(matches!(export::read(&seed, &longer), Err(ExportError::Decode(_))));
}

#[test]
fn bulk_opening_says_which_bag_is_bad() {
    let keys = keys("host");
    let [message, _] = messages();
    let mut heads = vec![keys.seal(&message).head; 600];
    let other = keys.seal(&messages()[1]).head;
    heads[300].signature = other.signature;
    let mut bytes = heads[599].kdm.to_bytes();
    bytes[0] ^= 1;
    heads[599].kdm = Decode::decode(&bytes).unwrap();
    for (place, opened) in keys.open_heads(&heads).into_iter().enumerate() {
        match place {
            300 => assert!(matches!(opened, Err(OpenBagError::InvalidSignature(_)))),
            599 => assert_eq!(opened.unwrap_err(), OpenBagError::DecryptHead),
            _ => assert_eq!(opened.unwrap().head(), message.head()),
        }
    }
}

/// Reads a file as a caller does who holds neither the index nor the bodies in memory.
fn read_in_pieces(seed: &Seed, file: &[u8]) -> Vec<Message> {
    let mut reader = Reader::new(file);
    let head = ExportHead::read(&mut reader).unwrap();
    let index = reader.bytes(head.index_len()).unwrap();
    let bodies = reader.varbytes().unwrap();
    let mut check = head.verify(seed).unwrap();
    index.chunks(7).for_each(|piece| check.update(piece));
    let opener = check.finish().unwrap();
    let mut index = Reader::new(index);
    let items = (0..head.count()).map(|_| {
        let item = IndexItem::read(&mut index).unwrap();
        let body = item.body().start as usize..item.body().end as usize;
        let body = SealedBody::from_bytes(bodies[body].to_vec());
        opener.open_head(&item).unwrap().open_body(&body).unwrap()
    });
    items.collect()
}

/// Writes a file as a caller does who goes over the messages twice.
fn write_in_pieces(seed: &Seed, label: &Label, messages: &[Message]) -> Vec<u8> {
    let mut writer = IndexWriter::new(seed, label).unwrap();
    let mut index = Vec::new();
    for message in messages {
        writer.add(message.head(), &mut index).unwrap();
    }
    let frame = writer.finish();
    let mut file = [frame.before_index, index, frame.before_bodies].concat();
    for message in messages {
        file.extend_from_slice(frame.sealer.seal(message).as_bytes());
    }
    file
}

#[test]
fn a_head_that_announces_another_length_does_not_join_its_body() {
    let [message, _] = messages();
    let mut bytes = message.head().to_bytes();
    let len = bytes.len() - 33;
    assert_eq!(u64::from(bytes[len]), message.head().body_len());
    bytes[len] += 1;
    let body = Body::new(message.body().unwrap());
    assert_eq!(Message::join(Decode::decode(&bytes).unwrap(), body), Err(HashMismatch));
}

/// A head that announces a body of this length, and nothing behind it.
fn head_of_body(len: u64) -> Head {
    let mut bytes = vec![2, 0, 0, 0, 0];
    write_varint(&mut bytes, len).unwrap();
    bytes.extend_from_slice(&[7; 32]);
    Head::decode(&bytes).unwrap()
}

#[test]
fn a_body_outside_of_the_file_is_out_of_bounds_and_hides_no_other() {
    let seed = Seed::from_bytes([1; 32]);
    let [note, delete] = messages();
    let mut writer = IndexWriter::new(&seed, &Label::new("x")).unwrap();
    let mut index = Vec::new();
    writer.add(note.head(), &mut index).unwrap();
    writer.add(&head_of_body(1 << 50), &mut index).unwrap();
    writer.add(delete.head(), &mut index).unwrap();
    let frame = writer.finish();
    let body = frame.sealer.seal(&note);
    let mut file = [frame.before_index, index].concat();
    body.encode(&mut file);

    let items: Vec<_> = export::open(&seed, &file).unwrap().collect();
    assert_eq!(items[0].as_ref(), Ok(&note));
    assert_eq!(items[1].as_ref().unwrap_err().status(), Status::OUT_OF_BOUNDS);
    assert_eq!(items[2].as_ref(), Ok(&delete));
    let error = export::read(&seed, &file).unwrap_err();
    assert!(matches!(error, ExportError::Item { place: 1, source: ItemError::BodyOutOfBounds { .. } }), "{error}");
}

#[test]
fn what_no_file_can_hold_is_refused_and_leaves_the_writer_as_it_was() {
    let seed = Seed::from_bytes([1; 32]);
    let label = Label::with_index("x", MAX_VARINT + 1);
    assert_eq!(IndexWriter::new(&seed, &label).unwrap_err(), VarintTooLarge(MAX_VARINT + 1));

    let mut writer = IndexWriter::new(&seed, &Label::new("x")).unwrap();
    let mut index = Vec::new();
    assert!(writer.add(&head_of_body(MAX_VARINT), &mut index).is_err());
    assert!(index.is_empty());
    let frame = writer.finish();
    assert_eq!(export::read(&seed, &[frame.before_index, frame.before_bodies].concat()), Ok(vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_for_the_same_seed_and_label_alone(
        message in message(),
        seeds in [seed(), seed()],
        labels in [label(), label()],
    ) {
        prop_assume!(labels[0] != labels[1]);
        let [own, other_seed] = seeds.each_ref().map(|seed| HostKeys::derive(seed, &labels[0]));
        let other_label = HostKeys::derive(&seeds[0], &labels[1]);
        let bag = own.seal(&message);
        prop_assert_eq!(Bag::decode(&bag.to_bytes()), Ok(bag.clone()));
        prop_assert_eq!(own.open(&bag), Ok(message));
        for stranger in [other_seed, other_label] {
            prop_assert!(matches!(stranger.open(&bag), Err(OpenBagError::InvalidSignature(_))));
        }
    }

    /// The safety of deterministic sealing: a nonce never serves two plaintexts under one key, not even those of one message.
    #[test]
    fn a_nonce_serves_one_plaintext_alone(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 2)) {
        let keys = keys("host");
        let entity = EntityId::new(b"an entity", Timestamp::from_millis(5));
        let sealed = bodies.iter().enumerate().map(|(ctr, body)| {
            let message = Message::new(entity.clone(), Timestamp::from_millis(9), ctr as u64, Body::new(body.clone()));
            keys.seal(&message.unwrap())
        });
        let sealed: Vec<Bag> = sealed.collect();
        let nonces: std::collections::BTreeSet<_> =
            sealed.iter().flat_map(|bag| [&bag.head.head.as_bytes()[..24], &bag.body.as_bytes()[..24]]).collect();
        prop_assert_eq!(nonces.len(), 4);
    }

    #[test]
    fn every_device_seals_a_message_to_the_same_bag(message in message(), seed in seed(), label in label()) {
        let bag = HostKeys::derive(&seed, &label).seal(&message);
        prop_assert_eq!(HostKeys::derive(&seed, &label).seal(&message), bag);
    }

    #[test]
    fn bodies_do_not_pass_for_one_another(messages in [message(), message()]) {
        prop_assume!(messages[0] != messages[1]);
        let keys = keys("host");
        let [first, second] = messages.map(|message| keys.seal(&message));
        prop_assume!(first.body != second.body);
        let mixed = Bag { head: first.head, body: second.body };
        prop_assert!(keys.open(&mixed).is_err());
    }

    #[test]
    fn files_read_back_in_one_go_and_in_pieces(
        messages in prop::collection::vec(message(), 0..6),
        seeds in [seed(), seed()],
        label in label(),
    ) {
        prop_assume!(seeds[0].expose_bytes() != seeds[1].expose_bytes());
        let [seed, stranger] = seeds;
        for file in [
            export::write(&seed, &label, &messages).unwrap(),
            write_in_pieces(&seed, &label, &messages),
        ] {
            prop_assert_eq!(export::read(&seed, &file).unwrap(), messages.clone());
            prop_assert_eq!(read_in_pieces(&seed, &file), messages.clone());
            prop_assert!(matches!(export::read(&stranger, &file), Err(ExportError::InvalidSignature(_))));
        }
    }
}
