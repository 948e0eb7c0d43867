//! Bringing back what was at a point in time.

use diplomatic::compact::Keep;
use diplomatic::error::{HistoryError, RestoreError};
use diplomatic::history::{Happened, Restore};
use diplomatic::raw::Raw;
use diplomatic::standard::{EntityId, Label};
use diplomatic::{Backing, Device, DiplomaticEvent, Meta, Reducer};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use crate::past::{deliver, renamed};
use crate::todo::{Event, Todos, added, at, device, open, seed};
use crate::undo::{Dice, act};

#[test]
fn the_account_is_brought_back_to_what_it_was_synced_and_can_be_undone() {
    let (mut here, mut there) = (device(), device());
    let back = there.link_host(&Label::new("here")).unwrap();
    let milk = here.emit(at(1), &added("milk")).unwrap();
    here.emit(at(2), &renamed(&milk, "oat milk")).unwrap();
    here.emit(at(2), &Event::Status("at home".into())).unwrap();
    let then = here.read(Clone::clone);
    here.emit(at(3), &renamed(&milk, "rice milk")).unwrap();
    here.emit(at(4), &Event::Removed { todo: milk.clone() }).unwrap();
    here.emit(at(5), &added("bread")).unwrap();
    here.emit(at(6), &Event::Status("away".into())).unwrap();
    let now = here.read(Clone::clone);

    let preview = here.restore_preview(&Restore::to(at(2))).unwrap();
    assert_eq!(here.read(Clone::clone), now, "a preview changes nothing");
    let gone: Vec<_> = preview.iter().filter(|change| change.then.is_none()).collect();
    assert_eq!((preview.len(), gone.len()), (4, 1));
    assert_eq!(gone[0].now.what, Happened::Event(added("bread")));

    let restored = here.restore(at(10), &Restore::to(at(2))).unwrap();
    assert_eq!(restored.entities.len(), 4);
    assert_eq!(here.read(Clone::clone), then);
    assert_eq!(here.restore_preview(&Restore::to(at(2))).unwrap(), []);
    assert_eq!(here.restore(at(11), &Restore::to(at(2))).unwrap().entities, []);
    deliver(&mut here, &mut there, back);
    assert_eq!(there.read(Clone::clone), then);

    here.undo(at(12)).unwrap();
    assert_eq!(here.read(Clone::clone), now);
    here.redo(at(13)).unwrap();
    assert_eq!(here.read(Clone::clone), then);
}

#[test]
fn an_entity_is_brought_back_with_its_registers_and_nothing_else() {
    let mut device = device();
    let [milk, bread] = ["milk", "bread"].map(|title| device.emit(at(1), &added(title)).unwrap());
    device.emit(at(2), &renamed(&milk, "oat milk")).unwrap();
    for todo in [&milk, &bread] {
        device.emit(at(3), &renamed(todo, "cheese")).unwrap();
        device.emit(at(4), &Event::Done { todo: todo.clone(), done: true }).unwrap();
    }
    device.restore(at(5), &Restore::to(at(2)).entity(milk.clone())).unwrap();
    let item = |todo| device.read(|todos| todos.items[todo].clone());
    assert_eq!(item(&milk), ("oat milk".into(), false));
    assert_eq!(item(&bread), ("cheese".into(), true));
}

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "board")]
enum BoardEvent {
    #[diplomatic(pid = "board")]
    Listed { board: EntityId, name: String },
    #[diplomatic(pid = "list")]
    Carded { list: EntityId, text: String },
    #[diplomatic(overwrites = "card")]
    Edited { card: EntityId, text: String },
    #[diplomatic(deletes = "what")]
    Removed { what: EntityId },
}

/// A list takes its cards along, and a card needs its list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Board {
    lists: std::collections::BTreeMap<EntityId, String>,
    cards: std::collections::BTreeMap<EntityId, (EntityId, String)>,
}

impl Reducer for Board {
    type Event = BoardEvent;

    fn apply(&mut self, event: BoardEvent, at: &Meta) {
        match event {
            BoardEvent::Listed { name, .. } => drop(self.lists.insert(at.entity.clone(), name)),
            BoardEvent::Carded { list, text } => {
                if self.lists.contains_key(&list) {
                    self.cards.insert(at.entity.clone(), (list, text));
                }
            }
            BoardEvent::Edited { card, text } => {
                if let Some(card) = self.cards.get_mut(&card) {
                    card.1 = text;
                }
            }
            BoardEvent::Removed { what } => {
                self.lists.remove(&what);
                self.cards.remove(&what);
                self.cards.retain(|_, (list, _)| *list != what);
            }
        }
    }
}

fn board() -> Device<Board> {
    Device::open(Backing::memory(), &seed(), StdRng::seed_from_u64(1)).unwrap()
}

