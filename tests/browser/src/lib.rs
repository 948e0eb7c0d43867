//! What the browser and the program that starts it have in common: an app, and the form of the tasks and results.

#[cfg(not(target_family = "wasm"))]
pub mod chromium;
#[cfg(not(target_family = "wasm"))]
#[path = "../../../examples/todo/src/bin/todo/web/toolchain.rs"]
mod toolchain;

use std::collections::BTreeMap;

use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
use serde::{Deserialize, Serialize};

/// The events of a list of things.
#[derive(Debug, Clone, DiplomaticEvent)]
#[diplomatic(prefix = "thing")]
pub enum Event {
    /// A new thing.
    Added {
        /// Its title.
        title: String,
    },
    /// A new title.
    #[diplomatic(overwrites = "thing")]
    Renamed {
        /// The thing.
        thing: EntityId,
        /// The title.
        title: String,
    },
    /// A message over which the reducer panics.
    Bad,
}

/// The titles of the things.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Things(pub BTreeMap<EntityId, String>);

impl Reducer for Things {
    type Event = Event;

    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: Event, at: &Meta) {
        match event {
            Event::Added { title } => drop(self.0.insert(at.entity.clone(), title)),
            Event::Renamed { thing, title } => {
                if let Some(old) = self.0.get_mut(&thing) {
                    *old = title;
                }
            }
            Event::Bad => panic!("a bad event"),
        }
    }
}

/// A task for the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "do")]
pub enum Task {
    /// Open a store, emit so many events one after the other, and close it.
    Emit {
        /// The store.
        store: String,
        /// How many.
        count: u32,
    },
    /// Fill a store with so many events, in batches, and close it.
    Fill {
        /// The store.
        store: String,
        /// How many.
        count: u32,
    },
    /// Open a store, count, and close it.
    Open {
        /// The store.
        store: String,
    },
    /// Open a store with a host, wait for the first sync, count, and close it.
    Sync {
        /// The store.
        store: String,
        /// The host's address.
        host: String,
    },
    /// Open a store with a host, emit, wait until the host has it, and close it.
    Upload {
        /// The store.
        store: String,
        /// The host's address.
        host: String,
        /// How many.
        count: u32,
    },
    /// Emit an event over which the reducer panics.
    Crash {
        /// The store.
        store: String,
    },
}

/// The result of a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outcome {
    /// How many things there are.
    pub things: u64,
    /// How many messages cannot be applied.
    pub unread: u64,
    /// The milliseconds of each step that was measured.
    pub millis: Vec<f64>,
    /// Where the log is kept, in words.
    pub storage: String,
    /// The status of the host, in words.
    pub host: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// The seed of the account.
pub const SEED: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
