//! A reducer's promises, checked on the messages of one history.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::diff::diff;
use super::model::{self, Panicked};
use crate::event::{DiplomaticEvent, Draft, Shape, Target};
use crate::fold::{Reading, delete_is_event, event_type, read_state, root_of};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Content, EntityId, Message};

/// What a reducer does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Law {
    Equal,
    Harmless,
    Pure,
    Serialized,
    Overwrites,
    Deletes,
    Roots,
    Undo,
    Aggregate,
    Projection,
    /// No promise above is broken, but the state is wrong.
    Unclear,
}

impl Law {
    pub(super) const fn promise(self) -> &'static str {
        match self {
            Self::Equal => {
                "the state equals itself: no float in it is NaN, which equals nothing. Keep NaN out of the state, or \
                 compare floats by their bits"
            }
            Self::Harmless => {
                "an event about something that is not there (deleted on another device, or not arrived yet) is \
                 harmless: `apply` does not panic"
            }
            Self::Pure => {
                "`apply` depends on the state, the event and its `Meta` alone: not on a clock, on chance, or on a \
                 counter outside of the state"
            }
            Self::Serialized => {
                "the state comes back from its serialized form as it was. If a field is skipped there, `loaded` rebuilds it"
            }
            Self::Overwrites => {
                "for `overwrites`, `entity` and `singleton`, applying the later of two events for the same key gives \
                 the same state as applying both, whatever comes between them"
            }
            Self::Deletes => {
                "for `deletes`, applying it gives the same state as if the events of that entity, and the registers \
                 that hang on it, had never been"
            }
            Self::Roots => {
                "for `INDEPENDENT_ROOTS`, events about different entities (each with the registers that hang on it) give \
                 the same state in either order, and a root whose events are applied again after its delete is as it was"
            }
            Self::Undo => "undo gives back what was there before, and redo what was undone",
            Self::Aggregate => "an aggregate is what the whole state says of its root",
            Self::Projection => {
                "rows that follow a log are those that a rebuild gives: `save` writes the rows of a page, removes those \
                 that are `None`, and removes all before if the page is anew"
            }
            Self::Unclear => "the state is the fold of the live messages, sorted",
        }
    }
}

/// A broken promise.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) law: Law,
    pub(super) details: String,
}

/// Checks the promises that need no device.
pub(super) fn check<R: Reducer + PartialEq + Debug>(messages: &[Message]) -> Result<(), Broken> {
    let live = model::live::<R::Event>(messages);
    let state = model::fold::<R>(&live).map_err(|panicked| harmless::<R>(messages, &panicked))?;
    equal(&state)?;
    let differs = |law, other: &R, why: &str| {
        if *other == state {
            return Ok(());
        }
        equal(other)?;
        Err(Broken { law, details: format!("{why}:\n{}", diff(&state, other)) })
    };
    let refold =
        |between: fn(R) -> R| model::fold_with(&live, between).map_err(|panicked| harmless::<R>(messages, &panicked));
    let again = refold(|state| state)?;
    differs(Law::Pure, &again, "the same events gave one state first (-) and another then (+)")?;
    let kept = refold(through_bytes)?;
    differs(
        Law::Serialized,
        &kept,
        "the state (-), and what comes of it when it is written and read between events (+)",
    )?;

    let mut places: Vec<&Message> = messages.iter().collect();
    places.sort_by_key(|message| Position::of(message.head()));
    places.dedup_by_key(|message| Position::of(message.head()));
    for old in places.iter().filter(|message| !is_in(message, &live)) {
        let Some(new) = live.iter().find(|message| message.head().entity() == old.head().entity()) else { continue };
        let Some(law) = replaced::<R::Event>(messages, old, new) else { continue };
        let both: Vec<&Message> =
            places.iter().copied().filter(|message| is_in(message, &live) || is_in(message, &[old])).collect();
        let other = model::fold::<R>(&both).map_err(|panicked| harmless::<R>(messages, &panicked))?;
        let (old, new) = (describe::<R::Event>(old), describe::<R::Event>(new));
        differs(law, &other, &format!("the state (-), and what it is if {old} was applied before {new} came (+)"))?;
    }
    if R::INDEPENDENT_ROOTS
        && let Some(roots) = by_root::<R::Event>(&live)
    {
        let refold =
            |order: &[&Message]| model::fold::<R>(order).map_err(|panicked| harmless::<R>(messages, &panicked));
        let forwards: Vec<&Message> = roots.values().flatten().copied().collect();
        let backwards: Vec<&Message> = roots.values().rev().flatten().copied().collect();
        for order in [forwards, backwards] {
            let names: Vec<String> = order.iter().map(|message| describe::<R::Event>(message)).collect();
            let why = format!("the state (-), and what it is in another order of the roots, {} (+)", names.join(", "));
            differs(Law::Roots, &refold(&order)?, &why)?;
        }
        for (root, of_root) in roots.iter().filter(|(root, _)| delete_is_event::<R::Event>(root)) {
            let delete = model::tombstone(root.clone(), model::DAWN, 0);
            let order: Vec<&Message> = live.iter().copied().chain([&delete]).chain(of_root.iter().copied()).collect();
            let why = format!("the state (-), and what it is when {root} was deleted and applied again (+)");
            differs(Law::Roots, &refold(&order)?, &why)?;
        }
    }
    Ok(())
}

