//! What becomes of a person's lists, whatever happens in whatever order.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use std::time::Duration;

use diplomatic::testing::{History, Scenario, check_reducer, check_schema, entity};
use support::events::{added, any_event, first, one_of_each, order};
use todo::{List, TodoEvent, Todos, inbox};

fn titles(todos: &Todos) -> Vec<&str> {
    todos.items_of(&inbox()).into_iter().map(|(_, item)| item.title.as_str()).collect()
}

#[test]
fn the_reducer_keeps_its_promises() {
    check_reducer::<Todos>(any_event);
}

#[test]
fn what_was_written_once_still_reads() {
    check_schema("schema/todo.json", one_of_each(&entity(0), &entity(1)));
}

#[test]
fn a_rename_on_one_device_and_a_tick_on_another_both_survive() {
    Scenario::<Todos>::given([added("milk")])
        .when([TodoEvent::Renamed { item: first(), title: "oat milk".to_owned() }])
        .when([TodoEvent::Ticked { item: first(), done: true }])
        .then(|todos| {
            let milk = todos.item(&first()).unwrap();
            assert_eq!((milk.title.as_str(), milk.done), ("oat milk", true));
        });
}

#[test]
fn of_two_renames_the_later_counts_though_it_comes_first() {
    Scenario::<Todos>::given([added("milk")])
        .at(Duration::from_secs(60))
        .when([TodoEvent::Renamed { item: first(), title: "later".to_owned() }])
        .at(Duration::from_secs(30))
        .when([TodoEvent::Renamed { item: first(), title: "earlier".to_owned() }])
        .then(|todos| assert_eq!(titles(todos), ["later"]));
}

#[test]
fn what_was_deleted_stays_deleted_though_another_device_changes_it() {
    Scenario::<Todos>::given([added("milk")])
        .when([TodoEvent::Removed { what: first() }])
        .when([TodoEvent::Renamed { item: first(), title: "oat milk".to_owned() }])
        .then_state(&Todos::default());
}

#[test]
fn what_came_back_can_be_changed_again() {
    // Undo writes the fact again.
    let milk = History::<Todos>::new().event_about((1, 0), first(), added("milk")).delete((2, 0), first());
    let back = milk.event_about((3, 0), first(), added("milk"));
    back.event((4, 0), TodoEvent::Renamed { item: first(), title: "oat milk".to_owned() }).check();
}

#[test]
fn the_items_of_a_deleted_list_are_kept() {
    let list = entity(9);
    Scenario::<Todos>::given([
        TodoEvent::ListSaved { list: list.clone(), name: "Shopping".to_owned(), order: order("80") },
        TodoEvent::Added { list: list.clone(), title: "milk".to_owned(), order: order("80") },
    ])
    .then(|todos| assert!(todos.items_without_list().is_empty()))
    .when([TodoEvent::Removed { what: list.clone() }])
    // The other device did not know yet.
    .when([TodoEvent::Added { list: list.clone(), title: "bread".to_owned(), order: order("81") }])
    .then(|todos| {
        let strays: Vec<_> = todos.items_without_list().into_iter().map(|(_, item)| item.title.as_str()).collect();
        assert_eq!(strays, ["milk", "bread"]);
        assert_eq!(todos.list(&list), None);
    });
}

#[test]
fn the_inbox_is_there_from_the_start_and_can_be_renamed() {
    let start = Todos::default();
    assert_eq!(
        start.lists().into_iter().map(|(id, list)| (id, list.name)).collect::<Vec<_>>(),
        [(inbox(), "Inbox".to_owned())]
    );
    let saved = |list, name: &str| TodoEvent::ListSaved { list, name: name.to_owned(), order: order("01") };
    Scenario::<Todos>::given([saved(entity(5), "Home"), saved(inbox(), "Today")]).then(|todos| {
        let names: Vec<_> = todos.lists().into_iter().map(|(_, List { name, .. })| name).collect();
        assert_eq!(names, ["Today", "Home"]);
    });
}

#[test]
fn equal_places_have_one_order_on_every_device() {
    let ids = |state: &Todos| state.items_of(&inbox()).into_iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    Scenario::<Todos>::given([added("a"), added("b"), added("c")])
        .then(|todos| assert_eq!(ids(todos), [entity(0), entity(1), entity(2)]));
}
