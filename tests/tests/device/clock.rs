//! What is emitted sorts after what it refers to, however wrong the clocks of other devices are.

use std::collections::BTreeMap;
use std::time::Duration;

use diplomatic::event::Target;
use diplomatic::raw::{Raw, RawEvent};
use diplomatic::standard::{EntityId, Label, Message, Timestamp};
use diplomatic::{Backing, Device, DeviceConfig, DiplomaticEvent, EmitError, Meta, Position, Reducer};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::fold::receive;
use crate::todo::seed;

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "plan")]
enum Event {
    Added {
        title: String,
    },
    #[diplomatic(overwrites = "item")]
    Renamed {
        item: EntityId,
        title: String,
    },
    /// The item is no parent, but part of the key.
    #[diplomatic(overwrites("item", "person"))]
    Assigned {
        item: EntityId,
        person: String,
    },
    #[diplomatic(pid = "item")]
    Commented {
        item: EntityId,
    },
    #[diplomatic(gid = "thread")]
    Mentioned {
        thread: String,
    },
    Linked {
        items: Vec<(u8, Option<EntityId>)>,
    },
    #[diplomatic(entity = "note", pid = "item")]
    Noted {
        note: EntityId,
        item: EntityId,
    },
    #[diplomatic(singleton)]
    Selected(EntityId),
    #[diplomatic(deletes = "item")]
    Removed {
        item: EntityId,
    },
}

/// The titles of the items that are there. The other events leave no trace: where they sort is what is tested.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Plan {
    titles: BTreeMap<EntityId, String>,
}

impl Reducer for Plan {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        match event {
            Event::Added { title } => drop(self.titles.insert(at.entity.clone(), title)),
            Event::Renamed { item, title } => {
                if let Some(old) = self.titles.get_mut(&item) {
                    *old = title;
                }
            }
            Event::Removed { item } => drop(self.titles.remove(&item)),
            _ => {}
        }
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);
/// 2038-01-19, when clocks of 32 bits end.
const IN_2038: Timestamp = Timestamp::from_millis(2_147_483_648_000);

fn fast_clocks() -> [Timestamp; 4] {
    [NOW.plus(Duration::from_secs(61 * 60)), NOW.plus(Duration::from_secs(2 * 3600)), IN_2038, Timestamp::MAX]
}

fn later(millis: u64) -> Timestamp {
    NOW.plus(Duration::from_millis(millis))
}

fn open<R: Reducer>(backing: &Backing) -> Device<R> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = 2;
    Device::open_with(backing.clone(), &seed(), rand::make_rng::<StdRng>(), config).unwrap()
}

fn device() -> Device<Plan> {
    open(&Backing::memory())
}

fn messages<R: Reducer>(device: &Device<R>) -> Vec<Message> {
    let mut messages = Vec::new();
    device.each_message(|message| messages.push(message.clone())).unwrap();
    messages
}

fn pass_on<R: Reducer, S: Reducer>(from: &Device<R>, to: &mut Device<S>) {
    let link = to.link_host(&Label::default()).unwrap();
    receive(to, link, &messages(from));
}

/// A device of the right time that has seen an item from one whose clock is fast, and that item.
fn laptop_and_item(fast: Timestamp) -> (Device<Plan>, EntityId) {
    let (mut phone, mut laptop) = (device(), device());
    let item = phone.emit(fast, &Event::Added { title: "milk".into() }).unwrap();
    pass_on(&phone, &mut laptop);
    (laptop, item)
}

/// What the standard's other clients make of the messages: of each entity, the one with the largest changed-at counts,
/// and of those with the same, the one that came first.
fn wins_by_time_alone(messages: &[Message], message: &Message) -> bool {
    let same = messages.iter().filter(|other| other.head().entity() == message.head().entity());
    same.filter(|other| *other != message).all(|other| other.head().changed() < message.head().changed())
}

#[test]
fn an_item_from_a_fast_clock_can_be_renamed_and_removed_everywhere() {
    for fast in fast_clocks() {
        let (mut laptop, item) = laptop_and_item(fast);
        laptop.emit(NOW, &Event::Renamed { item: item.clone(), title: "bread".into() }).unwrap();
        assert_eq!(laptop.read(|plan| plan.titles[&item].clone()), "bread", "{fast}");
        laptop.emit(later(1), &Event::Renamed { item: item.clone(), title: "tea".into() }).unwrap();
        let mut tablet = device();
        pass_on(&laptop, &mut tablet);
        assert_eq!(tablet.read(|plan| plan.titles[&item].clone()), "tea", "{fast}");
        let unrelated = laptop.emit(later(2), &Event::Added { title: "soap".into() }).unwrap();
        assert_eq!(unrelated.created(), later(2), "the clock is not pulled along");

        laptop.emit(later(3), &Event::Removed { item: item.clone() }).unwrap();
        assert_eq!(laptop.read(|plan| plan.titles.len()), 1);
        pass_on(&laptop, &mut tablet);
        assert_eq!(tablet.read(Clone::clone), laptop.read(Clone::clone));
        if fast < Timestamp::MAX {
            let messages = messages(&laptop);
            let deletes = messages.iter().filter(|message| message.head().is_delete());
            assert!(
                deletes.clone().count() == 2 && deletes.into_iter().all(|delete| wins_by_time_alone(&messages, delete))
            );
        }
    }
}