#[test]
fn a_subtree_is_brought_back_with_what_is_below_and_nothing_beside() {
    let mut device = board();
    let root = EntityId::new(b"a board", at(0));
    let list = |name: &str| BoardEvent::Listed { board: root.clone(), name: name.into() };
    let card = |list: &EntityId, text: &str| BoardEvent::Carded { list: list.clone(), text: text.into() };
    let [one, other] = ["one", "other"].map(|name| device.emit(at(1), &list(name)).unwrap());
    let milk = device.emit(at(2), &card(&one, "milk")).unwrap();
    let bread = device.emit(at(2), &card(&other, "bread")).unwrap();
    let then = device.read(Clone::clone);
    device.emit(at(3), &BoardEvent::Edited { card: milk.clone(), text: "oat milk".into() }).unwrap();
    device.emit(at(3), &BoardEvent::Edited { card: bread.clone(), text: "rye".into() }).unwrap();
    device.emit(at(4), &card(&one, "cheese")).unwrap();
    device.restore(at(5), &Restore::to(at(2)).subtree(one.clone())).unwrap();
    device.read(|board| {
        assert_eq!(board.cards.len(), 2, "the cheese was not there");
        assert_eq!(board.cards[&milk].1, "milk");
        assert_eq!(board.cards[&bread].1, "rye", "it is in another list");
    });
    device.restore(at(6), &Restore::to(at(2)).subtree(root)).unwrap();
    assert_eq!(device.read(Clone::clone), then);
}

#[test]
fn what_stands_on_an_entity_comes_back_with_it() {
    let mut device = board();
    let root = EntityId::new(b"a board", at(0));
    let one = device.emit(at(1), &BoardEvent::Listed { board: root, name: "one".into() }).unwrap();
    let milk = device.emit(at(2), &BoardEvent::Carded { list: one.clone(), text: "milk".into() }).unwrap();
    device.emit(at(3), &BoardEvent::Edited { card: milk, text: "oat milk".into() }).unwrap();
    let before = device.read(Clone::clone);
    device.emit(at(4), &BoardEvent::Removed { what: one.clone() }).unwrap();
    assert!(device.read(|board| board.cards.is_empty()));
    device.undo(at(5)).unwrap();
    assert_eq!(device.read(Clone::clone), before);
    device.redo(at(6)).unwrap();
    assert!(device.read(|board| board.cards.is_empty()));
    device.restore(at(7), &Restore::to(at(3)).entity(one)).unwrap();
    assert_eq!(device.read(Clone::clone), before);
}

#[test]
fn an_account_whose_types_are_not_known_is_brought_back_too() {
    let backing = Backing::memory();
    let mut device = open(&backing);
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&milk, "oat milk")).unwrap();
    let then = device.read(Clone::clone);
    device.emit(at(3), &Event::Removed { todo: milk }).unwrap();
    device.emit(at(3), &Event::Status("away".into())).unwrap();
    drop(device);
    let mut raw = Device::<Raw>::open(backing.clone(), &seed(), StdRng::seed_from_u64(2)).unwrap();
    assert_eq!(raw.restore(at(4), &Restore::to(at(2))).unwrap().entities.len(), 3);
    drop(raw);
    assert_eq!(open(&backing).read(Clone::clone), then);
}

#[test]
fn what_compaction_dropped_is_not_brought_back_but_refused() {
    let mut device = device();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &renamed(&milk, "bread")).unwrap();
    device.emit(at(3), &renamed(&milk, "cheese")).unwrap();
    device.compact(Keep::Latest).unwrap();
    let error = device.restore(at(4), &Restore::to(at(2))).unwrap_err();
    assert!(matches!(error, RestoreError::History(HistoryError::BeforeHorizon { .. })), "{error}");
    assert!(device.restore_preview(&Restore::to(at(2))).is_err());
    assert_eq!(device.restore(at(4), &Restore::to(at(3))).unwrap().entities, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_account_is_as_it_was_at_that_time(seed in any::<u64>(), steps in 1..15_u64) {
        let (mut device, mut dice) = (device(), Dice::new(seed));
        for step in 0..steps {
            match dice.below(8) {
                0 => drop(device.undo(at(10 * step + 1))),
                1 => drop(device.redo(at(10 * step + 1))),
                _ => act(&mut device, &mut dice, 10 * step + 1),
            }
        }
        let before: Todos = device.read(Clone::clone);
        let then = at(dice.below(10 * steps + 10));
        let expected = device.state_at(then).unwrap();
        device.restore(at(1_000), &Restore::to(then)).unwrap();
        prop_assert_eq!(&device.read(Clone::clone), &expected);
        prop_assert_eq!(device.restore_preview(&Restore::to(then)).unwrap(), []);
        let last = device.can_undo().unwrap();
        if last.is_some_and(|last| last.events.iter().all(|event| event.meta.changed >= at(1_000))) {
            device.undo(at(1_001)).unwrap();
            prop_assert_eq!(&device.read(Clone::clone), &before);
        }
    }
}
