//! Undo and redo.

use diplomatic::history::{Happened, Undone};
use diplomatic::standard::{EntityId, Label};
use diplomatic::{Backing, Device, UndoError};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::past::{deliver, renamed};
use crate::todo::{Event, Todos, added, at, device, open};

fn titles(device: &Device<Todos>) -> Vec<String> {
    device.read(|todos| todos.items.values().map(|item| item.0.clone()).collect())
}

fn types(device: &Device<Todos>) -> Option<String> {
    device.can_undo().unwrap().map(|undoable| undoable.to_string())
}

#[test]
fn undo_goes_back_step_by_step_and_redo_forth_also_after_a_restart() {
    let backing = Backing::memory();
    let mut device = open(&backing);
    let todo = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&todo, "bread")).unwrap();
    device.emit(at(3), &renamed(&todo, "cheese")).unwrap();
    for (step, title) in (4..).zip(["bread", "milk"]) {
        drop(device);
        device = open(&backing);
        device.undo(at(step)).unwrap();
        assert_eq!(titles(&device), [title]);
    }
    device.undo(at(6)).unwrap();
    assert!(titles(&device).is_empty());
    assert!(matches!(device.undo(at(7)).unwrap_err(), UndoError::Nothing));
    for (step, title) in (8..).zip(["milk", "bread", "cheese"]) {
        drop(device);
        device = open(&backing);
        device.redo(at(step)).unwrap();
        assert_eq!(titles(&device), [title]);
    }
    assert!(matches!(device.redo(at(12)).unwrap_err(), UndoError::Nothing));
    device.undo(at(13)).unwrap();
    assert_eq!(titles(&device), ["bread"]);
}

#[test]
fn undo_takes_back_a_whole_transaction() {
    let mut device = device();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    let before = device.read(Clone::clone);
    device
        .transact(at(2), |_, batch| {
            let bread = batch.push(added("bread"));
            batch.push(renamed(&bread, "rye"));
            batch.push(Event::Done { todo: bread, done: true });
            batch.push(renamed(&milk, "oat milk"));
            batch.push(Event::Status("away".into()));
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
    let after = device.read(Clone::clone);
    device.undo(at(3)).unwrap();
    assert_eq!(device.read(Clone::clone), before);
    device.redo(at(4)).unwrap();
    assert_eq!(device.read(Clone::clone), after);
    device.undo(at(5)).unwrap();
    assert_eq!(device.read(Clone::clone), before);
}

#[test]
fn a_menu_can_tell_what_is_undone_and_redone_next() {
    let mut device = device();
    assert_eq!(types(&device), None);
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit_all(at(2), &[renamed(&milk, "oat milk"), Event::Status("away".into())]).unwrap();
    device.emit(at(3), &Event::Removed { todo: milk.clone() }).unwrap();
    let undoable = device.can_undo().unwrap().unwrap();
    assert_eq!(undoable.events.len(), 1, "the tombstones of registers go with that of their entity");
    assert_eq!(undoable.events[0].what, Happened::Event(Event::Removed { todo: milk }));
    assert_eq!(device.can_redo().unwrap(), None);
    device.undo(at(4)).unwrap();
    assert_eq!(types(&device).unwrap(), "todo.renamed and 1 more");
    assert_eq!(device.can_redo().unwrap().unwrap().to_string(), "delete");
    device.undo(at(5)).unwrap();
    assert_eq!(types(&device).unwrap(), "todo.added");
    assert_eq!(device.can_redo().unwrap().unwrap().to_string(), "todo.renamed and 1 more");
}

#[test]
fn what_was_undone_cannot_be_redone_after_something_else() {
    let mut device = device();
    device.emit(at(1), &added("milk")).unwrap();
    device.undo(at(2)).unwrap();
    device.emit(at(3), &added("bread")).unwrap();
    assert_eq!(device.can_redo().unwrap(), None);
    assert!(matches!(device.redo(at(4)).unwrap_err(), UndoError::Nothing));
    device.undo(at(5)).unwrap();
    assert!(matches!(device.undo(at(6)).unwrap_err(), UndoError::Nothing));
}

#[test]
fn undo_takes_back_what_this_device_did_last_wherever_that_stands_in_the_order() {
    let (mut device, far) = (device(), 500_000_000_000);
    let link = device.link_host(&Label::default()).unwrap();
    let mut there = crate::todo::device();
    let todo = there.emit(at(far), &added("from 2038")).unwrap();
    deliver(&mut there, &mut device, link);
    // What is about it sorts behind it.
    device.emit(at(1), &renamed(&todo, "from far ahead")).unwrap();
    device.emit(at(2), &added("milk")).unwrap();
    device.undo(at(3)).unwrap();
    assert_eq!(device.read(|todos| todos.items.len()), 1, "milk was added last");
    device.undo(at(4)).unwrap();
    assert_eq!(titles(&device), ["from 2038"]);
}

#[test]
fn undo_does_not_touch_what_another_device_did_since() {
    let (mut here, mut there) = (device(), device());
    let todo = here.emit(at(1), &added("milk")).unwrap();
    here.emit_all(at(2), &[renamed(&todo, "bread"), Event::Done { todo: todo.clone(), done: true }]).unwrap();
    let link = here.link_host(&Label::default()).unwrap();
    there.emit(at(3), &renamed(&todo, "cheese")).unwrap();
    deliver(&mut there, &mut here, link);
    let Undone { entities, kept, .. } = here.undo(at(4)).unwrap();
    assert_eq!((entities.len(), kept.len()), (1, 1));
    assert_eq!(here.read(|todos| todos.items[&todo].clone()), ("cheese".into(), false));
}

#[test]
fn what_was_overtaken_does_not_stand_in_the_way_of_undoing_more() {
    let (mut here, mut there) = (device(), device());
    here.emit(at(1), &Event::Status("at home".into())).unwrap();
    let todo = here.emit(at(2), &added("milk")).unwrap();
    here.emit(at(3), &renamed(&todo, "bread")).unwrap();
    let link = here.link_host(&Label::default()).unwrap();
    there.emit(at(4), &renamed(&todo, "cheese")).unwrap();
    deliver(&mut there, &mut here, link);
    assert_eq!(types(&here).unwrap(), "todo.added");
    here.undo(at(5)).unwrap();
    assert!(titles(&here).is_empty());
    here.undo(at(6)).unwrap();
    assert_eq!(here.read(|todos| todos.status.clone()), "");
    assert!(matches!(here.undo(at(7)).unwrap_err(), UndoError::Nothing));
}

#[test]
fn a_delete_is_undone_with_what_another_device_wrote_meanwhile() {
    let (mut here, mut there) = (device(), device());
    let (link, back) = (here.link_host(&Label::default()).unwrap(), there.link_host(&Label::new("here")).unwrap());
    let todo = here.emit(at(1), &added("milk")).unwrap();
    here.emit(at(2), &renamed(&todo, "oat milk")).unwrap();
    deliver(&mut here, &mut there, back);
    here.emit(at(3), &Event::Removed { todo: todo.clone() }).unwrap();
    // It does not know of the delete.
    there.emit_all(at(4), &[renamed(&todo, "rice milk"), Event::Done { todo: todo.clone(), done: true }]).unwrap();
    deliver(&mut there, &mut here, link);
    assert!(titles(&here).is_empty());
    here.undo(at(5)).unwrap();
    assert_eq!(here.read(|todos| todos.items[&todo].clone()), ("rice milk".into(), true));
    here.redo(at(6)).unwrap();
    assert!(titles(&here).is_empty());
    here.undo(at(7)).unwrap();
    assert_eq!(here.read(|todos| todos.items[&todo].clone()), ("rice milk".into(), true));
    // Both agree.
    deliver(&mut here, &mut there, back);
    assert_eq!(here.read(Clone::clone), there.read(Clone::clone));
}

#[test]
fn a_removal_that_is_undone_does_not_stand_in_the_way_of_undoing_more() {
    let mut device = device();
    let todo = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&todo, "bread")).unwrap();
    device.emit(at(3), &Event::Removed { todo }).unwrap();
    device.undo(at(4)).unwrap();
    assert_eq!(titles(&device), ["bread"]);
    device.undo(at(5)).unwrap();
    assert_eq!(titles(&device), ["milk"]);
    device.undo(at(6)).unwrap();
    assert!(titles(&device).is_empty());
    assert!(matches!(device.undo(at(7)).unwrap_err(), UndoError::Nothing));
}

