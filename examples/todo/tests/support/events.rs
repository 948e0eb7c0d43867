//! Events to try.

use diplomatic::EntityId;
use diplomatic::testing::{Dice, entity};
use todo::{Day, OrderKey, Preferences, TodoEvent, inbox};

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

pub(crate) fn order(text: &str) -> OrderKey {
    text.to_owned().try_into().unwrap()
}

pub(crate) fn added(title: &str) -> TodoEvent {
    TodoEvent::Added { list: inbox(), title: title.to_owned(), order: OrderKey::default() }
}

/// Returns one event of each kind, and more where a field may be empty, about an item and a list.
pub(crate) fn one_of_each(item: &EntityId, list: &EntityId) -> Vec<TodoEvent> {
    let (item, list) = (item.clone(), list.clone());
    vec![
        TodoEvent::Added { list: list.clone(), title: "bread".to_owned(), order: order("81") },
        TodoEvent::Renamed { item: item.clone(), title: "oat milk".to_owned() },
        TodoEvent::Noted { item: item.clone(), notes: "two\nlitres".to_owned() },
        TodoEvent::Due { item: item.clone(), due: Some(day("2026-11-23")) },
        TodoEvent::Due { item: item.clone(), due: None },
        TodoEvent::Ticked { item: item.clone(), done: true },
        TodoEvent::Placed { item: item.clone(), list: list.clone(), order: order("7f80") },
        TodoEvent::Archived { item: item.clone(), archived: true },
        TodoEvent::ListSaved { list: list.clone(), name: "Shopping".to_owned(), order: order("82") },
        TodoEvent::ListSaved { list: inbox(), name: "Today".to_owned(), order: order("80") },
        TodoEvent::Preferred(Preferences { hide_done: true }),
        TodoEvent::Removed { what: item },
        TodoEvent::Removed { what: list },
    ]
}

/// Makes an event about any of the entities, which may be items, lists, both or neither.
pub(crate) fn any_event(entities: &[EntityId], dice: &mut Dice) -> TodoEvent {
    let item = dice.pick(entities).clone();
    let list = if dice.percent(30) { inbox() } else { dice.pick(entities).clone() };
    let mut events = one_of_each(&item, &list);
    let at = dice.below(events.len() as u64) as usize;
    match at {
        0 => TodoEvent::Added { list, title: dice.word(), order: order(["40", "80", "c0"][dice.below(3) as usize]) },
        1 => TodoEvent::Renamed { item, title: dice.word() },
        2 => TodoEvent::ListSaved { list, name: dice.word(), order: OrderKey::default() },
        _ => events.swap_remove(at),
    }
}

/// The first entity of a scenario.
pub(crate) fn first() -> EntityId {
    entity(0)
}
