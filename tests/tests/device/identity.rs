//! What an event is about, and what hangs on what.

use std::collections::{BTreeMap, BTreeSet};

use diplomatic::event::Draft;
use diplomatic::raw::{Raw, RawEvent};
use diplomatic::standard::{Body, EntityBody, EntityId, Label, Message};
use diplomatic::{Backing, Device, DeviceConfig, DiplomaticEvent, EmitError, Meta, Position, Reducer};
use proptest::prelude::*;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::fold::receive;
use crate::todo::{at, seed};

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "board")]
enum Event {
    #[diplomatic(entity = "list")]
    Listed { list: EntityId, name: String },
    /// The list is the parent, and not part of the key.
    #[diplomatic(overwrites = "item", pid = "list")]
    Placed { item: String, list: Option<EntityId> },
    #[diplomatic(deletes = "list")]
    Dropped { list: EntityId },
}

/// Lists, and where each item is. What is placed in a list that is gone goes with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Board {
    lists: BTreeMap<EntityId, String>,
    places: BTreeMap<String, Option<EntityId>>,
}

impl Reducer for Board {
    type Event = Event;

    fn apply(&mut self, event: Event, _: &Meta) {
        match event {
            Event::Listed { list, name } => drop(self.lists.insert(list, name)),
            Event::Placed { item, list } => drop(self.places.insert(item, list)),
            Event::Dropped { list } => {
                self.lists.remove(&list);
                self.places.retain(|_, place| place.as_ref() != Some(&list));
            }
        }
    }
}

fn open<R: Reducer>(backing: &Backing) -> Device<R> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = 2;
    Device::open_with(backing.clone(), &seed(), rand::make_rng::<StdRng>(), config).unwrap()
}

fn board() -> Device<Board> {
    open(&Backing::memory())
}

fn list(number: u8) -> EntityId {
    EntityId::new(&[number; 8], at(0))
}

fn listed(number: u8) -> Event {
    Event::Listed { list: list(number), name: format!("list {number}") }
}

fn placed(item: u8, place: Option<u8>) -> Event {
    Event::Placed { item: format!("item {item}"), list: place.map(list) }
}

fn dropped(number: u8) -> Event {
    Event::Dropped { list: list(number) }
}

fn messages<R: Reducer>(device: &Device<R>) -> Vec<Message> {
    let mut messages = Vec::new();
    device.each_message(|message| messages.push(message.clone())).unwrap();
    messages
}

fn merge<R: Reducer>(device: &mut Device<R>, messages: &[Message]) {
    let link = device.link_host(&Label::default()).unwrap();
    receive(device, link, messages);
}

#[test]
fn the_delete_of_a_list_takes_what_is_in_it_now_and_not_what_was_in_it() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut phone = board();
        phone.emit_all(at(1), &[listed(1), listed(2), placed(7, Some(1))]).unwrap();
        phone.emit(at(2), &placed(7, Some(2))).unwrap();
        let sent = messages(&phone);
        let mut laptop = board();
        for index in order {
            merge(&mut laptop, &sent[index..=index]);
        }
        laptop.emit(at(3), &dropped(1)).unwrap();
        assert_eq!(laptop.read(|board| board.places.clone()), [("item 7".to_owned(), Some(list(2)))].into());
        assert_eq!(messages(&laptop).len(), 5, "the placement is not in the list that went");
        laptop.emit(at(4), &dropped(2)).unwrap();
        assert!(laptop.read(|board| board.places.is_empty()));
        assert_eq!(messages(&laptop).len(), 7, "the list went, and the placement with it");
        merge(&mut phone, &messages(&laptop));
        assert_eq!(phone.read(Clone::clone), laptop.read(Clone::clone));
    }
}

#[test]
fn a_placement_that_comes_back_elsewhere_is_there_alone() {
    let mut device = board();
    device.emit_all(at(1), &[listed(1), listed(2), placed(7, Some(1)), dropped(1)]).unwrap();
    device.emit_all(at(2), &[placed(7, Some(2)), listed(1)]).unwrap();
    device.emit(at(3), &dropped(1)).unwrap();
    assert_eq!(device.read(|board| board.places.len()), 1);
    device.emit(at(4), &placed(7, None)).unwrap();
    device.emit(at(5), &dropped(2)).unwrap();
    assert_eq!(device.read(|board| board.places.clone()), [("item 7".to_owned(), None)].into());
}

#[derive(Debug, Clone)]
enum Act {
    List(u8),
    Place(u8, Option<u8>),
    Drop(u8),
    Sync(usize),
}

fn act() -> impl Strategy<Value = (usize, Act)> {
    let act = prop_oneof![
        2 => (0..3_u8).prop_map(Act::List),
        6 => (0..2_u8, prop_oneof![4 => (0..3_u8).prop_map(Some), 1 => Just(None)])
            .prop_map(|(item, list)| Act::Place(item, list)),
        2 => (0..3_u8).prop_map(Act::Drop),
        3 => (0..3_usize).prop_map(Act::Sync),
    ];
    (0..3_usize, act)
}

