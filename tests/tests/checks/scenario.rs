//! Given, when, then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use diplomatic::testing::{Scenario, entity};
use diplomatic::{Meta, Reducer};
use serde::{Deserialize, Serialize};

use crate::todo::{Items, TodoEvent, Todos};

fn added(title: &str) -> TodoEvent {
    TodoEvent::Added { title: title.into() }
}

fn renamed(todo: u64, title: &str) -> TodoEvent {
    TodoEvent::Renamed { todo: entity(todo), title: title.into() }
}

#[test]
fn facts_are_numbered_and_events_are_applied_in_their_order() {
    Scenario::<Todos>::given([added("milk"), added("bread")])
        .when([renamed(1, "rye"), renamed(0, "oat milk")])
        .then(|todos| {
            assert_eq!(todos.0.titles[&entity(0)].0, "oat milk");
            assert_eq!(todos.0.titles[&entity(1)].0, "rye");
        })
        .when([TodoEvent::Removed { todo: entity(0) }])
        .then(|todos| assert_eq!(todos.0.titles.len(), 1));
}

#[test]
fn what_happened_earlier_is_applied_earlier_though_it_comes_later() {
    Scenario::<Todos>::given([added("milk")])
        .when([renamed(0, "later")])
        .at(Duration::from_millis(500))
        .when([renamed(0, "earlier")])
        .then(|todos| assert_eq!(todos.0.titles[&entity(0)].0, "later"));
}

#[test]
fn events_of_one_moment_keep_their_order() {
    let moment = Duration::from_secs(5);
    Scenario::<Todos>::given([added("milk")])
        .at(moment)
        .when([renamed(0, "one")])
        .at(moment)
        .when([renamed(0, "two")])
        .at(moment)
        .when([TodoEvent::Removed { todo: entity(0) }])
        .then_state(&Todos::default());
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Times(Vec<u64>);

impl Reducer for Times {
    type Event = TodoEvent;

    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        assert!(!matches!(event, TodoEvent::Done { .. }), "never done");
        self.0.push(at.changed.as_millis() % 1_000_000);
    }
}

#[test]
fn time_is_in_the_hands_of_the_test() {
    Scenario::<Times>::given([added("milk")])
        .at(Duration::from_secs(60))
        .when([added("bread"), added("tea")])
        .then(|times| assert_eq!(times.0, [0, 60_000, 61_000]));
}

fn complaint(scenario: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(scenario)).expect_err("it fails");
    panic.downcast_ref::<String>().expect("a text").clone()
}

#[test]
fn a_failure_tells_what_happened_and_what_it_changed() {
    let text = complaint(|| {
        Scenario::<Todos>::given([added("milk")])
            .when([renamed(0, "oat milk")])
            .then(|todos| assert_eq!(todos.0.titles[&entity(0)].0, "soy milk", "the title"));
    });
    for part in [
        "the title",
        "given\n    0ns: TodoEvent::Added { title: \"milk\".into() }\n",
        "when\n    1s: TodoEvent::Renamed { todo: entity(0), title: \"oat milk\".into() }\n",
        "-                 \"milk\",\n    +                 \"oat milk\",",
    ] {
        assert!(text.contains(part), "{part}\n\n{text}");
    }
}

#[test]
fn an_unexpected_state_is_shown_as_a_difference() {
    let text = complaint(|| {
        let mut expected = Items::default();
        expected.titles.insert(entity(0), ("bread".into(), false));
        Scenario::<Todos>::given([]).when([added("milk")]).then_state(&Todos(expected));
    });
    assert!(text.contains("-                 \"bread\",\n    +                 \"milk\","), "{text}");
}

#[test]
fn a_panic_of_the_reducer_names_the_event() {
    let text = complaint(|| {
        Scenario::<Times>::given([added("milk")]).when([TodoEvent::Done { todo: entity(0), done: true }]).then(|_| {});
    });
    assert!(text.starts_with("over `todo.done` at (1000, 0), the reducer panicked: never done"), "{text}");
}
