//! Devices and hosts in virtual time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diplomatic::testing::{Devices, Dice, entity};
use diplomatic::{EmitError, Meta, Reducer};
use serde::{Deserialize, Serialize};

use crate::todo::{Items, TodoEvent, Todos, any_event};

#[test]
fn devices_converge() {
    let mut devices = Devices::<Todos>::new(3, 1);
    let milk = devices.emit(0, TodoEvent::Added { title: "milk".into() });
    devices.settle();
    devices.offline(1);
    devices.emit(1, TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() });
    devices.emit(2, TodoEvent::Done { todo: milk.clone(), done: true });
    devices.pass(Duration::from_secs(600));
    assert_eq!(devices.read(0, |todos| todos.0.titles[&milk].clone()), ("milk".into(), true));
    devices.settle();
    for device in 0..3 {
        assert_eq!(devices.read(device, |todos| todos.0.titles[&milk].clone()), ("oat milk".into(), true));
    }
}

/// Lives through random emits, restarts and outages, and returns what all devices ended with.
fn live(seed: u64, hosts: usize) -> (Todos, String) {
    let mut dice = Dice::new(seed);
    let mut devices = Devices::<Todos>::with_hosts(3, hosts, seed).badness(dice.below(60));
    let mut entities = vec![entity(0)];
    for _ in 0..30 {
        let device = dice.below(3) as usize;
        match dice.below(10) {
            0 => devices.restart(device),
            1 => devices.offline(device),
            2 => devices.online(device),
            3 => devices.set_clock(device, dice.below(60_000) as i64 - 30_000),
            _ => {
                let event = any_event(&entities, &mut dice);
                let is_fact = matches!(event, TodoEvent::Added { .. } | TodoEvent::Visited { .. });
                let entity = devices.emit(device, event);
                entities.extend(Some(entity).filter(|_| is_fact));
            }
        }
        devices.pass(Duration::from_millis(dice.below(5_000)));
    }
    devices.settle();
    (devices.read(0, Clone::clone), format!("{devices:?}"))
}

#[test]
fn devices_converge_whatever_happens() {
    for seed in 0..40 {
        live(seed, 1 + seed as usize % 2);
    }
}

#[test]
fn one_seed_is_one_course_of_things() {
    assert_eq!(live(5, 2), live(5, 2));
}

#[test]
fn what_was_emitted_first_and_seen_is_first_though_the_clock_runs_ahead() {
    let mut devices = Devices::<Todos>::new(2, 3);
    devices.set_clock(0, 20_000);
    devices.set_clock(1, -20_000);
    let milk = devices.emit(0, TodoEvent::Added { title: "milk".into() });
    devices.settle();
    devices.emit(1, TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() });
    devices.settle();
    assert_eq!(devices.read(0, |todos| todos.0.titles[&milk].0.clone()), "oat milk");
}

/// What is outside of the state gets into it.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Local(Items, u64);

impl Reducer for Local {
    type Event = TodoEvent;

    fn apply(&mut self, event: TodoEvent, at: &Meta) {
        assert!(!matches!(event, TodoEvent::Visited { .. }), "no visits");
        self.0.apply(event, at);
        static CALLS: AtomicU64 = AtomicU64::new(0);
        self.1 += CALLS.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn devices_that_do_not_agree_are_reported() {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut devices = Devices::<Local>::new(2, 4);
        devices.emit(0, TodoEvent::Added { title: "milk".into() });
        devices.settle();
    }));
    let text = panic.expect_err("they differ").downcast_ref::<String>().expect("a text").clone();
    assert!(text.contains("of seed 4 is not in the state that its messages give"), "{text}");
}

#[test]
fn an_event_that_the_reducer_cannot_apply_is_refused() {
    let mut devices = Devices::<Local>::new(1, 4);
    let refused = devices.try_emit(0, TodoEvent::Visited { by: "ann".into() });
    assert!(matches!(refused, Err(EmitError::Panicked { .. })));
}
