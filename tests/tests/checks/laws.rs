//! A reducer that keeps its promises passes, and one that breaks any of them is found out, with the smallest history.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use diplomatic::testing::{History, ReducerCheck, check_reducer, check_reducer_on, entity};
use diplomatic::{EntityId, Meta, Reducer};
use serde::{Deserialize, Serialize};

use crate::todo::{Items, TodoEvent, Todos, any_event};

#[test]
fn a_reducer_that_keeps_its_promises_passes() {
    check_reducer::<Todos>(any_event);
    ReducerCheck::new().seed(1).histories(100).steps(80).run::<Todos>(any_event);
}

#[test]
fn a_reducer_that_keeps_its_promises_passes_on_samples() {
    check_reducer_on::<Todos>(samples());
}

fn samples() -> Vec<TodoEvent> {
    vec![
        TodoEvent::Added { title: "milk".into() },
        TodoEvent::Added { title: "bread".into() },
        TodoEvent::Renamed { todo: entity(0), title: "oat milk".into() },
        TodoEvent::Renamed { todo: entity(1), title: "tea".into() },
        TodoEvent::Renamed { todo: entity(0), title: "tea".into() },
        TodoEvent::Done { todo: entity(0), done: true },
        TodoEvent::Noted { note: entity(1), text: "a".into() },
        TodoEvent::Noted { note: entity(1), text: "b".into() },
        TodoEvent::Removed { todo: entity(0) },
        TodoEvent::Removed { todo: entity(1) },
        TodoEvent::Status("x".into()),
    ]
}

/// Returns what a check says.
fn complaint<R: Reducer<Event = TodoEvent> + PartialEq + Debug>() -> String {
    let panic = catch_unwind(|| check_reducer::<R>(any_event)).expect_err("the fault is found");
    let text = panic.downcast_ref::<String>().expect("a text").clone();
    let by_samples = catch_unwind(|| check_reducer_on::<R>(samples()));
    assert!(by_samples.is_err(), "samples find it too");
    println!("{text}");
    text
}

/// The lines of the history in a complaint.
fn steps(text: &str) -> usize {
    let history = text.split("History::<").nth(1).expect("a history");
    history.lines().filter(|line| line.trim_start().starts_with('.')).count() - 1
}

macro_rules! broken_reducer {
    ($(#[$doc:meta])* $name:ident, |$items:ident, $event:ident, $at:ident| $apply:block) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        struct $name(Items);

        impl Reducer for $name {
            type Event = TodoEvent;

            fn apply(&mut self, $event: TodoEvent, $at: &Meta) {
                let $items = &mut self.0;
                $apply
            }
        }
    };
}

broken_reducer!(CountsRenames, |items, event, at| {
    items.apply(event.clone(), at);
    if let TodoEvent::Renamed { .. } = event {
        items.count += 1;
    }
});

#[test]
fn a_reducer_that_counts_what_is_overwritten_is_found_out() {
    let text = complaint::<CountsRenames>();
    assert!(text.starts_with("`CountsRenames` does not keep its promise: for `overwrites`"), "{text}");
    assert!(text.contains("-         count: 1,\n    +         count: 2,"), "{text}");
    assert!(steps(&text) == 2, "{text}");
    assert!(text.contains("TodoEvent::Renamed { todo: entity("), "{text}");
}

broken_reducer!(KeepsOldNotes, |items, event, at| {
    if let TodoEvent::Noted { note, text } = event {
        // An upsert that keeps something of what was there.
        items.notes.entry(note).or_default().push_str(&text);
    } else {
        items.apply(event, at);
    }
});

#[test]
fn an_upsert_that_keeps_something_of_the_old_is_found_out() {
    let text = complaint::<KeepsOldNotes>();
    assert!(text.starts_with("`KeepsOldNotes` does not keep its promise: for `overwrites`"), "{text}");
    assert!(steps(&text) == 2, "{text}");
}

/// A list that is kept in the order in which things were added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Ordered {
    titles: Vec<(EntityId, String)>,
    items: Items,
}

impl Reducer for Ordered {
    type Event = TodoEvent;

    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        self.items.apply(event.clone(), at);
        match event {
            TodoEvent::Added { title } => {
                self.titles.retain(|(todo, _)| *todo != at.entity);
                self.titles.push((at.entity.clone(), title));
            }
            TodoEvent::Removed { todo } => self.titles.retain(|(other, _)| *other != todo),
            _ => {}
        }
    }
}

#[test]
fn roots_that_depend_on_each_other_in_spite_of_the_promise_are_found_out() {
    let text = complaint::<Ordered>();
    assert!(text.starts_with("`Ordered` does not keep its promise: for `INDEPENDENT_ROOTS`"), "{text}");
    assert!(steps(&text) == 2, "{text}");
}

/// The same items, with the promise that they are independent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Independent(Items);

impl Reducer for Independent {
    type Event = TodoEvent;

    const INDEPENDENT_ROOTS: bool = true;

    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        self.0.apply(event, at);
    }
}

#[test]
fn a_reducer_whose_roots_are_independent_passes() {
    check_reducer::<Independent>(any_event);
    ReducerCheck::new().seed(1).histories(300).steps(80).run::<Independent>(any_event);
}

broken_reducer!(AppendsStatus, |items, event, at| {
    items.apply(event.clone(), at);
    if let TodoEvent::Status(status) = event {
        items.log.push(status);
    }
});

