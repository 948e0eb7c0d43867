//! Random histories, shrunk to the smallest one that fails.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use super::history::{History, Step};
use super::laws::{Broken, Law};
use super::watch::{self, Watch};
use super::{Dice, entity};
use crate::event::{DiplomaticEvent, Draft, Target};
use crate::reducer::Reducer;
use crate::standard::EntityId;

/// How many entities a history has.
const ENTITIES: u64 = 3;

/// How many smaller histories are tried.
const SHRINKS: usize = 3000;

/// Makes the events of a history.
pub(super) type Maker<'a, E> = dyn FnMut(&[EntityId], &mut Dice) -> Arc<E> + 'a;

/// Whether registers stand at positions where our own clients would never put them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misplaced {
    Sometimes,
    Never,
}

/// Checks the promises of a [`Reducer`] on random histories of events that `make` generates.
///
/// `make` gets the entities of the history, for use in events, and dice, its only source of randomness. Facts are about
/// these entities, too. So an event that names an entity often finds it, but sometimes the entity does not exist yet or
/// has been deleted.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Debug, DiplomaticEvent)]
/// #[diplomatic(prefix = "todo")]
/// enum TodoEvent {
///     Added { title: String },
///     #[diplomatic(overwrites = "todo")]
///     Renamed { todo: EntityId, title: String },
///     #[diplomatic(deletes = "todo")]
///     Removed { todo: EntityId },
/// }
///
/// #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// struct Todos { titles: BTreeMap<EntityId, String> }
///
/// impl Reducer for Todos {
///     type Event = TodoEvent;
///
///     fn apply(&mut self, event: TodoEvent, at: &Meta) {
///         match event {
///             TodoEvent::Added { title } => drop(self.titles.insert(at.entity.clone(), title)),
///             TodoEvent::Renamed { todo, title } => {
///                 if let Some(old) = self.titles.get_mut(&todo) {
///                     *old = title;
///                 }
///             }
///             TodoEvent::Removed { todo } => drop(self.titles.remove(&todo)),
///         }
///     }
/// }
///
/// // In a test:
/// diplomatic::testing::check_reducer::<Todos>(|entities, dice| {
///     let todo = dice.pick(entities).clone();
///     match dice.below(3) {
///         0 => TodoEvent::Added { title: dice.word() },
///         1 => TodoEvent::Renamed { todo, title: dice.word() },
///         _ => TodoEvent::Removed { todo },
///     }
/// });
/// ```
///
/// Histories contain late arrivals, ties, overwritten and deleted events, tombstones of registers, entities that come
/// back, types of later builds, batches of all sizes, emits, snapshots and restarts. Each promise is checked on its own.
/// In addition, each history is replayed on a device, whose state must equal the result of sorting and folding, also after
/// what it emits was undone and redone.
///
/// # Panics
///
/// Panics if a promise is broken. The message names the promise, shows the difference between the states, and contains
/// the smallest failing history as the code of a test.
pub fn check_reducer<R>(make: impl FnMut(&[EntityId], &mut Dice) -> R::Event)
where
    R: Reducer<Event: Debug> + PartialEq + Debug,
{
    ReducerCheck::new().run::<R>(make);
}

/// Checks the promises of a [`Reducer`] like [`check_reducer`], with events from a list.
///
/// Events refer to entities as [`entity(0)`](super::entity), `entity(1)` and `entity(2)`.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
/// # #[derive(Debug, DiplomaticEvent)]
/// # enum NoteEvent {
/// #     #[diplomatic(entity = "note")] Written { note: EntityId, text: String },
/// #     #[diplomatic(deletes = "note")] Removed { note: EntityId },
/// # }
/// # #[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
/// # struct Notes(BTreeMap<EntityId, String>);
/// # impl Reducer for Notes {
/// #     type Event = NoteEvent;
/// #     fn apply(&mut self, event: NoteEvent, _: &Meta) {
/// #         match event {
/// #             NoteEvent::Written { note, text } => drop(self.0.insert(note, text)),
/// #             NoteEvent::Removed { note } => drop(self.0.remove(&note)),
/// #         }
/// #     }
/// # }
/// use diplomatic::testing::{check_reducer_on, entity};
///
/// check_reducer_on::<Notes>([
///     NoteEvent::Written { note: entity(0), text: "a".into() },
///     NoteEvent::Written { note: entity(0), text: "b".into() },
///     NoteEvent::Written { note: entity(1), text: "c".into() },
///     NoteEvent::Removed { note: entity(0) },
/// ]);
/// ```
///
/// # Panics
///
/// Panics like [`check_reducer`], and if there are no samples.
pub fn check_reducer_on<R>(samples: impl IntoIterator<Item = R::Event>)
where
    R: Reducer<Event: Debug> + PartialEq + Debug,
{
    ReducerCheck::new().run_on::<R>(samples);
}

