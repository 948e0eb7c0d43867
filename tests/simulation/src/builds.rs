//! Three builds of one app.
//!
//! The old build does not know all types of events, and cannot read every text of those that it knows. The old and the
//! new one panic over an item that is not there and over some texts, the old one over more of them: what the old build
//! can apply, the new one can, or compaction by the old one would have dropped what the new one needs. The careless one,
//! which is [`Todos`], takes everything.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
use serde::{Deserialize, Serialize};

use crate::todo::{self, Todos};
use crate::world::{Chance, DAWN};

/// A build of the app.
pub trait Build: Reducer<Event: fmt::Debug> + fmt::Debug + PartialEq {
    /// Makes up an event, perhaps about something that is there.
    fn draw(&self, chance: &mut Chance) -> Self::Event;
}

/// The state of the new build.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct New(Todos);

/// The state of the old build.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Old {
    items: BTreeMap<EntityId, String>,
    status: String,
}

/// What can happen in the old build.
#[derive(Debug, Clone, PartialEq, Eq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
pub enum OldEvent {
    /// A fact.
    Added {
        /// What is to be done.
        title: Short,
    },
    /// A register.
    #[diplomatic(overwrites = "todo")]
    Renamed {
        /// The item.
        todo: EntityId,
        /// What is to be done.
        title: Short,
    },
    /// A delete.
    #[diplomatic(deletes = "todo")]
    Removed {
        /// The item.
        todo: EntityId,
    },
    /// A singleton.
    #[diplomatic(singleton)]
    Status(String),
}

/// A text of at most 100 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Short(String);

impl TryFrom<String> for Short {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.len() <= 100 { Ok(Self(text)) } else { Err("the text is too long") }
    }
}

impl Reducer for New {
    type Event = todo::Event;

    const VERSION: u32 = 1;
    // So that both ways of taking in late events are tested.
    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: todo::Event, at: &Meta) {
        match &event {
            todo::Event::Renamed { todo, title } => {
                assert_bearable(title);
                assert!(self.0.items.contains_key(todo), "{EXPECTED}: there is no such item");
            }
            todo::Event::Done { todo, .. } => {
                assert!(self.0.items.contains_key(todo), "{EXPECTED}: there is no such item");
            }
            todo::Event::Status(text) => assert_bearable(text),
            _ => {}
        }
        self.0.apply(event, at);
    }
}

impl Reducer for Old {
    type Event = OldEvent;

    const VERSION: u32 = 2;

    fn apply(&mut self, event: OldEvent, at: &Meta) {
        match event {
            OldEvent::Added { title } => drop(self.items.insert(at.entity.clone(), title.0)),
            OldEvent::Renamed { todo, title: Short(title) } => {
                assert_bearable(&title);
                assert!(!title.ends_with('1'), "{EXPECTED}: what a title");
                assert!(self.items.contains_key(&todo), "{EXPECTED}: there is no such item");
                self.items.insert(todo, title);
            }
            OldEvent::Removed { todo } => drop(self.items.remove(&todo)),
            OldEvent::Status(text) => {
                assert_bearable(&text);
                self.status = text;
            }
        }
    }
}

impl Build for Todos {
    fn draw(&self, chance: &mut Chance) -> todo::Event {
        let text = format!("{}", chance.below(1000));
        match (chance.below(12), any(chance, self.items.keys()), any(chance, self.notes.keys())) {
            (0 | 1, ..) => todo::Event::Status(text),
            (2..=4, Some(todo), _) => todo::Event::Renamed { todo, title: text },
            (5, Some(todo), _) => todo::Event::Done { todo, done: chance.below(2) == 0 },
            (6, Some(todo), _) | (7, _, Some(todo)) => todo::Event::Removed { todo },
            (8, _, Some(note)) => todo::Event::Noted { note, text },
            (9, ..) => {
                let note = EntityId::new(&chance.any().to_be_bytes(), DAWN);
                todo::Event::Noted { note, text }
            }
            (10, ..) => todo::added("x".repeat(600)),
            _ => todo::added(text),
        }
    }
}

impl Build for New {
    fn draw(&self, chance: &mut Chance) -> todo::Event {
        self.0.draw(chance)
    }
}

impl Build for Old {
    fn draw(&self, chance: &mut Chance) -> OldEvent {
        let text = format!("{}", chance.below(1000));
        match (chance.below(6), any(chance, self.items.keys())) {
            (0, _) => OldEvent::Status(text),
            (1..=3, Some(todo)) => OldEvent::Renamed { todo, title: Short(text) },
            (4, Some(todo)) => OldEvent::Removed { todo },
            _ => OldEvent::Added { title: Short(text) },
        }
    }
}

/// Every panic of the reducers says this.
const EXPECTED: &str = "expected in this test";

/// Prints no panics of the reducers from now on.
pub fn hush() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            let message = panic.payload().downcast_ref::<String>();
            if !message.is_some_and(|message| message.starts_with(EXPECTED)) {
                print(panic);
            }
        }));
    });
}

fn assert_bearable(text: &str) {
    assert!(!text.ends_with(['2', '3']), "{EXPECTED}: what a text");
}

/// Returns one of the first few, so that much happens to the same ones.
fn any<'a>(chance: &mut Chance, ids: impl Iterator<Item = &'a EntityId>) -> Option<EntityId> {
    let ids: Vec<_> = ids.take(3).collect();
    ids.get(chance.below(ids.len() as u64) as usize).map(|id| EntityId::clone(id))
}