#[test]
fn whatever_refers_to_an_item_from_a_fast_clock_sorts_after_it() {
    let person = String::from("Ann");
    for fast in fast_clocks() {
        let (laptop, item) = laptop_and_item(fast);
        let id = item.clone();
        let events = [
            Event::Renamed { item: id.clone(), title: "bread".into() },
            Event::Assigned { item: id.clone(), person: person.clone() },
            Event::Commented { item: id.clone() },
            Event::Mentioned { thread: id.to_string() },
            Event::Linked { items: vec![(1, None), (2, Some(id.clone()))] },
            Event::Noted { note: EntityId::new(b"a note", NOW), item: id.clone() },
            Event::Selected(id),
        ];
        let before = messages(&laptop);
        for event in events {
            let mut laptop = device();
            let link = laptop.link_host(&Label::default()).unwrap();
            receive(&mut laptop, link, &before);
            laptop.emit(NOW, &event).unwrap();
            let all = messages(&laptop);
            let [added, last] = &all[..] else { panic!("{all:?}") };
            assert_eq!(added, &before[0], "{event:?} sorts before what it is about");
            assert_eq!(last.head().changed(), fast.plus(Duration::from_millis(1)), "{event:?}");
        }
    }
}

#[test]
fn a_delete_and_its_tombstones_sort_after_registers_from_a_fast_clock() {
    for fast in fast_clocks() {
        let (mut laptop, mut phone) = (device(), device());
        let item = laptop.emit(NOW, &Event::Added { title: "milk".into() }).unwrap();
        pass_on(&laptop, &mut phone);
        phone.emit(fast, &Event::Renamed { item: item.clone(), title: "bread".into() }).unwrap();
        pass_on(&phone, &mut laptop);
        laptop.emit(later(1), &Event::Removed { item: item.clone() }).unwrap();
        let messages = messages(&laptop);
        let [_, rename, delete, tombstone] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(delete.head().entity(), &item);
        assert_eq!(tombstone.head().entity(), rename.head().entity());
        assert!(delete.head().is_delete() && tombstone.head().is_delete());
        if fast < Timestamp::MAX {
            assert!(wins_by_time_alone(&messages, delete) && wins_by_time_alone(&messages, tombstone));
        }
        assert!(laptop.read(|plan| plan.titles.is_empty()));
    }
}

#[test]
fn at_the_end_of_time_the_counter_decides() {
    let (mut laptop, note) = (device(), EntityId::new(b"the last", Timestamp::MAX));
    let (item, end) = (EntityId::new(b"an item!", NOW), Timestamp::MAX);
    for n in 0..3 {
        laptop.emit(later(n), &Event::Noted { note: note.clone(), item: item.clone() }).unwrap();
    }
    laptop.emit(later(4), &Event::Removed { item: note.clone() }).unwrap();
    laptop.emit(later(5), &Event::Noted { note, item }).unwrap();
    let heads: Vec<_> =
        messages(&laptop).iter().map(|message| (message.head().changed(), message.head().counter())).collect();
    assert_eq!(heads, (0..5).map(|counter| (end, counter)).collect::<Vec<_>>());
    assert!(messages(&laptop)[3].head().is_delete());
}

#[test]
fn a_tool_without_types_sorts_after_what_it_refers_to() {
    let (laptop, item) = laptop_and_item(IN_2038);
    let mut tool = open::<Raw>(&Backing::memory());
    pass_on(&laptop, &mut tool);
    let key = rmp_serde::to_vec_named(&(&item, "Ann")).unwrap();
    let typed = |target: Target, parent: Option<EntityId>, payload: &[u8]| RawEvent::Typed {
        type_name: "raw".into(),
        target,
        payload: payload.to_vec(),
        group: None,
        parent,
    };
    let events = [
        typed(Target::Register { key }, None, &[0xc0]),
        typed(Target::Fresh, Some(item.clone()), &[0xc0]),
        typed(Target::Singleton, None, &rmp_serde::to_vec_named(&item).unwrap()),
        RawEvent::Bare { body: rmp_serde::to_vec_named(&[&item]).unwrap() },
        RawEvent::Deleted { entity: item },
    ];
    for event in events {
        let before = messages(&tool).len();
        tool.emit(NOW, &event).unwrap();
        let all = messages(&tool);
        assert_eq!(all.len(), before + 1);
        assert!(all.iter().all(|message| message.head().changed() >= IN_2038), "{event:?}");
    }
}

