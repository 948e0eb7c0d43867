//! Stores: those of other apps, and those that cannot be used.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use diplomatic::{Backing, Device as Store, DiplomaticEvent, EntityId, Meta, Reducer, Timestamp};
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::device::{Device, OTHER_SEED, SEED, seed};

#[derive(DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum TodoEvent {
    Added {
        title: String,
    },
    #[diplomatic(overwrites = "todo")]
    Renamed {
        todo: EntityId,
        title: String,
    },
    #[diplomatic(deletes = "todo")]
    Removed {
        todo: EntityId,
    },
    #[diplomatic(singleton)]
    Theme(String),
}

#[derive(Default, Serialize, Deserialize)]
struct Todos {
    applied: u64,
}

impl Reducer for Todos {
    type Event = TodoEvent;

    fn apply(&mut self, _: TodoEvent, _: &Meta) {
        self.applied += 1;
    }
}

/// An app's store beside the seed that it keeps, as the example apps do it; returns the entities.
pub(crate) fn app(device: &Device) -> [EntityId; 2] {
    device.keep(SEED);
    let path = device.data().join("todo.redb");
    let mut store = Store::<Todos>::open(Backing::file(path), &seed(), rand::make_rng::<StdRng>()).unwrap();
    let mut now = 1_764_000_000_000;
    let mut emit = |event| {
        now += 1000;
        store.emit(Timestamp::from_millis(now), &event).unwrap()
    };
    let milk = emit(TodoEvent::Added { title: "milk".into() });
    emit(TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() });
    emit(TodoEvent::Renamed { todo: milk.clone(), title: "soy milk".into() });
    let bread = emit(TodoEvent::Added { title: "bread".into() });
    emit(TodoEvent::Removed { todo: bread.clone() });
    emit(TodoEvent::Theme("dark".into()));
    [milk, bread]
}

