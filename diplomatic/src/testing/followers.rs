//! Checks of what follows a device beside its state: aggregates and projections.

use std::fmt::Debug;
use std::sync::Arc;

use super::check::Misplaced;
use super::diff::diff;
use super::history::History;
use super::laws::{Broken, Law};
use super::watch::Watch;
use super::{Dice, ReducerCheck, entity};
use crate::aggregate::Aggregate;
use crate::projecting::Projection;
use crate::reducer::Reducer;
use crate::standard::EntityId;

/// Checks on random histories, like those of [`check_reducer`](super::check_reducer), that an [`Aggregate`] is what the
/// whole state says of its root. `view` returns what the state says of an entity.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
/// # use app::*;
/// // In a test:
/// diplomatic::testing::check_aggregate::<Todos, Todo>(
///     |todos, id| todos.titles.get(id).map(|title| Todo { title: title.clone() }),
///     |entities, dice| {
///         let todo = dice.pick(entities).clone();
///         match dice.below(3) {
///             0 => TodoEvent::Added { title: dice.word() },
///             1 => TodoEvent::Renamed { todo, title: dice.word() },
///             _ => TodoEvent::Removed { todo },
///         }
///     },
/// );
/// ```
///
/// # Panics
///
/// Panics if they differ, or if the reducer breaks a promise, with the smallest failing history as the code of a test.
pub fn check_aggregate<R, A>(
    view: impl Fn(&R, &EntityId) -> Option<A>,
    make: impl FnMut(&[EntityId], &mut Dice) -> R::Event,
) where
    R: Reducer<Event: Debug> + PartialEq + Debug,
    A: Aggregate<Event = R::Event> + PartialEq + Debug,
{
    ReducerCheck::new().run_aggregate::<R, A>(view, make);
}

/// Checks on random histories, like those of [`check_reducer`](super::check_reducer), that the rows of a [`Projection`]
/// which follows a device are those of a rebuild. `new` makes one without rows, and `rows` returns what it has.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
/// # use app::*;
/// // In a test:
/// diplomatic::testing::check_projection::<Todos, Titles, _>(
///     Titles::default,
///     |titles| titles.rows.clone(),
///     |entities, dice| {
///         let todo = dice.pick(entities).clone();
///         match dice.below(3) {
///             0 => TodoEvent::Added { title: dice.word() },
///             1 => TodoEvent::Renamed { todo, title: dice.word() },
///             _ => TodoEvent::Removed { todo },
///         }
///     },
/// );
/// ```
///
/// # Panics
///
/// Panics if they differ, or if the reducer breaks a promise, with the smallest failing history as the code of a test.
pub fn check_projection<R, P, T>(
    new: impl Fn() -> P,
    rows: impl Fn(&mut P) -> T,
    make: impl FnMut(&[EntityId], &mut Dice) -> R::Event,
) where
    R: Reducer<Event: Debug> + PartialEq + Debug,
    P: Projection<Aggregate: Aggregate<Event = R::Event>, Error: Debug>,
    T: PartialEq + Debug,
{
    ReducerCheck::new().run_projection::<R, P, T>(new, rows, make);
}

impl ReducerCheck {
    /// Runs [`check_aggregate`] with these settings.
    ///
    /// # Panics
    ///
    /// Panics like [`check_aggregate`].
    pub fn run_aggregate<R, A>(
        self,
        view: impl Fn(&R, &EntityId) -> Option<A>,
        mut make: impl FnMut(&[EntityId], &mut Dice) -> R::Event,
    ) where
        R: Reducer<Event: Debug> + PartialEq + Debug,
        A: Aggregate<Event = R::Event> + PartialEq + Debug,
    {
        let mut make = |entities: &[EntityId], dice: &mut Dice| Arc::new(make(entities, dice));
        // Where a register does not hang on what its event names, state and aggregate cannot agree.
        self.check::<R>(&mut make, Misplaced::Never, &|| aggregate(&view));
    }

    /// Runs [`check_projection`] with these settings.
    ///
    /// # Panics
    ///
    /// Panics like [`check_projection`].
    pub fn run_projection<R, P, T>(
        self,
        new: impl Fn() -> P,
        rows: impl Fn(&mut P) -> T,
        mut make: impl FnMut(&[EntityId], &mut Dice) -> R::Event,
    ) where
        R: Reducer<Event: Debug> + PartialEq + Debug,
        P: Projection<Aggregate: Aggregate<Event = R::Event>, Error: Debug>,
        T: PartialEq + Debug,
    {
        let mut make = |entities: &[EntityId], dice: &mut Dice| Arc::new(make(entities, dice));
        self.check::<R>(&mut make, Misplaced::Sometimes, &|| projection(&new, &rows));
    }
}

impl<R: Reducer<Event: Debug> + PartialEq + Debug> History<R> {
    /// Checks on this history what [`check_aggregate`] checks.
    ///
    /// # Panics
    ///
    /// Panics like [`check_aggregate`].
    pub fn check_aggregate<A>(&self, view: impl Fn(&R, &EntityId) -> Option<A>)
    where
        A: Aggregate<Event = R::Event> + PartialEq + Debug,
    {
        self.check_with(|| aggregate(&view));
    }

    /// Checks on this history what [`check_projection`] checks.
    ///
    /// # Panics
    ///
    /// Panics like [`check_projection`].
    pub fn check_projection<P, T>(&self, new: impl Fn() -> P, rows: impl Fn(&mut P) -> T)
    where
        P: Projection<Aggregate: Aggregate<Event = R::Event>, Error: Debug>,
        T: PartialEq + Debug,
    {
        self.check_with(|| projection(&new, &rows));
    }
}

/// Compares the aggregates of a device with its state.
fn aggregate<'w, R, A>(view: &'w impl Fn(&R, &EntityId) -> Option<A>) -> Watch<'w, R>
where
    R: Reducer,
    A: Aggregate<Event = R::Event> + PartialEq + Debug,
{
    Box::new(move |device| {
        let page = device.changed_entities(None, usize::MAX).expect("memory does not fail");
        // Also those that are not there.
        let ids = page.rows.into_iter().filter(|root| !root.is_derived()).chain((0..4).map(entity));
        for id in ids {
            let says = device.read(|state| view(state, &id));
            let loaded = device.load::<A>(&id).expect("memory does not fail");
            if says != loaded {
                let difference = diff(&says, &loaded);
                let details = format!("what the state says of {id} (-) and its aggregate (+) differ:\n{difference}");
                return Err(Broken { law: Law::Aggregate, details });
            }
        }
        Ok(())
    })
}

/// Compares the rows that follow a device with those of a rebuild.
fn projection<'w, R, P, T>(new: &'w impl Fn() -> P, rows: &'w impl Fn(&mut P) -> T) -> Watch<'w, R>
where
    R: Reducer,
    P: Projection<Aggregate: Aggregate<Event = R::Event>, Error: Debug>,
    T: PartialEq + Debug,
{
    let mut following = new();
    Box::new(move |device| {
        let project = |projection: &mut P| {
            let projected = device.project(projection, |_| ());
            projected.map_err(|error| Broken { law: Law::Projection, details: format!("it failed: {error:?}") })?;
            Ok::<T, Broken>(rows(projection))
        };
        let (rebuilt, followed) = (project(&mut new())?, project(&mut following)?);
        if rebuilt == followed {
            return Ok(());
        }
        let difference = diff(&rebuilt, &followed);
        let details = format!("the rows of a rebuild (-) and those that followed (+) differ:\n{difference}");
        Err(Broken { law: Law::Projection, details })
    })
}
