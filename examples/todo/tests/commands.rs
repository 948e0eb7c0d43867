//! What a person asks for, and what happens then.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use diplomatic::EntityId;
use diplomatic::testing::{Scenario, entity};
use support::events::{added, day, first, order};
use todo::{Command, Preferences, Refusal, TodoEvent, Todos, inbox};

fn decide(given: Vec<TodoEvent>, command: Command) -> Result<Vec<TodoEvent>, Refusal> {
    let mut decided = None;
    let _ = Scenario::<Todos>::given(given).then(|todos| decided = Some(command.decide(todos, new())));
    decided.unwrap()
}

fn new() -> EntityId {
    EntityId::new(b"new", diplomatic::Timestamp::EPOCH)
}

fn add(title: &str) -> Command {
    Command::Add { list: inbox(), title: title.to_owned() }
}

#[test]
fn an_item_is_added_at_the_end_of_its_list() {
    let events = decide(vec![added("milk")], add("  bread,\n\tand butter ")).unwrap();
    assert_eq!(events, [TodoEvent::Added { list: inbox(), title: "bread, and butter".to_owned(), order: order("81") }]);
}

#[test]
fn what_has_no_name_or_too_long_a_one_is_refused_with_the_mend() {
    let refusal = decide(vec![], add(" \n ")).unwrap_err();
    assert_eq!(refusal.to_string(), "an item needs a name: write at least one letter");
    let refusal = decide(vec![], Command::AddList { name: String::new() }).unwrap_err();
    assert_eq!(refusal.to_string(), "a list needs a name: write at least one letter");
    let refusal = decide(vec![], add(&"ä".repeat(1_001))).unwrap_err();
    assert_eq!(refusal.to_string(), "an item has 1001 characters, but at most 1000 are allowed: shorten it");
    assert!(decide(vec![], add(&"ä".repeat(1_000))).is_ok());
    let notes = Command::Note { item: first(), notes: "x".repeat(50_001) };
    assert!(matches!(decide(vec![added("milk")], notes), Err(Refusal::TooLong { most: 50_000, .. })));
}

#[test]
fn what_is_gone_cannot_be_changed() {
    let (item, list) = (entity(7), entity(8));
    let of_items = [
        Command::Rename { item: item.clone(), title: "milk".to_owned() },
        Command::Note { item: item.clone(), notes: String::new() },
        Command::Due { item: item.clone(), due: None },
        Command::Tick { item: item.clone(), done: true },
        Command::Archive { item: item.clone(), archived: true },
        Command::Move { item: item.clone(), list: inbox(), before: None },
        Command::Delete { item },
    ];
    for command in of_items {
        assert_eq!(decide(vec![], command), Err(Refusal::NoItem));
    }
    let of_lists = [
        Command::Add { list: list.clone(), title: "milk".to_owned() },
        Command::RenameList { list: list.clone(), name: "Home".to_owned() },
        Command::DeleteList { list: list.clone() },
        Command::Move { item: first(), list, before: None },
    ];
    for command in of_lists {
        assert_eq!(decide(vec![added("milk")], command), Err(Refusal::NoList));
    }
}

#[test]
fn what_is_so_already_needs_no_event() {
    let commands = [
        Command::Rename { item: first(), title: " milk ".to_owned() },
        Command::Note { item: first(), notes: String::new() },
        Command::Due { item: first(), due: None },
        Command::Tick { item: first(), done: false },
        Command::Archive { item: first(), archived: false },
        Command::Move { item: first(), list: inbox(), before: Some(entity(1)) },
        Command::Move { item: first(), list: inbox(), before: Some(first()) },
        Command::Move { item: entity(1), list: inbox(), before: None },
        Command::RenameList { list: inbox(), name: "Inbox".to_owned() },
        Command::Prefer(Preferences::default()),
    ];
    for command in commands {
        assert_eq!(decide(vec![added("milk"), added("bread")], command.clone()), Ok(vec![]), "{command:?}");
    }
}

#[test]
fn the_inbox_can_be_renamed_but_not_deleted() {
    assert_eq!(decide(vec![], Command::DeleteList { list: inbox() }), Err(Refusal::InboxStays));
    let events = decide(vec![], Command::RenameList { list: inbox(), name: "Today".to_owned() }).unwrap();
    assert_eq!(events, [TodoEvent::ListSaved { list: inbox(), name: "Today".to_owned(), order: order("80") }]);
}

#[test]
fn a_move_between_equal_places_moves_the_next_along() {
    let given = vec![added("a"), added("b"), added("c")];
    let events = decide(given, Command::Move { item: entity(2), list: inbox(), before: Some(entity(1)) }).unwrap();
    let moved: Vec<_> = events
        .iter()
        .map(|event| match event {
            TodoEvent::Placed { item, .. } => item.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(moved, [entity(1), entity(2)]);
}

#[test]
fn a_row_dropped_before_one_that_went_meanwhile_goes_to_the_end() {
    let given = vec![added("a"), added("b")];
    let events = decide(given, Command::Move { item: entity(0), list: inbox(), before: Some(entity(7)) }).unwrap();
    assert_eq!(events, [TodoEvent::Placed { item: entity(0), list: inbox(), order: order("81") }]);
}

#[test]
fn commands_read_from_what_the_page_sends() {
    let read = |text: &str| serde_json::from_str::<Command>(text);
    let (item, list) = (first(), inbox());
    let due = format!(r#"{{"do":"due","item":"{item}","due":"2026-11-23"}}"#);
    assert_eq!(read(&due).unwrap(), Command::Due { item: first(), due: Some(day("2026-11-23")) });
    let add_list = r#"{"do":"addList","name":"Home"}"#;
    assert_eq!(read(add_list).unwrap(), Command::AddList { name: "Home".to_owned() });
    let prefer = r#"{"do":"prefer","hideDone":true}"#;
    assert_eq!(read(prefer).unwrap(), Command::Prefer(Preferences { hide_done: true }));
    let garbage = [
        "{}".to_owned(),
        format!(r#"{{"do":"tick","item":"{item}","done":"yes"}}"#),
        format!(r#"{{"do":"due","item":"{item}","due":"2026-02-30"}}"#),
        r#"{"do":"delete","item":"zz"}"#.to_owned(),
        format!(r#"{{"do":"add","list":"{list}"}}"#),
    ];
    for text in garbage {
        assert!(read(&text).is_err(), "{text}");
    }
}
