//! Everything that a person does can be taken back.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use diplomatic::testing::Dice;
use diplomatic::{Backing, Device, EntityId, Seed, Timestamp, TransactError, UndoError};
use rand::SeedableRng;
use rand::rngs::StdRng;
use support::events::{added, day, one_of_each, order};
use todo::{Command, Preferences, Refusal, TodoEvent, Todos, inbox};

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

fn device() -> Device<Todos> {
    Device::open(Backing::memory(), &Seed::from_bytes([7; 32]), StdRng::seed_from_u64(1)).unwrap()
}

fn carry_out(device: &mut Device<Todos>, command: Command, new: EntityId) -> Result<(), TransactError<Refusal>> {
    device.transact(NOW, |todos, batch| {
        command.decide(todos, new)?.into_iter().for_each(|event| drop(batch.push(event)));
        Ok(())
    })
}

#[test]
fn every_event_can_be_taken_back() {
    let mut device = device();
    let list = EntityId::new(b"shopping", NOW);
    let milk = device.emit(NOW, &added("milk")).unwrap();
    let saved = TodoEvent::ListSaved { list: list.clone(), name: "Market".to_owned(), order: order("80") };
    device.emit(NOW, &saved).unwrap();
    device.emit(NOW, &TodoEvent::Due { item: milk.clone(), due: Some(day("2026-12-01")) }).unwrap();
    device.emit(NOW, &TodoEvent::Noted { item: milk.clone(), notes: "fresh".to_owned() }).unwrap();
    let before = device.read(Todos::clone);

    for event in one_of_each(&milk, &list) {
        device.emit(NOW, &event).unwrap();
        assert_ne!(device.read(Todos::clone), before, "{event:?} did nothing");
        device.undo(NOW).unwrap();
        assert_eq!(device.read(Todos::clone), before, "after {event:?} and undo");
        device.redo(NOW).unwrap();
        assert_ne!(device.read(Todos::clone), before, "after {event:?}, undo and redo");
        device.undo(NOW).unwrap();
        assert_eq!(device.read(Todos::clone), before, "after {event:?}, undo, redo and undo");
    }
}

#[test]
fn undo_leads_all_the_way_back() {
    for seed in 0..40 {
        let (mut device, mut dice) = (device(), Dice::new(seed));
        for step in 0..40 {
            let new = EntityId::new(&[step], NOW);
            // What is refused is no step.
            let command = device.read(|todos| any_command(todos, &mut dice));
            let _ = carry_out(&mut device, command, new);
        }
        assert_ne!(device.read(Todos::clone), Todos::default());
        let end = loop {
            if let Err(error) = device.undo(NOW) {
                break error;
            }
        };
        assert!(matches!(end, UndoError::Nothing), "{end}, with seed {seed}");
        assert_eq!(device.read(Todos::clone), Todos::default(), "with seed {seed}");
    }
}

fn any_command(todos: &Todos, dice: &mut Dice) -> Command {
    let lists: Vec<_> = todos.lists().into_iter().map(|(id, _)| id).collect();
    let list = dice.pick(&lists).clone();
    let items: Vec<_> = lists.iter().flat_map(|list| todos.items_of(list)).map(|(id, _)| id.clone()).collect();
    if items.is_empty() {
        return Command::Add { list, title: dice.word() };
    }
    let item = dice.pick(&items).clone();
    match dice.below(12) {
        0 | 1 => Command::Add { list, title: dice.word() },
        2 => Command::Rename { item, title: dice.word() },
        3 => Command::Note { item, notes: dice.word() },
        4 => Command::Due { item, due: Some(day(if dice.percent(50) { "2026-11-23" } else { "2026-11-24" })) },
        5 => Command::Tick { item, done: dice.percent(60) },
        6 => Command::Move { item, list, before: Some(dice.pick(&items).clone()) },
        7 => Command::Archive { item, archived: dice.percent(60) },
        8 => Command::Delete { item },
        9 => Command::AddList { name: dice.word() },
        10 if list != inbox() => Command::DeleteList { list },
        10 => Command::RenameList { list, name: dice.word() },
        _ => Command::Prefer(Preferences { hide_done: dice.percent(50) }),
    }
}

#[test]
fn a_list_comes_back_with_its_items() {
    let mut device = device();
    let list = EntityId::new(b"shopping", NOW);
    let name = "Shopping".to_owned();
    carry_out(&mut device, Command::AddList { name }, list.clone()).unwrap();
    let add = Command::Add { list: list.clone(), title: "milk".to_owned() };
    carry_out(&mut device, add, inbox()).unwrap();
    let before = device.read(Todos::clone);
    carry_out(&mut device, Command::DeleteList { list: list.clone() }, inbox()).unwrap();
    device.read(|todos| assert_eq!(todos.items_without_list().len(), 1));
    device.undo(NOW).unwrap();
    assert_eq!(device.read(Todos::clone), before);
}