/// Settings of [`check_reducer`].
///
/// ```
/// # use diplomatic::{DiplomaticEvent, Meta, Reducer};
/// # #[derive(Debug, DiplomaticEvent)]
/// # enum Drink { Drunk { cups: u32 } }
/// # #[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
/// # struct Day { cups: u32 }
/// # impl Reducer for Day {
/// #     type Event = Drink;
/// #     fn apply(&mut self, Drink::Drunk { cups }: Drink, _: &Meta) { self.cups += cups; }
/// # }
/// use diplomatic::testing::ReducerCheck;
///
/// ReducerCheck::new().seed(3).histories(20).steps(10).run_on::<Day>([Drink::Drunk { cups: 2 }]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ReducerCheck {
    seed: u64,
    histories: u64,
    steps: u64,
}

impl Default for ReducerCheck {
    fn default() -> Self {
        Self { seed: 0, histories: 256, steps: 30 }
    }
}

impl ReducerCheck {
    /// 256 histories of up to 30 steps from seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the seed of the random histories. The same seed generates the same histories.
    #[must_use]
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the number of histories.
    #[must_use]
    pub const fn histories(self, histories: u64) -> Self {
        Self { histories, ..self }
    }

    /// Sets the maximum number of steps in a history.
    #[must_use]
    pub const fn steps(self, steps: u64) -> Self {
        Self { steps, ..self }
    }

    /// Runs [`check_reducer`] with these settings.
    ///
    /// # Panics
    ///
    /// Panics like [`check_reducer`].
    pub fn run<R>(self, mut make: impl FnMut(&[EntityId], &mut Dice) -> R::Event)
    where
        R: Reducer<Event: Debug> + PartialEq + Debug,
    {
        self.check::<R>(&mut |entities, dice| Arc::new(make(entities, dice)), Misplaced::Sometimes, &|| {
            Box::new(|_| Ok(()))
        });
    }

    /// Runs [`check_reducer_on`] with these settings.
    ///
    /// # Panics
    ///
    /// Panics like [`check_reducer_on`].
    pub fn run_on<R>(self, samples: impl IntoIterator<Item = R::Event>)
    where
        R: Reducer<Event: Debug> + PartialEq + Debug,
    {
        let samples: Vec<Arc<R::Event>> = samples.into_iter().map(Arc::new).collect();
        self.check::<R>(&mut |_, dice| dice.pick(&samples).clone(), Misplaced::Sometimes, &watch::nothing);
    }

    pub(super) fn check<'w, R>(
        self,
        make: &mut Maker<'_, R::Event>,
        misplaced: Misplaced,
        watch: &dyn Fn() -> Watch<'w, R>,
    ) where
        R: Reducer<Event: Debug> + PartialEq + Debug,
    {
        let entities: Vec<EntityId> = (0..ENTITIES).map(entity).collect();
        for number in 0..self.histories {
            let mut dice = Dice::new(Dice::new(self.seed).any() ^ Dice::new(number).any());
            let misplaced = if misplaced == Misplaced::Sometimes && dice.percent(15) { 50 } else { 0 };
            let mut draw = Draw::<R> {
                dice: &mut dice,
                entities: &entities,
                make,
                now: 0,
                written: Vec::new(),
                misplaced,
                state: PhantomData,
            };
            let len = draw.dice.below(self.steps) + 1;
            let history = History::<R> { steps: (0..len).flat_map(|_| draw.steps()).collect() };
            if let Err(broken) = history.try_check(watch()) {
                let (history, broken) = shrink(history, broken, watch);
                panic!("{}\n\n(history {number} of seed {})", history.report(&broken), self.seed);
            }
        }
    }
}

/// The state of a generator of histories.
struct Draw<'a, R: Reducer> {
    dice: &'a mut Dice,
    entities: &'a [EntityId],
    make: &'a mut Maker<'a, R::Event>,
    /// The latest time so far, in milliseconds.
    now: u64,
    /// The registers and singletons that were written.
    written: Vec<Arc<R::Event>>,
    /// The percentage of registers at positions where our own clients would never put them.
    misplaced: u64,
    state: PhantomData<R>,
}