/// What the delete of each list would take along.
fn taken(device: &Device<Board>) -> Vec<BTreeSet<String>> {
    (0..3)
        .map(|number| {
            let mut copy = board();
            // In an order of its own.
            let mut all = messages(device);
            all.reverse();
            merge(&mut copy, &all);
            copy.emit(at(10_000), &dropped(number)).unwrap();
            let old: BTreeSet<_> = all.iter().map(|message| message.head().hash()).collect();
            let new = messages(&copy).into_iter().filter(|message| !old.contains(&message.head().hash()));
            new.map(|message| message.head().entity().to_string()).collect()
        })
        .collect()
}

/// The same by the messages alone.
fn expected(messages: &[Message]) -> Vec<BTreeSet<String>> {
    let mut winners: BTreeMap<EntityId, &Message> = BTreeMap::new();
    for message in messages {
        let winner = winners.entry(message.head().entity().clone()).or_insert(message);
        if Position::of(winner.head()) < Position::of(message.head()) {
            *winner = message;
        }
    }
    let hangs_on = |message: &Message, parent: &EntityId| {
        message.head().entity().is_derived()
            && message.body().is_some_and(|body| EntityBody::decode(body).unwrap().parent.as_ref() == Some(parent))
    };
    (0..3)
        .map(|number| {
            let attached = winners.values().filter(|message| hangs_on(message, &list(number)));
            attached.map(|message| message.head().entity().to_string()).chain([list(number).to_string()]).collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_current_parent_counts_on_every_device_in_every_order(
        acts in proptest::collection::vec(act(), 1..25),
        orders in proptest::collection::vec(any::<u64>(), 3),
    ) {
        let mut devices = [board(), board(), board()];
        for (step, (number, act)) in acts.into_iter().enumerate() {
            let event = match act {
                Act::List(number) => listed(number),
                Act::Place(item, place) => placed(item, place),
                Act::Drop(number) => dropped(number),
                Act::Sync(other) => {
                    let sent = messages(&devices[other]);
                    merge(&mut devices[number], &sent);
                    continue;
                }
            };
            devices[number].emit(at(step as u64 / 3), &event).unwrap();
        }
        let all: Vec<Message> = devices.iter().flat_map(messages).collect();
        for (device, order) in devices.iter_mut().zip(orders) {
            let mut shuffled = all.clone();
            shuffled.sort_by_key(|message| *blake3::hash(&[message.head().as_bytes(), &order.to_be_bytes()].concat()).as_bytes());
            for batch in shuffled.chunks(1 + order as usize % 3) {
                merge(device, batch);
            }
        }
        let states: Vec<Board> = devices.iter().map(|device| device.read(Clone::clone)).collect();
        prop_assert_eq!(&states[0], &states[1]);
        prop_assert_eq!(&states[0], &states[2]);
        for device in &mut devices {
            prop_assert_eq!(taken(device), expected(&all));
            // Also by the index that grew on the device itself, not on a copy.
            for number in 0..3 {
                let before = messages(device);
                device.emit(at(20_000), &dropped(number)).unwrap();
                let old: BTreeSet<_> = before.iter().map(|message| message.head().hash()).collect();
                let new = messages(device).into_iter().filter(|message| !old.contains(&message.head().hash()));
                let new: BTreeSet<_> = new.map(|message| message.head().entity().to_string()).collect();
                prop_assert_eq!(&new, &expected(&before)[usize::from(number)]);
            }
        }
    }
}

#[test]
fn a_tool_without_types_deletes_by_the_current_parent_too() {
    let mut phone = board();
    phone.emit_all(at(1), &[listed(1), listed(2), placed(7, Some(1)), placed(7, Some(2))]).unwrap();
    let mut tool = open::<Raw>(&Backing::memory());
    merge(&mut tool, &messages(&phone));
    tool.emit(at(2), &RawEvent::Deleted { entity: list(1) }).unwrap();
    assert_eq!(messages(&tool).len(), 5);
    tool.emit(at(3), &RawEvent::Deleted { entity: list(2) }).unwrap();
    assert_eq!(messages(&tool).len(), 7);
}

/// Ids that look as if they were derived.
fn derived_looks() -> [EntityId; 2] {
    let epoch = diplomatic::Timestamp::EPOCH;
    [EntityId::new(&[0x5a; 16], epoch), EntityId::new(b"\x08imported", epoch)]
}

#[test]
fn entities_with_ids_that_look_derived_are_refused_with_what_to_do_instead() {
    for id in derived_looks() {
        let mut device = board();
        for event in [Event::Listed { list: id.clone(), name: "x".into() }, Event::Dropped { list: id.clone() }] {
            let error = device.emit(at(1), &event).unwrap_err();
            assert!(matches!(&error, EmitError::DerivedEntity { entity } if *entity == id));
            assert!(error.to_string().contains("EntityId::from_uuid"), "{error}");
        }
        assert!(messages(&device).is_empty());
    }
    let uuid = *b"\x01\x8f\x2f\x5c\x9a\x4b\x7c\x3e\x8d\x21\x5b\x6a\x0f\x9e\x3c\x77";
    let (list, mut device) = (EntityId::from_uuid(uuid), board());
    assert_eq!(list, EntityId::from_uuid(uuid), "every device names it the same");
    device.emit(at(1), &Event::Listed { list: list.clone(), name: "imported".into() }).unwrap();
    assert_eq!(device.read(|board| board.lists[&list].clone()), "imported");
    device.emit(at(2), &Event::Dropped { list }).unwrap();
    assert!(device.read(|board| board.lists.is_empty()));
}

#[test]
fn what_another_client_wrote_under_such_an_id_is_there_and_can_be_changed_and_deleted() {
    let [id, singleton_like] = derived_looks();
    let Draft::Content { type_name, payload, .. } =
        (Event::Listed { list: id.clone(), name: "theirs".into() }).to_draft().unwrap()
    else {
        panic!("a list has content")
    };
    let body = EntityBody::new(type_name, &payload).to_bytes();
    let theirs = |entity: &EntityId, millis, body: Option<Vec<u8>>| {
        Message::new(entity.clone(), at(millis), 0, body.and_then(Body::new)).unwrap()
    };
    let mut device = board();
    merge(&mut device, &[theirs(&id, 1, Some(body.clone()))]);
    assert_eq!(device.read(|board| board.lists[&id].clone()), "theirs");
    device.emit(at(2), &Event::Listed { list: id.clone(), name: "ours".into() }).unwrap();
    assert_eq!(device.read(|board| board.lists[&id].clone()), "ours");
    device.emit(at(3), &Event::Dropped { list: id.clone() }).unwrap();
    assert!(device.read(|board| board.lists.is_empty()));

    // Theirs come and go, too.
    merge(&mut device, &[theirs(&id, 4, Some(body.clone()))]);
    assert_eq!(device.read(|board| board.lists.len()), 1);
    merge(&mut device, &[theirs(&id, 5, None)]);
    assert!(device.read(|board| board.lists.is_empty()));

    // Under the name of a singleton it is the value of a type that nobody knows, and is reported.
    merge(&mut device, &[theirs(&singleton_like, 6, Some(body))]);
    assert_eq!(device.unread().unknown().collect::<Vec<_>>(), [("imported", 1)]);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ItemId(EntityId);

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
enum Keyed {
    Added,
    #[diplomatic(overwrites = "item")]
    Optional {
        item: Option<EntityId>,
    },
    #[diplomatic(overwrites = "item")]
    Boxed {
        item: Box<EntityId>,
    },
    #[diplomatic(overwrites = "item")]
    Named {
        item: ItemId,
    },
    #[diplomatic(overwrites = "0")]
    Nested(Option<Box<ItemId>>),
    #[diplomatic(overwrites = "item")]
    With {
        #[serde(with = "as_it_is")]
        item: EntityId,
    },
    #[diplomatic(deletes = "item")]
    Removed {
        item: EntityId,
    },
}

mod as_it_is {
    use diplomatic::EntityId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &EntityId, serializer: S) -> Result<S::Ok, S::Error> {
        id.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EntityId, D::Error> {
        EntityId::deserialize(deserializer)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Count;

impl Reducer for Count {
    type Event = Keyed;

    fn apply(&mut self, _: Keyed, _: &Meta) {}
}

#[test]
fn a_register_hangs_on_its_key_whatever_type_holds_the_id() {
    let mut device = open::<Count>(&Backing::memory());
    let item = device.emit(at(1), &Keyed::Added).unwrap();
    let registers = [
        Keyed::Optional { item: Some(item.clone()) },
        Keyed::Boxed { item: Box::new(item.clone()) },
        Keyed::Named { item: ItemId(item.clone()) },
        Keyed::Nested(Some(Box::new(ItemId(item.clone())))),
        Keyed::With { item: item.clone() },
    ];
    for register in &registers {
        let Draft::Content { parent, .. } = register.to_draft().unwrap() else { panic!("a register has content") };
        assert_eq!(parent.as_ref(), Some(&item), "{register:?}");
    }
    device.emit_all(at(2), &registers).unwrap();
    device.emit(at(3), &Keyed::Optional { item: None }).unwrap();
    device.emit(at(4), &Keyed::Removed { item }).unwrap();
    let deletes = messages(&device).iter().filter(|message| message.head().is_delete()).count();
    assert_eq!(deletes, 1 + registers.len());
}