#[test]
fn an_event_over_which_the_reducer_panics_leaves_undo_as_it_was() {
    let mut device = device();
    device.emit(at(1), &added("milk")).unwrap();
    device.undo(at(2)).unwrap();
    crate::fold::quietly(|| device.emit(at(3), &Event::Explosive).unwrap_err());
    device.redo(at(4)).unwrap();
    assert_eq!(titles(&device), ["milk"]);
}

/// Random choices.
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end)
    }

    fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.0.random_range(0..items.len())].clone()
    }

    fn word(&mut self) -> String {
        self.pick(&["ant", "bee", "cat", "dog"]).to_owned()
    }
}

/// Emits something, in one transaction.
pub(crate) fn act(device: &mut Device<Todos>, dice: &mut Dice, now: u64) {
    let todos: Vec<EntityId> = device.read(|todos| todos.items.keys().chain(todos.notes.keys()).cloned().collect());
    let notes = [EntityId::new(b"a note", at(0)), EntityId::new(b"another note", at(0))];
    let acts = dice.below(3) + 1;
    device
        .transact(at(now), |_, batch| {
            for _ in 0..acts {
                let todo = if todos.is_empty() { None } else { Some(dice.pick(&todos)) };
                batch.push(match (dice.below(7), todo) {
                    (1 | 2, Some(todo)) => renamed(&todo, &dice.word()),
                    (3, Some(todo)) => Event::Done { todo, done: dice.percent(50) },
                    (4, Some(todo)) => Event::Removed { todo },
                    (5, _) => Event::Noted { note: dice.pick(&notes), text: dice.word() },
                    (6, _) => Event::Status(dice.word()),
                    _ => added(&dice.word()),
                });
            }
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn undo_of_a_transaction_gives_the_state_before_it_and_redo_the_one_after_it(
        seed in any::<u64>(),
        steps in 1..12_u64,
    ) {
        let (backing, mut dice) = (Backing::memory(), Dice::new(seed));
        let mut device = open(&backing);
        let mut states = vec![device.read(Clone::clone)];
        for step in 0..steps {
            act(&mut device, &mut dice, step + 1);
            states.push(device.read(Clone::clone));
        }
        // Wherever it goes, it finds the state of that place.
        let mut place = states.len() - 1;
        for now in 100..130 {
            if dice.percent(20) {
                drop(device);
                device = open(&backing);
            }
            let goes_back = place > 0 && (place + 1 == states.len() || dice.percent(60));
            if goes_back {
                device.undo(at(now)).unwrap();
                place -= 1;
            } else {
                device.redo(at(now)).unwrap();
                place += 1;
            }
            prop_assert_eq!(&device.read(Clone::clone), &states[place]);
            prop_assert_eq!(device.can_undo().unwrap().is_some(), place > 0);
            prop_assert_eq!(device.can_redo().unwrap().is_some(), place + 1 < states.len());
        }
    }
}
