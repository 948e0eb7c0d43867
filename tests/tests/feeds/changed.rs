//! What the feeds say of single events.

use diplomatic::compact::Keep;
use diplomatic::feed::FeedCursor;
use diplomatic::history::{Happened, Origin};
use diplomatic::standard::{EntityBody, EntityId};
use diplomatic::{Backing, Device};

use crate::board::{Board, Event, added, at, card, message, open, placed, receive, renamed, written};

fn device() -> Device<Board> {
    open(&Backing::memory(), 1)
}

/// Reads all that changed, and moves the cursor.
fn changed(device: &Device<Board>, cursor: &mut Option<FeedCursor>) -> Vec<EntityId> {
    let page = device.changed_entities(cursor.as_ref(), 1_000).unwrap();
    *cursor = Some(page.cursor);
    page.rows
}

#[test]
fn a_change_of_a_register_is_a_change_of_what_it_hangs_on() {
    let (mut device, mut cursor) = (device(), None);
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &added("bread")).unwrap();
    device.emit(at(3), &renamed(&milk, "oat milk")).unwrap();
    assert_eq!(changed(&device, &mut cursor).last(), Some(&milk));
    device.emit(at(4), &renamed(&milk, "soy milk")).unwrap();
    device.emit(at(5), &renamed(&milk, "rice milk")).unwrap();
    assert_eq!(changed(&device, &mut cursor), [milk]);
    assert_eq!(changed(&device, &mut cursor), []);
}

#[test]
fn a_register_that_moves_changes_both_roots_and_so_does_its_delete() {
    let (mut device, mut cursor) = (device(), None);
    let [milk, monday, tuesday] = [1, 2, 3].map(card);
    device.emit(at(1), &placed(&milk, &monday)).unwrap();
    assert_eq!(changed(&device, &mut cursor), std::slice::from_ref(&monday));
    device.emit(at(2), &placed(&milk, &tuesday)).unwrap();
    let mut both = changed(&device, &mut cursor);
    both.sort();
    assert_eq!(both, [monday.clone(), tuesday.clone()]);

    let register = written(&placed(&milk, &monday), &milk, 0, 0).head().entity().clone();
    receive(&mut device, vec![message(&register, 9, 0, None)]);
    assert!(changed(&device, &mut cursor).contains(&tuesday));
}

#[test]
fn a_root_that_lost_its_register_is_named_though_compaction_dropped_what_hung_there() {
    let (mut device, mut cursor) = (device(), None);
    let [milk, monday, tuesday] = [1, 2, 3].map(card);
    receive(&mut device, vec![written(&placed(&milk, &monday), &milk, 1, 0)]);
    assert_eq!(changed(&device, &mut cursor), std::slice::from_ref(&monday));
    receive(&mut device, vec![written(&placed(&milk, &tuesday), &milk, 2, 0)]);
    let register = written(&placed(&milk, &monday), &milk, 0, 0).head().entity().clone();
    receive(&mut device, vec![message(&register, 3, 0, None)]);
    assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 2);
    assert!(changed(&device, &mut cursor).contains(&monday));
}

#[test]
fn a_register_that_stood_by_itself_is_named_when_it_was_deleted_and_turns_up_elsewhere() {
    let (mut device, mut cursor) = (device(), None);
    let [milk, monday] = [1, 2].map(card);
    let by_itself = Event::Placed { card: milk.clone(), list: None };
    let first = written(&by_itself, &milk, 1, 0);
    let register = first.head().entity().clone();
    receive(&mut device, vec![first]);
    assert_eq!(changed(&device, &mut cursor), std::slice::from_ref(&register));
    receive(&mut device, vec![message(&register, 3, 0, None)]);
    receive(&mut device, vec![written(&placed(&milk, &monday), &milk, 2, 0)]);
    assert!(changed(&device, &mut cursor).contains(&register));
}

#[test]
fn a_late_event_that_is_dropped_does_not_hide_what_it_changed_after() {
    let (mut device, mut cursor) = (device(), None);
    let milk = card(1);
    receive(&mut device, vec![written(&added("old"), &milk, 1, 0)]);
    changed(&device, &mut cursor);
    receive(&mut device, vec![written(&added("new"), &milk, 3, 0)]);
    receive(&mut device, vec![written(&added("late"), &milk, 2, 0)]);
    assert_eq!(device.compact(Keep::Latest).unwrap().dropped, 2);
    assert_eq!(changed(&device, &mut cursor), std::slice::from_ref(&milk));
    receive(&mut device, vec![written(&added("newest"), &milk, 4, 0)]);
    assert_eq!(changed(&device, &mut cursor), [milk]);
}

#[test]
fn deletes_and_what_comes_back_are_changes() {
    let (mut device, mut cursor) = (device(), None);
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(1), &renamed(&milk, "oat milk")).unwrap();
    changed(&device, &mut cursor);
    device.emit(at(2), &Event::Removed { card: milk.clone() }).unwrap();
    assert_eq!(changed(&device, &mut cursor), std::slice::from_ref(&milk));
    receive(&mut device, vec![written(&added("again"), &milk, 3, 0)]);
    assert_eq!(changed(&device, &mut cursor), [milk]);
}

#[test]
fn arrivals_say_where_from_whether_late_and_what_became_of_them() {
    let mut device = device();
    let milk = device.emit(at(5), &added("milk")).unwrap();
    receive(
        &mut device,
        vec![
            written(&renamed(&milk, "late"), &milk, 7, 0),
            written(&renamed(&milk, "latest"), &milk, 8, 0),
            written(&renamed(&milk, "later"), &milk, 7, 1),
            message(&card(1), 9, 0, Some(EntityBody::new("later.added", EntityBody::NIL))),
        ],
    );
    let page = device.arrivals(None, 100).unwrap();
    let rows: Vec<_> =
        page.rows.iter().map(|row| (row.is_late, row.entry.overwritten_by.is_some(), row.is_unread)).collect();
    assert_eq!(
        rows,
        [(false, false, false), (false, true, false), (false, false, false), (true, true, false), (false, false, true)]
    );
    assert_eq!(page.rows[0].entry.origin, Origin::ThisDevice);
    assert!(matches!(page.rows[4].entry.what, Happened::Unknown { .. }));
    assert!(page.is_last && page.is_anew);
}

#[test]
fn more_than_a_page_arrives_in_order() {
    let mut device = device();
    let events: Vec<Event> = (0..1_000).map(|n| added(&n.to_string())).collect();
    let ids = device.emit_all(at(1), &events).unwrap();
    for limit in [1, 7, 79, 80, 5_000] {
        let (mut cursor, mut roots, mut arrived) = (None, Vec::new(), Vec::new());
        loop {
            let page = device.changed_entities(cursor.as_ref(), limit).unwrap();
            roots.extend(page.rows);
            cursor = Some(page.cursor);
            if page.is_last {
                break;
            }
        }
        assert_eq!(roots, ids);
        let mut cursor = None;
        loop {
            let page = device.arrivals(cursor.as_ref(), limit).unwrap();
            arrived.extend(page.rows.into_iter().map(|row| row.entry.meta.entity));
            cursor = Some(page.cursor);
            if page.is_last {
                break;
            }
        }
        assert_eq!(arrived, ids);
    }
    assert_eq!(device.verify(|_| ()).unwrap().problems, []);
}