impl<R: Reducer> Draw<'_, R> {
    fn steps(&mut self) -> Vec<Step<R::Event>> {
        let mut steps = vec![self.step()];
        if self.dice.percent(40) {
            steps.push(if self.dice.percent(15) { Step::Restart } else { Step::Batch });
        }
        steps
    }

    fn step(&mut self) -> Step<R::Event> {
        let at = self.moment();
        let entity = self.dice.pick(self.entities).clone();
        match self.dice.below(100) {
            0..9 => Step::Delete { at, entity },
            9..16 if !self.written.is_empty() => Step::DeleteRegister { at, of: self.dice.pick(&self.written).clone() },
            16..20 => Step::Unknown { at, entity },
            20..26 => Step::Emit { millis: self.now, event: self.event() },
            _ => {
                let event = self.event();
                let is_fact = match event.to_draft() {
                    Ok(Draft::Content { target: Target::Fresh, .. } | Draft::Bare { entity: None, .. }) => true,
                    Ok(Draft::Content { target: Target::Register { .. } | Target::Singleton, .. }) => {
                        self.written.push(event.clone());
                        false
                    }
                    _ => false,
                };
                let about = match () {
                    () if is_fact => Some(entity),
                    // Where nothing else stands, too, so that two of them meet.
                    () if self.dice.percent(self.misplaced) => {
                        Some(if self.dice.percent(50) { entity } else { super::entity(ENTITIES) })
                    }
                    () => None,
                };
                Step::Event { at, about, event }
            }
        }
    }

    fn event(&mut self) -> Arc<R::Event> {
        (self.make)(self.entities, self.dice)
    }

    /// Returns a time: mostly the latest so far or later, sometimes earlier.
    fn moment(&mut self) -> (u64, u64) {
        self.now += self.dice.below(3);
        let millis = if self.dice.percent(25) { self.dice.below(self.now + 1) } else { self.now };
        (millis, self.dice.below(2))
    }
}

/// Shrinks a history that breaks a promise, by leaving out and simplifying steps.
fn shrink<'w, R>(mut history: History<R>, mut broken: Broken, watch: &dyn Fn() -> Watch<'w, R>) -> (History<R>, Broken)
where
    R: Reducer + PartialEq + Debug,
{
    let mut tries = 0;
    let mut is_worse = |smaller: &History<R>, broken: &mut Broken| {
        tries += 1;
        match smaller.try_check(watch()) {
            Err(found) if tries < SHRINKS && (found.law == broken.law || broken.law == Law::Unclear) => {
                *broken = found;
                true
            }
            _ => false,
        }
    };
    let mut len = history.steps.len();
    while len > 0 {
        let mut start = 0;
        let mut removed = false;
        while start < history.steps.len() {
            let mut smaller = history.clone();
            smaller.steps.drain(start..(start + len).min(history.steps.len()));
            if is_worse(&smaller, &mut broken) {
                history = smaller;
                removed = true;
            } else {
                start += len;
            }
        }
        len = if removed && len == 1 { 1 } else { len / 2 };
    }
    for simpler in [without_counters::<R>, in_small_steps::<R>] {
        let simpler = simpler(&history);
        if is_worse(&simpler, &mut broken) {
            history = simpler;
        }
    }
    (history, broken)
}

fn moment_of<E>(step: &mut Step<E>) -> Option<(&mut u64, Option<&mut u64>)> {
    match step {
        Step::Event { at, .. }
        | Step::Delete { at, .. }
        | Step::DeleteRegister { at, .. }
        | Step::Unknown { at, .. } => Some((&mut at.0, Some(&mut at.1))),
        Step::Emit { millis, .. } => Some((millis, None)),
        Step::Batch | Step::Restart => None,
    }
}

fn without_counters<R: Reducer>(history: &History<R>) -> History<R> {
    let mut simpler = history.clone();
    simpler.steps.iter_mut().filter_map(moment_of).filter_map(|(_, counter)| counter).for_each(|counter| *counter = 0);
    simpler
}

/// Replaces the times by 1, 2, 3 and so on.
fn in_small_steps<R: Reducer>(history: &History<R>) -> History<R> {
    let mut simpler = history.clone();
    let mut times: Vec<u64> = simpler.steps.iter_mut().filter_map(moment_of).map(|(millis, _)| *millis).collect();
    times.sort_unstable();
    times.dedup();
    for (millis, _) in simpler.steps.iter_mut().filter_map(moment_of) {
        *millis = times.partition_point(|time| time < millis) as u64 + 1;
    }
    simpler
}
