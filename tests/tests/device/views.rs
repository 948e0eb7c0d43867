//! Several states over one log, and states with an index that their snapshots leave out.

use std::collections::{BTreeMap, BTreeSet};

use diplomatic::standard::{EntityId, Label, Message};
use diplomatic::{Backing, Device, DeviceConfig, Meta, Reducer};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::fold::{bake, event, quietly, receive, recipe, sort_and_fold};
use crate::todo::{Event, Todos, added, at, seed};

/// The titles, and an index of them that is not serialized.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Titles {
    titles: BTreeMap<EntityId, String>,
    #[serde(skip)]
    by_title: BTreeMap<String, BTreeSet<EntityId>>,
    /// Whether the state was read and its index not rebuilt yet.
    #[serde(skip, default = "yes")]
    is_raw: bool,
}

const fn yes() -> bool {
    true
}

impl Titles {
    fn of(todos: &Todos) -> Self {
        let mut all = Self::default();
        todos.items.iter().for_each(|(todo, (title, _))| all.put(todo.clone(), title.clone()));
        all
    }

    fn put(&mut self, todo: EntityId, title: String) {
        self.take(&todo);
        self.by_title.entry(title.clone()).or_default().insert(todo.clone());
        self.titles.insert(todo, title);
    }

    fn take(&mut self, todo: &EntityId) {
        let Some(title) = self.titles.remove(todo) else { return };
        let with_title = self.by_title.get_mut(&title).expect("each title is in the index");
        with_title.remove(todo);
        if with_title.is_empty() {
            self.by_title.remove(&title);
        }
    }
}

impl Reducer for Titles {
    type Event = Event;

    fn apply(&mut self, event: Event, at: &Meta) {
        assert!(!self.is_raw, "the index is rebuilt before anything is applied");
        match event {
            Event::Added { title } => self.put(at.entity.clone(), title),
            Event::Renamed { todo, title } if self.titles.contains_key(&todo) => self.put(todo, title),
            Event::Removed { todo } => self.take(&todo),
            Event::Explosive => {
                self.by_title.clear();
                panic!("boom")
            }
            _ => {}
        }
    }

    fn loaded(&mut self) {
        assert!(self.is_raw, "the index is rebuilt once");
        self.is_raw = false;
        std::mem::take(&mut self.titles).into_iter().for_each(|(todo, title)| self.put(todo, title));
    }
}

type Views = (Todos, Titles);

fn open<R: Reducer>(backing: &Backing) -> Device<R> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = 3;
    Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(1), config).unwrap()
}

fn assert_consistent((todos, titles): &Views) {
    assert_eq!(*titles, Titles::of(todos));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn views_and_indexes_agree_however_events_arrive_and_whatever_panics(
        recipes in proptest::collection::vec(recipe(), 0..40),
        order in any::<u64>(),
        batches in proptest::collection::vec((1..6_usize, prop::bool::weighted(0.2)), 40),
    ) {
        let mut messages: Vec<Message> = recipes.iter().map(bake).collect();
        messages.sort_by_key(|message| blake3::hash(&[message.head().as_bytes(), &order.to_be_bytes()].concat()).to_hex());

        let backing = Backing::memory();
        let mut device = open::<Views>(&backing);
        let link = device.link_host(&Label::default()).unwrap();
        let mut arrived = 0;
        for (size, restarts) in batches {
            let until = (arrived + size).min(messages.len());
            quietly(|| receive(&mut device, link, &messages[arrived..until]));
            arrived = until;
            if restarts {
                drop(device);
                device = quietly(|| open(&backing));
            }
            let expected = sort_and_fold(&messages[..arrived]);
            device.read(|views| assert_eq!(*views, (expected.clone(), Titles::of(&expected))));
        }
        let past = quietly(|| device.state_at(at(8)).unwrap());
        assert_consistent(&past);
    }
}

#[test]
fn an_index_is_rebuilt_after_a_restart_and_in_states_of_the_past() {
    let backing = Backing::memory();
    let mut device = open::<Views>(&backing);
    let todos: Vec<EntityId> = (1..20).map(|number| device.emit(at(number), &added("milk")).unwrap()).collect();
    drop(device);

    let mut device = open::<Views>(&backing);
    device.read(|views| {
        assert_consistent(views);
        assert_eq!(views.1.by_title["milk"].len(), 19);
    });
    device.emit(at(30), &Event::Renamed { todo: todos[3].clone(), title: "bread".into() }).unwrap();
    device.read(|views| {
        assert_consistent(views);
        assert_eq!(views.1.by_title["bread"], BTreeSet::from([todos[3].clone()]));
    });
    let past = device.state_at(at(10)).unwrap();
    assert_consistent(&past);
    assert_eq!(past.1.by_title["milk"].len(), 10);
}

#[test]
fn an_index_that_a_panicking_reducer_spoiled_is_as_if_the_event_had_not_come() {
    let backing = Backing::memory();
    let mut device = open::<Views>(&backing);
    let link = device.link_host(&Label::default()).unwrap();
    device.emit(at(1), &added("milk")).unwrap();
    let explosive = |number: u64| {
        let (entity, body) = event(&EntityId::new(&number.to_be_bytes(), at(number)), &Event::Explosive);
        Message::new(entity, at(number), 0, body).unwrap()
    };
    let messages: Vec<Message> = (2..40).map(explosive).collect();
    quietly(|| receive(&mut device, link, &messages));
    device.emit(at(50), &added("bread")).unwrap();
    device.read(|views| {
        assert_consistent(views);
        assert_eq!(views.1.by_title.len(), 2);
    });
}

#[test]
fn an_event_is_in_all_views_or_in_none() {
    let mut device = open::<(Titles, Todos, Titles)>(&Backing::memory());
    device.emit(at(1), &added("milk")).unwrap();
    quietly(|| device.emit_all(at(2), &[added("bread"), Event::Explosive])).unwrap_err();
    device.read(|(first, second, third)| {
        assert_eq!(second.items.len(), 1);
        assert_eq!((first, third), (&Titles::of(second), &Titles::of(second)));
    });
}

#[test]
fn the_views_of_a_tuple_can_be_regrouped() {
    let backing = Backing::memory();
    let mut device = open::<Todos>(&backing);
    (1..20).for_each(|number| drop(device.emit(at(number), &added("milk")).unwrap()));
    let expected = device.read(Clone::clone);
    drop(device);
    open::<Views>(&backing).read(|views| assert_eq!(*views, (expected.clone(), Titles::of(&expected))));
    open::<(Todos, Todos, Titles, Titles)>(&backing).read(|(todos, _, _, titles)| {
        assert_eq!((todos, titles), (&expected, &Titles::of(&expected)));
    });
    assert_eq!(open::<Todos>(&backing).read(Clone::clone), expected);
}
