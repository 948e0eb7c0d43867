//! Two builds of one app on one store: the old one, and one in which types were renamed, changed and added.

use std::collections::BTreeMap;

use diplomatic::event::EventType;
use diplomatic::standard::{Body, EntityBody, EntityId, Label, Message, Seq};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, DeviceConfig, DiplomaticEvent, Meta, Reducer};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::fold::quietly;
use crate::todo::{at, seed};

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum Old {
    Created {
        title: String,
        tag: Option<String>,
    },
    #[diplomatic(overwrites = "todo")]
    Renamed {
        todo: EntityId,
        title: String,
    },
    #[diplomatic(entity = "note")]
    Noted {
        note: EntityId,
        lines: Vec<String>,
    },
    #[diplomatic(singleton)]
    Color(String),
    #[diplomatic(deletes = "todo")]
    Removed {
        todo: EntityId,
    },
}

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum New {
    #[diplomatic(was("todo.created", upcast = "from_created"))]
    Added {
        title: String,
        tags: Vec<String>,
    },
    #[diplomatic(overwrites = "todo", was = "todo.named", was = "todo.renamed")]
    Retitled {
        todo: EntityId,
        title: String,
        #[serde(default)]
        loud: bool,
    },
    #[diplomatic(entity = "note", was("todo.jotted", "todo.noted", upcast = "upcasts::from_noted"))]
    Annotated {
        note: EntityId,
        text: String,
    },
    #[diplomatic(singleton, was = "todo.color")]
    Theme(String),
    #[diplomatic(deletes = "todo")]
    Removed {
        todo: EntityId,
    },
    Shared {
        with: String,
    },
}

#[derive(Deserialize)]
struct Created {
    title: String,
    tag: Option<String>,
}

fn from_created(old: Created) -> New {
    assert_ne!(old.title, "unspeakable");
    if old.title == "shared" {
        return New::Shared { with: String::new() };
    }
    New::Added { title: old.title, tags: old.tag.into_iter().collect() }
}

mod upcasts {
    #[derive(serde::Deserialize)]
    pub(super) struct Noted {
        lines: Vec<String>,
    }

    pub(super) fn from_noted(old: Noted, note: &super::EntityId) -> super::New {
        super::New::Annotated { note: note.clone(), text: old.lines.join("\n") }
    }
}

/// Both builds keep the same of what they know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct State<const BUILD: u32> {
    titles: BTreeMap<EntityId, String>,
    notes: BTreeMap<EntityId, String>,
    theme: String,
    shares: u32,
    types: Vec<String>,
}

impl Reducer for State<1> {
    type Event = Old;

    fn apply(&mut self, event: Old, at: &Meta) {
        self.types.push(at.event_type.to_owned());
        match event {
            Old::Created { title, .. } => drop(self.titles.insert(at.entity.clone(), title)),
            Old::Renamed { todo, title } => {
                if let Some(old) = self.titles.get_mut(&todo) {
                    *old = title;
                }
            }
            Old::Noted { note, lines } => drop(self.notes.insert(note, lines.join("\n"))),
            Old::Color(color) => self.theme = color,
            Old::Removed { todo } => drop(self.titles.remove(&todo)),
        }
    }
}

impl Reducer for State<2> {
    type Event = New;

    fn apply(&mut self, event: New, at: &Meta) {
        self.types.push(at.event_type.to_owned());
        match event {
            New::Added { title, .. } => drop(self.titles.insert(at.entity.clone(), title)),
            New::Retitled { todo, title, .. } => {
                if let Some(old) = self.titles.get_mut(&todo) {
                    *old = title;
                }
            }
            New::Annotated { note, text } => drop(self.notes.insert(note, text)),
            New::Theme(theme) => self.theme = theme,
            New::Removed { todo } => drop(self.titles.remove(&todo)),
            New::Shared { .. } => self.shares += 1,
        }
    }
}

fn open<const BUILD: u32>(backing: &Backing) -> Device<State<BUILD>>
where
    State<BUILD>: Reducer,
{
    let mut config = DeviceConfig::default();
    config.snapshot_events = 2;
    Device::open_with(backing.clone(), &seed(), StdRng::seed_from_u64(1), config).unwrap()
}

