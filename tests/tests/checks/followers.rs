//! Aggregates and projections that are right pass, and wrong ones are found out with the smallest history.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::panic::catch_unwind;

use diplomatic::projection::{Mark, Page};
use diplomatic::testing::{History, check_aggregate, check_projection, entity};
use diplomatic::{Aggregate, EntityId, Meta, Projection};
use serde::{Deserialize, Serialize};

use crate::todo::{TodoEvent, Todos, any_event};

macro_rules! aggregate {
    ($name:ident, |$this:ident, $event:ident| $apply:block) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        struct $name {
            title: String,
            done: bool,
        }

        impl Aggregate for $name {
            type Event = TodoEvent;

            fn apply($this: &mut Option<Self>, $event: TodoEvent, _: &Meta) $apply
        }

        impl From<(String, bool)> for $name {
            fn from((title, done): (String, bool)) -> Self {
                Self { title, done }
            }
        }
    };
}

aggregate!(Item, |this, event| {
    match event {
        TodoEvent::Added { title } => *this = Some(Self { title, done: false }),
        TodoEvent::Renamed { title, .. } => this.iter_mut().for_each(|this| this.title.clone_from(&title)),
        TodoEvent::Done { done, .. } => this.iter_mut().for_each(|this| this.done = done),
        TodoEvent::Removed { .. } => *this = None,
        _ => {}
    }
});

aggregate!(NeverRenamed, |this, event| {
    match event {
        TodoEvent::Added { title } => *this = Some(Self { title, done: false }),
        TodoEvent::Done { done, .. } => this.iter_mut().for_each(|this| this.done = done),
        TodoEvent::Removed { .. } => *this = None,
        _ => {}
    }
});

aggregate!(BornOfARename, |this, event| {
    match event {
        TodoEvent::Added { title } => *this = Some(Self { title, done: false }),
        TodoEvent::Renamed { title, .. } => {
            *this = Some(Self { title, done: this.as_ref().is_some_and(|this| this.done) })
        }
        TodoEvent::Done { done, .. } => this.iter_mut().for_each(|this| this.done = done),
        TodoEvent::Removed { .. } => *this = None,
        _ => {}
    }
});

fn view<A: From<(String, bool)>>(todos: &Todos, id: &EntityId) -> Option<A> {
    todos.0.titles.get(id).cloned().map(A::from)
}

/// The rows that a projection saves, as `save` does or should not.
#[derive(Debug, Default)]
struct Titles<const FORGETS_DELETES: bool> {
    rows: BTreeMap<EntityId, String>,
    mark: Option<Mark>,
}

impl<const FORGETS_DELETES: bool> Projection for Titles<FORGETS_DELETES> {
    type Aggregate = Item;
    type Error = Infallible;

    fn mark(&mut self) -> Result<Option<Mark>, Infallible> {
        Ok(self.mark)
    }

    fn save(&mut self, page: Page<Item>) -> Result<(), Infallible> {
        for (id, item) in page.rows {
            match item {
                Some(item) => drop(self.rows.insert(id, item.title)),
                None if FORGETS_DELETES => {}
                None => drop(self.rows.remove(&id)),
            }
        }
        self.mark = Some(page.mark);
        Ok(())
    }
}

fn complaint(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(check).expect_err("the fault is found");
    let text = panic.downcast_ref::<String>().expect("a text").clone();
    println!("{text}");
    text
}

#[test]
fn an_aggregate_that_says_the_same_as_the_state_passes() {
    check_aggregate::<Todos, Item>(view, any_event);
}

#[test]
fn an_aggregate_that_ignores_renames_or_is_born_of_one_is_found_with_the_smallest_history() {
    let renamed = complaint(|| check_aggregate::<Todos, NeverRenamed>(view, any_event));
    assert!(renamed.contains("an aggregate is what the whole state says of its root"), "{renamed}");
    assert!(renamed.contains("TodoEvent::Renamed") && renamed.contains(".check_aggregate(view);"), "{renamed}");
    let steps = |text: &str| text.lines().filter(|line| line.trim_start().starts_with('.')).count() - 1;
    assert_eq!(steps(&renamed), 2, "{renamed}");
    let born = complaint(|| check_aggregate::<Todos, BornOfARename>(view, any_event));
    assert_eq!(steps(&born), 1, "{born}");
}

#[test]
fn a_history_from_a_complaint_fails_and_passes_once_the_aggregate_is_right() {
    let history = || {
        History::<Todos>::new()
            .event((1, 0), TodoEvent::Added { title: "milk".into() })
            .event((2, 0), TodoEvent::Renamed { todo: entity(0), title: "oat milk".into() })
    };
    complaint(|| history().check_aggregate::<NeverRenamed>(view));
    history().check_aggregate::<Item>(view);
    history().check_projection::<Titles<false>, _>(Titles::default, |titles| titles.rows.clone());
}

#[test]
fn a_projection_that_keeps_its_rows_right_passes_and_one_that_forgets_deletes_is_found() {
    check_projection::<Todos, Titles<false>, _>(Titles::default, |titles| titles.rows.clone(), any_event);
    let text = complaint(|| {
        check_projection::<Todos, Titles<true>, _>(Titles::default, |titles| titles.rows.clone(), any_event);
    });
    assert!(text.contains("rows that follow a log") && text.contains(".check_projection(new, rows);"), "{text}");
}
