//! A log that is open without its app's types, and by builds that know more or less of them.

use diplomatic::event::Target;
use diplomatic::history::Happened;
use diplomatic::raw::{Raw, RawEvent};
use diplomatic::standard::{EntityBody, EntityId, Label, Message};
use diplomatic::{Backing, Device, DeviceConfig, DiplomaticEvent, Meta, Reducer, Replay};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::fold::{bake, quietly, receive, recipe, sort_and_fold};
use crate::todo::{Event, Todos, added, at, open, seed};

/// What an older build of the app knew.
#[derive(Debug, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum FewEvents {
    Added {
        title: String,
    },
    #[diplomatic(singleton)]
    Status(String),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Few {
    titles: Vec<String>,
    status: String,
}

impl Reducer for Few {
    type Event = FewEvents;

    fn apply(&mut self, event: FewEvents, _: &Meta) {
        match event {
            FewEvents::Added { title } => self.titles.push(title),
            FewEvents::Status(text) => self.status = text,
        }
    }
}

fn open_as<R: Reducer>(backing: &Backing) -> Device<R> {
    let mut config = DeviceConfig::default();
    config.snapshot_events = 2;
    Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(1), config).unwrap()
}

fn receive_as<R: Reducer>(backing: &Backing, messages: &[Message]) {
    let mut device = open_as::<R>(backing);
    let link = device.link_host(&Label::default()).unwrap();
    receive(&mut device, link, messages);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_the_same_whichever_builds_and_tools_received_the_messages(
        recipes in proptest::collection::vec(recipe(), 0..40),
        order in any::<u64>(),
        batches in proptest::collection::vec((1..6_usize, 0..5_u8), 40),
    ) {
        let mut messages: Vec<Message> = recipes.iter().map(bake).collect();
        messages.sort_by_key(|message| blake3::hash(&[message.head().as_bytes(), &order.to_be_bytes()].concat()).to_hex());
        let backing = Backing::memory();
        let mut arrived = 0;
        for (size, build) in batches {
            let until = (arrived + size).min(messages.len());
            let batch = &messages[arrived..until];
            quietly(|| match build {
                0 => receive_as::<Few>(&backing, batch),
                1 => receive_as::<Todos>(&backing, batch),
                _ => receive_as::<Raw>(&backing, batch),
            });
            arrived = until;
            if build > 2 {
                let device = quietly(|| open_as::<Todos>(&backing));
                prop_assert_eq!(device.read(Clone::clone), sort_and_fold(&messages[..arrived]));
            }
        }
        let device = quietly(|| open_as::<Todos>(&backing));
        prop_assert_eq!(device.read(Clone::clone), sort_and_fold(&messages[..arrived]));
    }
}

#[test]
fn a_tool_reads_what_an_app_wrote_and_the_app_what_the_tool_writes() {
    let backing = Backing::memory();
    let mut app = open(&backing);
    let milk = app.emit(at(1), &added("milk")).unwrap();
    app.emit(at(2), &Event::Renamed { todo: milk.clone(), title: "oat milk".into() }).unwrap();
    app.emit(at(3), &Event::Status("busy".into())).unwrap();
    drop(app);

    let mut tool = open_as::<Raw>(&backing);
    let history = tool.history(None, 10).unwrap();
    let [added, renamed, status] = &history[..] else { panic!("{history:?}") };
    let Happened::Event(RawEvent::Typed { type_name, target, payload, .. }) = &added.what else { panic!("{added:?}") };
    assert_eq!((type_name.as_str(), target), ("todo.added", &Target::Entity(milk.clone())));
    assert_eq!(rmp_serde::from_slice::<std::collections::BTreeMap<String, String>>(payload).unwrap()["title"], "milk");
    let Happened::Event(RawEvent::Typed { parent, .. }) = &renamed.what else { panic!("{renamed:?}") };
    assert_eq!(parent.as_ref(), Some(&milk));
    let Happened::Event(RawEvent::Typed { type_name, target, .. }) = &status.what else { panic!("{status:?}") };
    assert_eq!((type_name.as_str(), target), ("todo.status", &Target::Singleton));

    // What was read can be written again, and the later counts.
    let Happened::Event(status) = &status.what else { unreachable!() };
    assert_eq!(tool.emit(at(4), status).unwrap(), EntityId::singleton("todo.status"));
    assert_eq!(tool.history_of(&EntityId::singleton("todo.status")).unwrap().len(), 2);
    let bare = tool.emit(at(5), &RawEvent::Bare { body: b"\xa2hi".to_vec() }).unwrap();
    let deleted = RawEvent::Deleted { entity: milk.clone() };
    tool.emit(at(6), &deleted).unwrap();
    let history = tool.history_of(&bare).unwrap();
    assert_eq!(history[0].what, Happened::Event(RawEvent::Bare { body: b"\xa2hi".to_vec() }));
    assert_eq!(tool.history_of(&milk).unwrap()[1].what, Happened::Event(deleted));
    assert_eq!(tool.unread().unknown().count(), 0);
    drop(tool);

    let app = open(&backing);
    assert_eq!(app.read(|todos| (todos.items.len(), todos.status.clone())), (0, "busy".into()));
    assert_eq!(app.unread().unknown().collect::<Vec<_>>(), [("", 1)]);
}

