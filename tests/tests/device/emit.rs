//! What emitting promises.

use diplomatic::standard::{EntityId, Label};
use diplomatic::sync::SyncLog;
use diplomatic::{Backing, Device, EmitError};

use crate::fold::quietly;
use crate::todo::{Event, Todos, added, at, device, open};

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

/// What there is of a device to see.
fn everything(device: &mut Device<Todos>, link: u32) -> (Todos, usize, u64, usize) {
    let queued = device.session_log(link).pending().unwrap();
    (device.read(Clone::clone), device.messages().unwrap().len(), queued, device.unread().quarantined().count())
}

#[test]
fn an_event_that_the_reducer_cannot_apply_is_refused_and_leaves_nothing_behind() {
    let backing = Backing::memory();
    let mut device = open(&backing);
    let link = device.link_host(&Label::default()).unwrap();
    let todo = device.emit(at(1), &added("milk")).unwrap();
    let rename = |title: &str| Event::Renamed { todo: todo.clone(), title: title.into() };
    for n in 0..10 {
        device.emit(at(2 + n), &rename("bread")).unwrap();
        let before = everything(&mut device, link);
        let error = quietly(|| device.emit(at(3 + n), &Event::Explosive).unwrap_err());
        assert!(matches!(&error, EmitError::Panicked { .. }));
        assert_eq!(error.to_string(), "the reducer panicked: boom");
        assert_eq!(everything(&mut device, link), before);
    }
    let before = everything(&mut device, link);
    drop(device);
    let mut device = open(&backing);
    assert_eq!(everything(&mut device, link), before);
    device.emit(at(20), &rename("cheese")).unwrap();
    assert_eq!(device.read(|todos| todos.items[&todo].0.clone()), "cheese");
}

#[test]
fn events_that_are_emitted_together_with_a_refused_one_are_refused_too() {
    let backing = Backing::memory();
    let mut device = open(&backing);
    let link = device.link_host(&Label::default()).unwrap();
    let todo = device.emit(at(1), &added("milk")).unwrap();
    let note = EntityId::new(b"a note", at(0));
    let noted = || Event::Noted { note: note.clone(), text: "one".into() };
    device.emit_all(at(2), &[noted(), Event::Removed { todo: note.clone() }]).unwrap();
    let before = everything(&mut device, link);
    let rename = Event::Renamed { todo: todo.clone(), title: "bread".into() };
    // The note comes back from its delete, for which the state is folded again rather than applied on top.
    for events in [vec![rename.clone(), Event::Explosive, added("tea")], vec![rename, noted(), Event::Explosive]] {
        quietly(|| device.emit_all(at(3), &events).unwrap_err());
        assert_eq!(everything(&mut device, link), before);
    }
    device.emit(at(4), &noted()).unwrap();
    drop(device);
    assert_eq!(open(&backing).read(|todos| todos.notes[&note].clone()), "one");
}

#[test]
fn an_event_that_does_not_read_back_is_refused() {
    #[derive(Debug, diplomatic::DiplomaticEvent)]
    enum Odd {
        Said {
            #[serde(serialize_with = "in_words")]
            number: u64,
        },
    }
    fn in_words<S: serde::Serializer>(_: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("many")
    }
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Count(u64);
    impl diplomatic::Reducer for Count {
        type Event = Odd;
        fn apply(&mut self, Odd::Said { number }: Odd, _: &diplomatic::Meta) {
            self.0 += number;
        }
    }
    let rng = rand::make_rng::<rand::rngs::StdRng>();
    let mut device = Device::<Count>::open(Backing::memory(), &crate::todo::seed(), rng).unwrap();
    assert!(matches!(device.emit(at(1), &Odd::Said { number: 3 }), Err(EmitError::Unreadable(_))));
    assert!(device.messages().unwrap().is_empty());
}
