use diplomatic::standard::export::{self, ExportError, ExportHead, IndexItem};
use diplomatic::standard::{Body, Decode, Encode, Head, Message, Reader, write_varint};
use serde_json::Value;

use crate::{Fields, assert_message, from_hex, to_hex, vectors};

/// A file taken apart by its layout, without opening it.
struct Parts {
    head: ExportHead,
    items: Vec<IndexItem>,
    bodies: Vec<u8>,
}

impl Parts {
    fn decode(file: &[u8]) -> Self {
        let mut reader = Reader::new(file);
        let head = ExportHead::read(&mut reader).unwrap();
        let mut index = Reader::new(reader.bytes(head.index_len()).unwrap());
        let mut items = Vec::new();
        while !index.is_empty() {
            items.push(IndexItem::read(&mut index).unwrap());
        }
        let bodies = reader.varbytes().unwrap().to_vec();
        reader.finish().unwrap();
        assert_eq!(head.count(), items.len() as u64);
        Self { head, items, bodies }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = self.head.to_bytes();
        self.items.iter().for_each(|item| item.encode(&mut out));
        write_varint(&mut out, self.bodies.len() as u64).unwrap();
        out.extend_from_slice(&self.bodies);
        out
    }
}

fn recorded_messages(case: &Value) -> Vec<Message> {
    let (heads, bodies) = (case["heads"].as_array().unwrap(), case["bodies"].as_array().unwrap());
    assert_eq!(heads.len(), bodies.len());
    let bytes = |value: &Value| value.as_str().map(from_hex).unwrap_or_default();
    heads
        .iter()
        .zip(bodies)
        .map(|(head, body)| Message::join(Head::decode(&bytes(head)).unwrap(), Body::new(bytes(body))).unwrap())
        .collect()
}

#[test]
fn files_open_to_the_recorded_messages() {
    for case in vectors("dpl_file").cases("files") {
        let messages = export::read(&case.seed(), &case.bytes("file")).unwrap();
        let recorded = recorded_messages(case);
        assert_eq!(messages.len(), recorded.len());
        for (message, recorded) in messages.iter().zip(&recorded) {
            assert_message(message, recorded.head().as_bytes(), recorded.body());
        }
    }
}

#[test]
fn files_have_the_layout_that_we_write() {
    for case in vectors("dpl_file").cases("files") {
        let parts = Parts::decode(&case.bytes("file"));
        assert_eq!(parts.head.label(), &case.label());
        assert_eq!(to_hex(&parts.encode()), case.text("file"));
    }
}

#[test]
fn messages_are_written_to_files_like_the_recorded_ones() {
    for case in vectors("dpl_file").cases("files") {
        let messages = recorded_messages(case);
        let file = export::write(&case.seed(), &case.label(), &messages).unwrap();
        // Nonces are the writer's choice, and hash and signature depend on them; all else is fixed.
        assert_eq!(file.len(), case.bytes("file").len());
        assert_eq!(export::read(&case.seed(), &file).unwrap(), messages);
    }
}

#[test]
fn damaged_files_are_refused_with_the_recorded_status() {
    for case in vectors("dpl_file").cases("reject") {
        let refused = export::read(&case.seed(), &case.bytes("file")).map_err(ExportError::status);
        assert_eq!(refused, Err(case.status()), "{}", case.text("what"));
    }
}

#[test]
fn a_damaged_item_does_not_hide_the_others() {
    let vectors = vectors("dpl_file");
    let case = vectors.cases("reject").iter().find(|case| case.text("what") == "last body byte flipped").unwrap();
    let intact = recorded_messages(&vectors.cases("files")[0]);
    let file = case.bytes("file");
    let items: Vec<_> = export::open(&case.seed(), &file).unwrap().collect();
    assert_eq!(items.len(), intact.len());
    let (damaged, others) = items.split_last().unwrap();
    assert_eq!(damaged.as_ref().unwrap_err().status(), case.status());
    for (item, intact) in others.iter().zip(&intact) {
        assert_eq!(item.as_ref(), Ok(intact));
    }
}