/// Returns the messages that are events by their roots; `None` if that of one is not known.
fn by_root<'m, E: DiplomaticEvent>(live: &[&'m Message]) -> Option<BTreeMap<EntityId, Vec<&'m Message>>> {
    let mut roots: BTreeMap<EntityId, Vec<&Message>> = BTreeMap::new();
    for message in live {
        let reading = Reading::<E>::of(message);
        if matches!(reading, Reading::Event { .. } | Reading::Delete { .. }) {
            roots.entry(root_of(message, &reading)?).or_default().push(message);
        }
    }
    Some(roots)
}

/// Checks that a state can be compared at all.
pub(super) fn equal<R: PartialEq + Debug>(state: &R) -> Result<(), Broken> {
    let itself = |other: &R| state == other;
    if itself(state) {
        return Ok(());
    }
    let debug = format!("{state:#?}");
    let lines: Vec<&str> = debug.lines().filter(|line| line.contains("NaN")).collect();
    let details = match lines.as_slice() {
        [] => format!("the state does not equal itself:\n{debug}"),
        lines => format!("the state holds NaN, and so does not equal itself:\n{}", lines.join("\n")),
    };
    Err(Broken { law: Law::Equal, details })
}

fn is_in(message: &Message, among: &[&Message]) -> bool {
    among.iter().any(|other| other.head().hash() == message.head().hash())
}

fn through_bytes<R: Reducer>(state: R) -> R {
    let Ok(bytes) = rmp_serde::to_vec_named(&state) else { return R::default() };
    read_state(&bytes).unwrap_or_default()
}

pub(super) fn harmless<R: Reducer>(messages: &[Message], panicked: &Panicked) -> Broken {
    let message = messages.iter().find(|message| Position::of(message.head()) == panicked.position);
    let event = message.map_or_else(|| "an event".to_owned(), describe::<R::Event>);
    Broken { law: Law::Harmless, details: format!("over {event}, {}", panicked.panic) }
}

pub(super) fn describe<E: DiplomaticEvent>(message: &Message) -> String {
    let name = match Reading::<E>::of(message) {
        Reading::Event { event_type, .. } => format!("`{event_type}`"),
        Reading::Delete { .. } => {
            let name = E::TYPES.iter().find(|known| known.shape == Shape::Delete).map_or("", |known| known.name);
            format!("`{name}`")
        }
        Reading::SilentDelete => "the tombstone of a register".to_owned(),
        Reading::Foreign => "a message of the framework".to_owned(),
        Reading::Unknown { type_name } => format!("the unknown `{type_name}`"),
        Reading::Unfit { .. } => "a message that does not read".to_owned(),
    };
    let Position { changed, counter, .. } = Position::of(message.head());
    format!("{name} at ({}, {counter})", changed.since(model::DAWN).as_millis())
}

/// Returns the promise that makes it irrelevant whether `old` was applied before `new`, which has the same entity.
fn replaced<E: DiplomaticEvent>(messages: &[Message], old: &Message, new: &Message) -> Option<Law> {
    let Content::Typed { type_name, parent, .. } = Content::of(old) else { return None };
    let Reading::Event { event: old_event, .. } = Reading::<E>::of(old) else { return None };
    let old_type = event_type::<E>(type_name)?;
    match Reading::<E>::of(new) {
        Reading::Delete { .. } => matches!(old_type.shape, Shape::Fact | Shape::Entity).then_some(Law::Deletes),
        Reading::Event { event, event_type } if event_type == old_type.name => match old_type.shape {
            Shape::Entity | Shape::Singleton => Some(Law::Overwrites),
            Shape::Register => {
                let at_home = |event| register_of(event, type_name).as_ref() == Some(old.head().entity());
                (at_home(&old_event) && at_home(&event)).then_some(Law::Overwrites)
            }
            _ => None,
        },
        Reading::SilentDelete => {
            let parent = parent.filter(|parent| old.head().entity().is_derived() && delete_is_event::<E>(parent))?;
            let last = messages.iter().filter(|message| *message.head().entity() == parent);
            let last = last.max_by_key(|message| Position::of(message.head()))?;
            let went = last.body().is_none() && Position::of(last.head()) > Position::of(old.head());
            went.then_some(Law::Deletes)
        }
        _ => None,
    }
}

fn register_of<E: DiplomaticEvent>(event: &E, type_name: &str) -> Option<EntityId> {
    match event.to_draft() {
        Ok(Draft::Content { target: Target::Register { key }, .. }) => Some(EntityId::register(type_name, &key)),
        _ => None,
    }
}