#[test]
fn a_clock_can_refuse_what_it_would_have_to_date_far_ahead() {
    let (laptop, item) = laptop_and_item(IN_2038);
    let mut config = DeviceConfig::default();
    config.clock.refuse_beyond = true;
    let rng = StdRng::seed_from_u64(1);
    let mut strict = Device::<Plan>::open_with(Backing::memory(), &seed(), rng, config).unwrap();
    pass_on(&laptop, &mut strict);
    let before = messages(&strict).len();
    let error = strict.emit(NOW, &Event::Renamed { item: item.clone(), title: "bread".into() }).unwrap_err();
    assert!(matches!(error, EmitError::TooFarAhead { ahead } if ahead > IN_2038.since(NOW)), "{error}");
    let error = strict.emit(NOW, &Event::Removed { item: item.clone() }).unwrap_err();
    assert!(matches!(error, EmitError::TooFarAhead { .. }));
    assert_eq!(messages(&strict).len(), before, "nothing is stored");
    strict.emit(NOW, &Event::Added { title: "soap".into() }).unwrap();
    strict.emit(IN_2038, &Event::Renamed { item, title: "bread".into() }).unwrap();
}

/// Tells whether the one message of an entity sorts after all those of another.
fn sorts_after(device: &Device<Plan>, entity: &EntityId, other: &EntityId) -> bool {
    let all = messages(device);
    let last_of = |entity| all.iter().filter(|message| message.head().entity() == entity).map(position).max();
    last_of(entity) > last_of(other)
}

fn position(message: &Message) -> Position {
    Position::of(message.head())
}

#[derive(Debug, Clone)]
enum Act {
    Add,
    Rename(prop::sample::Index),
    Comment(prop::sample::Index),
    Remove(prop::sample::Index),
    Sync,
}

fn act() -> impl Strategy<Value = (usize, Act)> {
    let item = any::<prop::sample::Index>;
    let act = prop_oneof![
        2 => Just(Act::Add),
        4 => item().prop_map(Act::Rename),
        2 => item().prop_map(Act::Comment),
        1 => item().prop_map(Act::Remove),
        3 => Just(Act::Sync),
    ];
    (0..3_usize, act)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn on_devices_with_any_clocks_the_last_change_that_saw_all_others_counts(
        acts in proptest::collection::vec(act(), 1..30),
        clocks in proptest::collection::vec(
            prop_oneof![Just(0), 0..7_200_000_u64, Just(383_483_648_000), Just(1 << 53)], 3),
    ) {
        let mut devices = [device(), device(), device()];
        for (step, (number, act)) in acts.into_iter().enumerate() {
            let now = later(clocks[number].saturating_add(step as u64));
            let text = step.to_string();
            let pick = |index: prop::sample::Index, device: &Device<Plan>| {
                let seen: Vec<EntityId> = device.read(|plan| plan.titles.keys().cloned().collect());
                (!seen.is_empty()).then(|| index.get(&seen).clone())
            };
            let event = match act {
                Act::Add => Some(Event::Added { title: text.clone() }),
                Act::Rename(index) => pick(index, &devices[number]).map(|item| Event::Renamed { item, title: text.clone() }),
                Act::Comment(index) => pick(index, &devices[number]).map(|item| Event::Commented { item }),
                Act::Remove(index) => pick(index, &devices[number]).map(|item| Event::Removed { item }),
                Act::Sync => {
                    let [a, b] = [(number + 1) % 3, (number + 2) % 3];
                    for from in [a, b] {
                        let all = messages(&devices[from]);
                        let link = devices[number].link_host(&Label::default()).unwrap();
                        receive(&mut devices[number], link, &all);
                    }
                    None
                }
            };
            let Some(event) = event else { continue };
            let entity = devices[number].emit(now, &event).unwrap();
            // Whoever emits sees it at once: it sorts after all that it is about.
            devices[number].read(|plan| {
                match &event {
                    Event::Renamed { item, .. } => prop_assert_eq!(&plan.titles[item], &text),
                    Event::Removed { item } => prop_assert!(!plan.titles.contains_key(item)),
                    Event::Commented { item } => prop_assert!(sorts_after(&devices[number], &entity, item)),
                    _ => prop_assert_eq!(&plan.titles[&entity], &text),
                }
                Ok(())
            })?;
        }
        let all: Vec<Vec<Message>> = devices.iter().map(messages).collect();
        for device in &mut devices {
            let link = device.link_host(&Label::default()).unwrap();
            all.iter().for_each(|messages| receive(device, link, messages));
        }
        let states: Vec<Plan> = devices.iter().map(|device| device.read(Clone::clone)).collect();
        prop_assert_eq!(&states[0], &states[1]);
        prop_assert_eq!(&states[0], &states[2]);
    }
}
