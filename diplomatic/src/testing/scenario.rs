//! Scenarios: given, when, then.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::time::Duration;

use super::diff::diff;
use super::model::{self, DAWN, Panicked, entity};
use super::quiet::quietly;
use super::{code, laws};
use crate::event::{DiplomaticEvent, Draft, Target};
use crate::fold::panic_message;
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Content, EntityId, Message, Timestamp};

/// A test of a reducer: given some events, when others happen, then the state is as expected.
///
/// The first fact creates [`entity(0)`](super::entity), the second `entity(1)`, and so on; other events refer to these.
/// Each event happens a second after the one before it, unless [`at`](Self::at) says otherwise. The state is the result
/// of sorting and folding: overwritten and deleted events do not count, and late events are applied at their own time.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, DiplomaticEvent)]
/// # #[diplomatic(prefix = "todo")]
/// # enum TodoEvent {
/// #     Added { title: String },
/// #     #[diplomatic(overwrites = "todo")]
/// #     Renamed { todo: EntityId, title: String },
/// # }
/// # #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// # struct Todos { titles: BTreeMap<EntityId, String> }
/// # impl Reducer for Todos {
/// #     type Event = TodoEvent;
/// #     fn apply(&mut self, event: TodoEvent, at: &Meta) {
/// #         match event {
/// #             TodoEvent::Added { title } => drop(self.titles.insert(at.entity.clone(), title)),
/// #             TodoEvent::Renamed { todo, title } => {
/// #                 if let Some(old) = self.titles.get_mut(&todo) {
/// #                     *old = title;
/// #                 }
/// #             }
/// #         }
/// #     }
/// # }
/// use diplomatic::testing::{Scenario, entity};
///
/// Scenario::<Todos>::given([TodoEvent::Added { title: "milk".into() }])
///     .when([TodoEvent::Renamed { todo: entity(0), title: "oat milk".into() }])
///     .then(|todos| assert_eq!(todos.titles[&entity(0)], "oat milk"));
/// ```
pub struct Scenario<R: Reducer> {
    happened: Vec<Happening>,
    /// How many events were given.
    given: usize,
    facts: u64,
    next: Timestamp,
    state: PhantomData<fn() -> R>,
}

struct Happening {
    message: Message,
    /// The event as Rust code; `None` for the tombstones that come with a delete.
    code: Option<String>,
}

impl<R: Reducer<Event: Debug>> Scenario<R> {
    /// Starts with the events that have already happened.
    ///
    /// # Panics
    ///
    /// Panics if an event cannot be serialized.
    pub fn given(events: impl IntoIterator<Item = R::Event>) -> Self {
        let start = Self { happened: Vec::new(), given: 0, facts: 0, next: DAWN, state: PhantomData };
        let given = start.when(events);
        Self { given: given.happened.len(), ..given }
    }

    /// Adds events, in order.
    ///
    /// # Panics
    ///
    /// Panics if an event cannot be serialized.
    #[must_use]
    pub fn when(mut self, events: impl IntoIterator<Item = R::Event>) -> Self {
        events.into_iter().for_each(|event| self.happen(&event));
        self
    }

    /// Sets the time of the next event, relative to the beginning. Each event after it happens a second later.
    #[must_use]
    pub fn at(self, since_start: Duration) -> Self {
        Self { next: DAWN.plus(since_start), ..self }
    }

    /// Calls `look` with the state, for assertions.
    ///
    /// # Panics
    ///
    /// Panics if `look` or the reducer does. The message shows the given events, the others, and the changes they made.
    #[track_caller]
    pub fn then(self, look: impl FnOnce(&R)) -> Self
    where
        R: Debug,
    {
        let state = self.state_after(self.happened.len());
        if let Err(panic) = quietly(|| look(&state)) {
            let change = diff(&self.state_after(self.given), &state);
            let reason = format!("the assertion panicked: {}", panic_message(&*panic));
            panic!("{reason}\n\n{}\nthat changed the state from - to +:\n{change}", self.tell());
        }
        Self { given: self.happened.len(), ..self }
    }

    /// Asserts that the state equals `expected`.
    ///
    /// # Panics
    ///
    /// Panics if it does not. The message shows the given events, the others, and the difference.
    #[track_caller]
    pub fn then_state(self, expected: &R) -> Self
    where
        R: Debug + PartialEq,
    {
        let state = self.state_after(self.happened.len());
        if state != *expected {
            let difference = diff(expected, &state);
            panic!("the state is not as expected\n\n{}\nexpected (-) and found (+):\n{difference}", self.tell());
        }
        Self { given: self.happened.len(), ..self }
    }

    fn happen(&mut self, event: &R::Event) {
        let changed = self.next;
        self.next = changed.plus(Duration::from_secs(1));
        let draft = event.to_draft().unwrap_or_else(|error| panic!("{error}"));
        let is_fact = matches!(&draft, Draft::Content { target: Target::Fresh, .. } | Draft::Bare { entity: None, .. });
        let fact = is_fact.then(|| entity(self.facts));
        self.facts += u64::from(fact.is_some());
        if let Draft::Delete { entity } = &draft {
            for register in self.registers_of(entity) {
                let message = model::tombstone(register, changed, self.counter(changed));
                self.happened.push(Happening { message, code: None });
            }
        }
        let message = model::message(event, fact.as_ref(), changed, self.counter(changed));
        let message = message.unwrap_or_else(|error| panic!("{error}"));
        self.happened.push(Happening { message, code: Some(code::event(event)) });
    }

    /// Returns a counter larger than all others at that time, so that events keep their order.
    fn counter(&self, changed: Timestamp) -> u64 {
        let places = self.happened.iter().map(|happening| Position::of(happening.message.head()));
        places.filter(|place| place.changed == changed).map(|place| place.counter + 1).max().unwrap_or(0)
    }

    /// Returns the registers of an entity.
    fn registers_of(&self, entity: &EntityId) -> Vec<EntityId> {
        let messages: Vec<Message> = self.happened.iter().map(|happening| happening.message.clone()).collect();
        let hangs_on = |message: &&&Message| {
            message.head().entity().is_derived()
                && matches!(Content::of(message), Content::Typed { parent: Some(parent), .. } if parent == *entity)
        };
        model::live::<R::Event>(&messages)
            .iter()
            .filter(hangs_on)
            .map(|message| message.head().entity().clone())
            .collect()
    }

    #[track_caller]
    fn state_after(&self, happenings: usize) -> R {
        let messages: Vec<Message> =
            self.happened[..happenings].iter().map(|happening| happening.message.clone()).collect();
        let mut state = R::default();
        for message in model::live::<R::Event>(&messages) {
            if let Ok(Err(Panicked { panic, .. })) = quietly(|| model::apply(&mut state, message)) {
                panic!("over {}, {panic}\n\n{}", laws::describe::<R::Event>(message), self.tell());
            }
        }
        state
    }

    fn tell(&self) -> String {
        let tell = |happenings: &[Happening]| -> String {
            let lines = happenings.iter().filter_map(|happening| {
                let after = happening.message.head().changed().since(DAWN);
                Some(format!("    {after:?}: {}\n", happening.code.as_ref()?))
            });
            lines.collect()
        };
        let (given, when) = self.happened.split_at(self.given);
        format!("given\n{}when\n{}", tell(given), tell(when))
    }
}

impl<R: Reducer> std::fmt::Debug for Scenario<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.happened.iter().filter_map(|happening| happening.code.as_ref())).finish()
    }
}