#[test]
fn the_log_of_any_app_is_shown_without_its_types() {
    let phone = Device::without_seed();
    let [milk, bread] = app(&phone);
    let store = phone.data().join("todo.redb");
    let arguments = ["log", "--json", "--store", store.to_str().unwrap()];
    let lines = phone.run(&arguments).lines();
    let told: Vec<_> = lines.iter().map(|line| (line["type"].as_str(), line["counts"].as_bool().unwrap())).collect();
    let expected = [
        (Some("todo.added"), true),
        (Some("todo.renamed"), false),
        (Some("todo.renamed"), true),
        (Some("todo.added"), false),
        (None, true),
        (Some("theme"), true),
    ];
    assert_eq!(told[..5], expected[..5]);
    assert!(told[5].0.unwrap().contains("theme"));
    assert_eq!(lines[0]["time"], "2025-11-24T16:00:01.000Z");
    assert_eq!(lines[1]["payload"], json!({"todo": milk.to_string().as_str(), "title": "oat milk"}));
    assert_eq!(lines[1]["parent"], json!(milk.to_string()));
    assert_eq!((&lines[4]["deleted"], &lines[4]["entity"]), (&json!(true), &json!(bread.to_string())));
    assert_eq!(lines[5]["payload"], "dark");

    let text = phone.run(&["log", "--store", store.to_str().unwrap()]);
    let lines: Vec<&str> = text.succeeds().lines().collect();
    assert!(lines[0].starts_with("2025-11-24 16:00:01  08"), "{lines:?}");
    assert!(lines[1].ends_with(r#""title":"oat milk"}  (overwritten)"#), "{lines:?}");
    assert!(lines[4].ends_with("  deleted"), "{lines:?}");

    // The app goes on with it.
    phone.run_with(&["cat", "--store", store.to_str().unwrap()], "a stranger").succeeds();
    let store = Store::<Todos>::open(Backing::file(store), &seed(), rand::make_rng::<StdRng>()).unwrap();
    assert_eq!(store.read(|todos| todos.applied), 4, "three that count, and the delete");
    assert_eq!(store.unread().unknown().map(|(_, count)| count).sum::<u64>(), 1);
}

#[test]
fn replay_leaves_out_what_was_overwritten_or_deleted() {
    let phone = Device::without_seed();
    app(&phone);
    let store = phone.data().join("todo.redb");
    let file = phone.path("backup.dpl");
    phone.run(&["export", &file, "--store", store.to_str().unwrap()]).succeeds();
    let titles = |at: &[&str]| {
        let lines = phone.run(&[&["replay", &file, "--json"], at].concat()).lines();
        lines.iter().map(|line| line["payload"]["title"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(titles(&[]), [json!("milk"), json!("soy milk"), json!(null)]);
    assert_eq!(titles(&["--at", "2025-11-24T16:00:02.5Z"]), ["milk", "oat milk"]);
    assert_eq!(titles(&["--at", "2025-11-24T16:00:04Z"]), ["milk", "soy milk", "bread"]);
}

#[test]
fn compacting_drops_what_it_is_told_to() {
    let phone = Device::without_seed();
    app(&phone);
    let store = phone.data().join("todo.redb");
    let compact = |keep: &[&str]| {
        phone.run(&[&["compact", "--json", "--store", store.to_str().unwrap()], keep].concat()).json()["dropped"]
            .clone()
    };
    assert_eq!(compact(&[]), 0);
    assert_eq!(compact(&["--keep", "2025-11-24T16:00:03Z"]), 1);
    assert_eq!(compact(&["--keep", "latest"]), 1);
    assert_eq!(phone.run(&["log", "--store", store.to_str().unwrap()]).succeeds().lines().count(), 4);
    assert_eq!(phone.run(&["compact", "--keep", "nothing"]).code, Some(2));
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_mistake() {
    let phone = Device::new();
    let missing = phone.path("statsu.redb");
    for command in [&["log"][..], &["cat"], &["status"], &["export", "x.dpl"], &["compact"], &["wipe", "--yes"]] {
        let outcome = phone.run_with(&[command, &["--store", &missing]].concat(), "x");
        if command != ["status"] {
            outcome.fails(1, "statsu.redb");
        }
        assert!(!fs::exists(&missing).unwrap(), "{command:?}");
    }
    phone.run(&["log"]).fails(1, "no store");
}

#[test]
fn what_only_reads_works_while_the_app_has_the_store_open() {
    let phone = Device::new();
    phone.cat("hello");
    let store = phone.data().join("dip.redb");
    let mut app = Store::<Todos>::open(Backing::file(&store), &seed(), rand::make_rng::<StdRng>()).unwrap();
    for round in 2..4 {
        assert_eq!(phone.run(&["log"]).succeeds().lines().count(), round - 1);
        assert_eq!(phone.run(&["status", "--json"]).json()["kept"]["messages"], round - 1);
        assert_eq!(phone.run(&["verify", "--offline", "--json"]).json()["messages"], round - 1);
        let backup = phone.path(&format!("{round}.dpl"));
        assert_eq!(phone.run(&["export", &backup, "--json"]).json()["messages"], round - 1);
        app.emit(Timestamp::from_millis(1_764_000_000_000), &TodoEvent::Added { title: "milk".into() }).unwrap();
    }
}

#[test]
fn stores_that_cannot_be_used_have_an_exit_code() {
    let mut phone = Device::new();
    phone.cat("hello");
    let store = phone.data().join("dip.redb");

    let holder = Store::<Todos>::open(Backing::file(&store), &seed(), rand::make_rng::<StdRng>()).unwrap();
    for command in [&["cat"][..], &["compact"], &["wipe", "--yes", "--no-export"]] {
        phone.run_with(&[command, &["--wait", "0"]].concat(), "x").fails(7, "in use");
    }
    drop(holder);

    phone.set("DIP_SEED", OTHER_SEED);
    for command in [&["log"][..], &["cat"], &["status"]] {
        phone.run_with(command, "x").fails(3, "belongs to another seed");
    }
    phone.set("DIP_SEED", SEED);
    phone.run(&["log"]).succeeds();

    let mut file = fs::OpenOptions::new().write(true).open(&store).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(b"something else altogether").unwrap();
    drop(file);
    let damaged = phone.run(&["log"]);
    assert_eq!(damaged.code, Some(7), "{damaged:?}");
    fs::write(&store, "a text").unwrap();
    let damaged = phone.run(&["log"]);
    assert_eq!(damaged.code, Some(7), "{damaged:?}");
}