#[test]
fn a_build_in_which_types_were_renamed_reads_what_the_old_one_wrote() {
    let backing = Backing::memory();
    let note = EntityId::new(b"a note", at(0));
    let mut old = open::<1>(&backing);
    let milk = old.emit(at(1), &Old::Created { title: "milk".into(), tag: Some("food".into()) }).unwrap();
    old.emit(at(2), &Old::Renamed { todo: milk.clone(), title: "oat milk".into() }).unwrap();
    old.emit(at(3), &Old::Noted { note: note.clone(), lines: vec!["a".into(), "b".into()] }).unwrap();
    old.emit(at(4), &Old::Color("green".into())).unwrap();
    drop(old);

    let mut new = open::<2>(&backing);
    assert_eq!(new.unread().unknown().count(), 0);
    new.read(|state| {
        assert_eq!(state.titles[&milk], "oat milk");
        assert_eq!(state.notes[&note], "a\nb");
        assert_eq!(state.theme, "green");
        assert_eq!(state.types, ["todo.added", "todo.retitled", "todo.annotated", "todo.theme"]);
    });

    // Under one entity the names are one type: the old note's text is replaced, on top and in the fold.
    new.emit(at(5), &New::Annotated { note: note.clone(), text: "c".into() }).unwrap();
    new.emit(at(6), &New::Retitled { todo: milk.clone(), title: "soy milk".into(), loud: true }).unwrap();
    new.emit(at(7), &New::Shared { with: "ann".into() }).unwrap();
    let state = new.read(Clone::clone);
    assert_eq!((state.titles[&milk].as_str(), state.notes[&note].as_str()), ("soy milk", "c"));
    drop(new);

    // The old build keeps what it does not know, and counts it.
    let mut old = open::<1>(&backing);
    let unknown: Vec<_> = old.unread().unknown().map(|(name, count)| (name.to_owned(), count)).collect();
    assert_eq!(unknown, [("todo.annotated".into(), 1), ("todo.retitled".into(), 1), ("todo.shared".into(), 1)]);
    assert_eq!(old.read(|state| state.titles[&milk].clone()), "oat milk");
    old.emit(at(8), &Old::Renamed { todo: milk.clone(), title: "rice milk".into() }).unwrap();
    drop(old);

    // The registers of both names count, and the later is the later.
    let mut new = open::<2>(&backing);
    assert_eq!(new.read(|state| (state.titles[&milk].clone(), state.shares)), ("rice milk".into(), 1));
    assert_eq!(new.messages().unwrap().len(), 8);

    // A delete takes both: the todo, and two registers.
    new.emit(at(9), &New::Removed { todo: milk.clone() }).unwrap();
    assert_eq!(new.messages().unwrap().len(), 11);
    drop(new);
    let new = open::<2>(&backing);
    assert!(new.read(|state| state.titles.is_empty()));
}

#[test]
fn what_is_unknown_waits_for_the_hosts_too() {
    let backing = Backing::memory();
    let mut new = open::<2>(&backing);
    new.emit(at(1), &New::Shared { with: "ann".into() }).unwrap();
    drop(new);
    let mut old = open::<1>(&backing);
    let link = old.link_host(&Label::default()).unwrap();
    assert_eq!(old.session_log(link).pending().unwrap(), 1);
}

#[test]
fn an_upcast_that_fails_puts_the_message_into_quarantine() {
    let backing = Backing::memory();
    let mut old = open::<1>(&backing);
    for title in ["milk", "unspeakable", "shared", "bread"] {
        old.emit(at(1), &Old::Created { title: title.into(), tag: None }).unwrap();
    }
    drop(old);
    let new = quietly(|| open::<2>(&backing));
    assert_eq!(new.read(|state| state.titles.len()), 2);
    let reasons: Vec<_> = new.unread().quarantined().map(|one| one.reason.to_string()).collect();
    assert!(reasons[0].contains("reading it panicked"), "{reasons:?}");
    assert!(reasons[1].contains("`from_created` made an event of another variant"), "{reasons:?}");
}

#[test]
fn types_tell_what_they_were() {
    let types: Vec<(&str, &[&str])> = New::TYPES.iter().map(|one: &EventType| (one.name, one.was)).collect();
    let expected: [(&str, &[&str]); 6] = [
        ("todo.added", &["todo.created"]),
        ("todo.retitled", &["todo.named", "todo.renamed"]),
        ("todo.annotated", &["todo.jotted", "todo.noted"]),
        ("todo.theme", &["todo.color"]),
        ("todo.removed", &[]),
        ("todo.shared", &[]),
    ];
    assert_eq!(types, expected);
    assert_eq!(New::TYPES[1].key, ["todo"]);
}

#[test]
fn a_late_message_under_an_old_name_is_older_than_the_register_it_shares() {
    // A client of another make may write both names under one entity.
    let mut new = open::<2>(&Backing::memory());
    let link = new.link_host(&Label::default()).unwrap();
    let note = EntityId::new(b"a note", at(0));
    let body = |type_name: &str, payload: &[u8]| Body::new(EntityBody::new(type_name, payload).to_bytes());
    let message = |millis, type_name: &str, payload: &[u8]| {
        Message::new(note.clone(), at(millis), 0, body(type_name, payload)).unwrap()
    };
    let new_one = message(5, "todo.annotated", b"\x81\xa4text\xa1n");
    let old_one = message(4, "todo.noted", b"\x81\xa5lines\x91\xa1o");
    for message in [new_one, old_one] {
        let messages = vec![Arrival { seq: Seq::ZERO, message }];
        new.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
        assert_eq!(new.read(|state| state.notes[&note].clone()), "n");
    }
}
