//! Files to test with.

use std::path::PathBuf;

use diplomatic::event::{Draft, Target};
use diplomatic::standard::export::{self, usual_label};
use diplomatic::standard::{Body, Decode, EntityBody, EntityId, HeadHash, Label, Message, Reader, Seq};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Device, DiplomaticEvent, Position};

use crate::todo::{Event, Todos, added, at, device, seed};

pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.dpl");
    (folder, path)
}

/// A device with every shape of event, things written over, deleted, brought by a host, and of an unknown type.
pub(crate) fn busy_device() -> Device<Todos> {
    let mut device = device();
    let link = device.link_host(&Label::default()).unwrap();
    let milk = device.emit(at(10), &added("milk")).unwrap();
    let bread = device.emit(at(20), &added("bread")).unwrap();
    device.emit(at(30), &Event::Renamed { todo: milk.clone(), title: "oat milk".into() }).unwrap();
    device.emit(at(40), &Event::Renamed { todo: milk.clone(), title: "soy milk".into() }).unwrap();
    device.emit(at(50), &Event::Done { todo: bread.clone(), done: true }).unwrap();
    device.emit(at(60), &Event::Noted { note: milk, text: "two".into() }).unwrap();
    device.emit(at(70), &Event::Status("busy".into())).unwrap();
    device.emit(at(80), &Event::Removed { todo: bread }).unwrap();
    device.emit(at(90), &Event::Status("idle".into())).unwrap();
    let unknown = message(5, 35, "from.the.future", b"\xa3abc");
    let messages = vec![Arrival { seq: Seq::ZERO, message: unknown }];
    device.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
    device
}

/// Returns a message of any type about an entity of a number.
pub(crate) fn message(entity: u64, time: u64, type_name: &str, payload: &[u8]) -> Message {
    let entity = EntityId::new(&entity.to_be_bytes(), at(0));
    let body = Body::new(EntityBody::new(type_name, payload).to_bytes());
    Message::new(entity, at(time), 0, body).unwrap()
}

/// Returns many messages: facts, each an entity, and every tenth a delete of an entity that is not there.
pub(crate) fn messages(count: u64) -> Vec<Message> {
    (0..count)
        .map(|n| {
            if n % 10 == 9 {
                return Message::new(EntityId::new(&n.to_be_bytes(), at(0)), at(n), 0, None).unwrap();
            }
            let Draft::Content { type_name, target: Target::Fresh, payload, .. } =
                added(&format!("todo {n} {}", "x".repeat((n * 7 % 150) as usize))).to_draft().unwrap()
            else {
                unreachable!("a fact is a fresh entity")
            };
            message(n, n, type_name, &payload)
        })
        .collect()
}

pub(crate) fn file(messages: &[Message]) -> Vec<u8> {
    export::write(&seed(), &usual_label(), messages).unwrap()
}

pub(crate) fn hashes<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<HeadHash> {
    let mut positions: Vec<Position> = messages.into_iter().map(|message| Position::of(message.head())).collect();
    positions.sort();
    positions.into_iter().map(|position| position.hash).collect()
}

/// Where the parts of a file stand: its header, index, and bodies.
pub(crate) struct Parts {
    pub(crate) header: usize,
    pub(crate) index_end: usize,
    pub(crate) bodies: usize,
    /// Where each item starts, and each body.
    pub(crate) items: Vec<(usize, std::ops::Range<usize>)>,
}

pub(crate) fn parts(file: &[u8]) -> Parts {
    let mut reader = Reader::new(file);
    let head = export::ExportHead::read(&mut reader).unwrap();
    let header = file.len() - reader.rest().len();
    let index = reader.bytes(head.index_len()).unwrap();
    let index_end = header + index.len();
    let bodies = file.len() - reader.varbytes().unwrap().len();
    let mut reader = Reader::new(index);
    let mut items = Vec::new();
    while !reader.is_empty() {
        let start = index_end - reader.rest().len();
        let item = export::IndexItem::read(&mut reader).unwrap();
        items.push((start, bodies + item.body().start as usize..bodies + item.body().end as usize));
    }
    Parts { header, index_end, bodies, items }
}
