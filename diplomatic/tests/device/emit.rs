//! What emitting promises.

use diplomatic::standard::EntityId;

use crate::todo::{Event, added, at, device};

#[test]
fn ten_thousand_events_of_one_millisecond_keep_their_order() {
    let mut device = device();
    let events: Vec<Event> = (0..10_000).map(|n| Event::Status(n.to_string())).chain([added("last")]).collect();
    device.emit_all(at(5), &events).unwrap();
    assert_eq!(device.read(|todos| todos.status.clone()), "9999");
    let statuses: Vec<EntityId> = device.emit_all(at(5), &[Event::Status("x".into()), added("y")]).unwrap();
    assert_eq!(statuses[0], EntityId::singleton("todo.status"));
    assert_eq!(device.read(|todos| todos.status.clone()), "x");
}

#[test]
fn a_clock_that_goes_back_an_hour_does_not_reorder_what_is_emitted() {
    let mut device = device();
    let todo = device.emit(at(3_600_000), &added("milk")).unwrap();
    device.emit(at(0), &Event::Renamed { todo: todo.clone(), title: "bread".into() }).unwrap();
    device.emit(at(1), &Event::Renamed { todo: todo.clone(), title: "cheese".into() }).unwrap();
    assert_eq!(device.read(|todos| todos.items[&todo].0.clone()), "cheese");
}

#[test]
fn a_delete_takes_the_registers_along() {
    let mut device = device();
    let todo = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &Event::Renamed { todo: todo.clone(), title: "bread".into() }).unwrap();
    device.emit(at(3), &Event::Done { todo: todo.clone(), done: true }).unwrap();
    device.emit(at(4), &Event::Removed { todo: todo.clone() }).unwrap();
    assert!(device.read(|todos| todos.items.is_empty()));
    // The creation, two registers, two tombstones for them, one for the todo.
    assert_eq!(device.messages().unwrap().len(), 6);
    // A second delete finds no register alive.
    device.emit(at(5), &Event::Removed { todo }).unwrap();
    assert_eq!(device.messages().unwrap().len(), 7);
}

#[test]
fn an_entity_can_be_written_again_after_its_delete() {
    let mut device = device();
    let note = EntityId::new(b"a note", at(0));
    let noted = |text: &str| Event::Noted { note: note.clone(), text: text.into() };
    device.emit(at(1), &noted("one")).unwrap();
    device.emit(at(2), &Event::Removed { todo: note.clone() }).unwrap();
    assert!(device.read(|todos| todos.notes.is_empty()));
    device.emit(at(3), &noted("two")).unwrap();
    assert_eq!(device.read(|todos| todos.notes[&note].clone()), "two");
}

#[test]
fn an_entity_from_the_far_future_can_still_be_changed() {
    let mut device = device();
    let year = 365 * 86_400_000;
    let note = EntityId::new(b"a note", at(year));
    let noted = |text: &str| Event::Noted { note: note.clone(), text: text.into() };
    device.emit(at(1), &noted("one")).unwrap();
    device.emit(at(2), &noted("two")).unwrap();
    let todo = device.emit(at(3), &added("milk")).unwrap();
    assert_eq!(device.read(|todos| todos.notes[&note].clone()), "two");
    assert_eq!(todo.created(), at(3), "one entity of next year does not pull the clock along");
}