#[test]
fn a_singleton_that_leaves_a_trace_is_found_out() {
    let text = complaint::<AppendsStatus>();
    assert!(text.starts_with("`AppendsStatus` does not keep its promise: for `overwrites`"), "{text}");
}

broken_reducer!(LeavesNotes, |items, event, at| {
    if let TodoEvent::Removed { todo } = event {
        items.titles.remove(&todo);
    } else {
        items.apply(event, at);
    }
});

#[test]
fn a_delete_that_leaves_an_entity_is_found_out() {
    let text = complaint::<LeavesNotes>();
    assert!(text.starts_with("`LeavesNotes` does not keep its promise: for `deletes`"), "{text}");
    // What is emitted is undone, too, which deletes it.
    assert!(steps(&text) <= 2, "{text}");
}

broken_reducer!(LeavesTitles, |items, event, at| {
    items.apply(event.clone(), at);
    if let TodoEvent::Renamed { title, .. } = event
        && !items.log.contains(&title)
    {
        // What a register wrote stays after its entity went.
        items.log.push(title);
        items.log.sort();
    }
});

#[test]
fn a_delete_that_leaves_the_trace_of_a_register_is_found_out() {
    let panic = catch_unwind(|| {
        check_reducer_on::<LeavesTitles>([
            TodoEvent::Added { title: "milk".into() },
            TodoEvent::Renamed { todo: entity(0), title: "tea".into() },
            TodoEvent::Removed { todo: entity(0) },
        ]);
    });
    let text = panic.expect_err("the fault is found").downcast_ref::<String>().expect("a text").clone();
    assert!(text.starts_with("`LeavesTitles` does not keep its promise: for `deletes`"), "{text}");
    assert!(steps(&text) <= 3, "{text}");
}

broken_reducer!(CountsOutside, |items, event, at| {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    items.apply(event, at);
    items.count = CALLS.fetch_add(1, Ordering::Relaxed);
});

#[test]
fn a_reducer_with_a_counter_outside_of_the_state_is_found_out() {
    let text = complaint::<CountsOutside>();
    assert!(text.contains("does not keep its promise: `apply` depends on the state"), "{text}");
    assert!(steps(&text) == 1, "{text}");
}

broken_reducer!(PanicsOverTheUnknown, |items, event, at| {
    if let TodoEvent::Done { todo, .. } = &event {
        assert!(items.titles.contains_key(todo), "no such todo");
    }
    items.apply(event, at);
});

#[test]
fn a_reducer_that_panics_over_what_is_not_there_is_found_out() {
    let text = complaint::<PanicsOverTheUnknown>();
    assert!(text.contains("an event about something that is not there"), "{text}");
    assert!(text.contains("over `todo.done` at (1, 0), the reducer panicked: no such todo"), "{text}");
    assert!(steps(&text) == 1, "{text}");
}

/// Part of the state is not written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Forgets(Items, #[serde(skip)] u64);

impl Reducer for Forgets {
    type Event = TodoEvent;

    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        self.1 += u64::from(matches!(event, TodoEvent::Added { .. }));
        self.0.apply(event, at);
    }
}

#[test]
fn a_state_that_does_not_come_back_from_its_bytes_is_found_out() {
    let text = complaint::<Forgets>();
    assert!(text.contains("the state comes back from its serialized form"), "{text}");
    assert!(steps(&text) == 1, "{text}");
}

#[test]
fn a_printed_history_finds_the_fault_again() {
    let history = || {
        History::<CountsRenames>::new()
            .event((1, 0), TodoEvent::Renamed { todo: entity(0), title: "ant".into() })
            .batch()
            .event((2, 0), TodoEvent::Renamed { todo: entity(0), title: "bee".into() })
    };
    let panic = catch_unwind(AssertUnwindSafe(|| history().check())).expect_err("it does not pass");
    assert!(panic.downcast_ref::<String>().expect("a text").contains("for `overwrites`"));
    let printed = format!("{:?}", history());
    assert_eq!(
        printed,
        "    History::<CountsRenames>::new()\n        \
             .event((1, 0), TodoEvent::Renamed { todo: entity(0), title: \"ant\".into() })\n        \
             .batch()\n        \
             .event((2, 0), TodoEvent::Renamed { todo: entity(0), title: \"bee\".into() })\n        \
             .check();"
    );
}

#[test]
fn one_seed_makes_one_complaint() {
    let complaint = || {
        let panic = catch_unwind(|| ReducerCheck::new().seed(9).run::<LeavesNotes>(any_event)).expect_err("found");
        panic.downcast_ref::<String>().expect("a text").clone()
    };
    assert_eq!(complaint(), complaint());
}

/// The items, and how many there are of each title, which is not serialized.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Counted<const REBUILDS: bool> {
    items: Items,
    #[serde(skip)]
    count: usize,
}

impl<const REBUILDS: bool> Reducer for Counted<REBUILDS> {
    type Event = TodoEvent;

    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        self.items.apply(event, at);
        self.count = self.items.titles.len();
    }

    fn loaded(&mut self) {
        if REBUILDS {
            self.count = self.items.titles.len();
        }
    }
}

#[test]
fn a_field_that_is_skipped_has_to_be_rebuilt() {
    check_reducer::<Counted<true>>(any_event);
    check_reducer::<(Todos, Counted<true>)>(any_event);
    let text = complaint::<Counted<false>>();
    assert!(text.contains("`loaded` rebuilds it"), "{text}");
}