#[test]
fn a_tool_replays_any_export() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todos.dpl");
    let mut app = open(&Backing::memory());
    let milk = app.emit(at(1), &added("milk")).unwrap();
    app.emit(at(2), &Event::Renamed { todo: milk.clone(), title: "oat milk".into() }).unwrap();
    app.emit(at(3), &Event::Removed { todo: milk }).unwrap();
    app.export(&path, &seed()).unwrap();
    let mut replay = Replay::open(&path, &seed()).unwrap();
    let names = |events: diplomatic::replay::Events<'_, _, RawEvent>| {
        let name = |event| match event {
            RawEvent::Typed { type_name, .. } => type_name,
            RawEvent::Deleted { .. } => "deleted".to_owned(),
            _ => String::new(),
        };
        events.map(|replayed| name(replayed.unwrap().event)).collect::<Vec<_>>()
    };
    assert_eq!(names(replay.events_until(at(2))), ["todo.added", "todo.renamed"]);
    assert_eq!(names(replay.events()), ["deleted", "deleted"]);
    assert_eq!(names(replay.history()), ["todo.added", "todo.renamed", "deleted", "deleted"]);
}

#[test]
fn a_typed_event_is_written_as_an_entity_body() {
    let mut tool = open_as::<Raw>(&Backing::memory());
    let parent = EntityId::new(b"parent", at(0));
    let event = RawEvent::Typed {
        type_name: "note".into(),
        target: Target::Register { key: vec![0x91, 0x01] },
        payload: vec![0x2a],
        group: Some("home".into()),
        parent: Some(parent.clone()),
    };
    let entity = tool.emit(at(1), &event).unwrap();
    assert_eq!(entity, EntityId::register("note", &[0x91, 0x01]));
    let mut bodies = Vec::new();
    tool.each_message(|message| bodies.push(message.body().unwrap().to_vec())).unwrap();
    let body = EntityBody::decode(&bodies[0]).unwrap();
    assert_eq!((body.type_name, body.payload, body.group), ("note", &[0x2a][..], Some("home")));
    assert_eq!(body.parent, Some(parent));
}

#[test]
fn what_an_app_kept_of_its_state_goes_when_a_tool_stores_something_older() {
    let backing = Backing::memory();
    let mut app = open(&backing);
    app.emit_all(at(10), &[added("a"), added("b"), added("c"), added("d")]).unwrap();
    drop(app);
    let mut other = open(&Backing::memory());
    other.emit(at(1), &added("late")).unwrap();
    let mut late = Vec::new();
    other.each_message(|message| late.push(message.clone())).unwrap();
    receive_as::<Raw>(&backing, &late);
    assert_eq!(open(&backing).read(|todos| todos.items.len()), 5);
}

#[test]
fn no_tool_can_speak_for_the_framework() {
    let mut device = open_as::<Raw>(&Backing::memory());
    for type_name in ["dip.witness", "dip.want"] {
        let register = EntityId::register(type_name, b"\x91\x01");
        let targets = [Target::Fresh, Target::Register { key: vec![1] }, Target::Entity(register), Target::Singleton];
        let mut forged: Vec<RawEvent> = targets
            .map(|target| {
                let (type_name, payload) = (type_name.to_owned(), vec![0x80]);
                RawEvent::Typed { type_name, target, payload, group: None, parent: None }
            })
            .into();
        forged.push(RawEvent::Bare { body: EntityBody::new(type_name, &[0x80]).to_bytes() });
        for event in forged {
            let error = device.emit(at(1), &event).unwrap_err();
            assert!(matches!(&error, diplomatic::EmitError::ReservedType { type_name: found } if found == type_name));
            assert!(error.to_string().contains("give the event another type name"), "{error}");
        }
    }
    assert_eq!(device.messages().unwrap(), []);
}
