//! The blocking client, and projections that follow a client.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use diplomatic::list::Query;
use diplomatic::projection::{Mark, Page};
use diplomatic::{Aggregate, Client, EntityId, Meta, Projection, blocking};
use diplomatic_simulation::todo::{Event, Todos, added};
use serde::{Deserialize, Serialize};

use crate::device::brisk;
use crate::host::{TestHost, new_seed};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Title(String);

impl Aggregate for Title {
    type Event = Event;

    fn apply(this: &mut Option<Self>, event: Event, _: &Meta) {
        match event {
            Event::Added { title, .. } => *this = Some(Self(title)),
            Event::Renamed { title, .. } => this.iter_mut().for_each(|this| this.0.clone_from(&title)),
            Event::Removed { .. } => *this = None,
            _ => {}
        }
    }
}

/// Sends the rows to a test whenever it saves some.
struct Titles {
    rows: BTreeMap<EntityId, String>,
    mark: Option<Mark>,
    saved: Sender<Vec<String>>,
}

impl Projection for Titles {
    type Aggregate = Title;
    type Error = Infallible;

    fn mark(&mut self) -> Result<Option<Mark>, Infallible> {
        Ok(self.mark)
    }

    fn save(&mut self, page: Page<Title>) -> Result<(), Infallible> {
        for (id, title) in page.rows {
            match title {
                Some(Title(title)) => drop(self.rows.insert(id, title)),
                None => drop(self.rows.remove(&id)),
            }
        }
        self.mark = Some(page.mark);
        // The test may have seen enough.
        let _ = self.saved.send(self.rows.values().cloned().collect());
        Ok(())
    }
}

/// Blocks until the test has a host, which needs a runtime.
fn with_host(act: impl FnOnce(&TestHost)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let host = runtime.block_on(TestHost::start());
    act(&host);
}

fn open(seed: &diplomatic::Seed, host: &TestHost) -> blocking::Client<Todos> {
    let builder = Client::<Todos>::builder(seed.clone()).in_memory().host(host.url()).session_config(brisk());
    builder.open_blocking().unwrap()
}

#[test]
fn two_blocking_clients_meet_without_any_visible_runtime() {
    with_host(|host| {
        let seed = new_seed();
        let (phone, laptop) = (open(&seed, host), open(&seed, host));
        let milk = phone.emit(added("milk")).unwrap();
        laptop.wait_until(|todos| todos.items.len() == 1).unwrap();
        laptop.emit(Event::Renamed { todo: milk.clone(), title: "oat milk".into() }).unwrap();
        phone.wait_until(|todos| todos.titles() == ["oat milk"]).unwrap();
        assert_eq!(phone.load::<Title>(&milk).unwrap(), Some(Title("oat milk".into())));
        let page = phone.list::<Title>(Query::of_type("todo.added"), None).unwrap();
        assert_eq!(page.entries, [(milk, Title("oat milk".into()))]);
        laptop.undo().unwrap();
        assert!(phone.sync().is_ok() && laptop.sync().unwrap().is_caught_up());
        phone.wait_until(|todos| todos.titles() == ["milk"]).unwrap();
    });
}

#[test]
fn a_blocking_client_works_on_any_thread_and_inside_async_code() {
    let client = Client::<Todos>::builder(new_seed()).in_memory().open_blocking().unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let client = client.clone();
            scope.spawn(move || (0..25).for_each(|n| drop(client.emit(added(format!("{thread} {n}"))).unwrap())));
        }
    });
    assert_eq!(client.read(|todos| todos.items.len()), 100);
    for builder in [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()] {
        let mut builder = builder;
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async { client.emit(added("inside")).unwrap() });
        // It is dropped inside, too.
        runtime.block_on(async { drop(Client::<Todos>::builder(new_seed()).in_memory().open_blocking().unwrap()) });
    }
    assert_eq!(client.read(|todos| todos.items.len()), 102);
}

#[test]
fn whoever_waits_for_changes_is_told_that_a_blocking_client_was_closed() {
    let client = Client::<Todos>::builder(new_seed()).in_memory().open_blocking().unwrap();
    let mut changes = client.as_async().changes();
    let waiting = thread::spawn({
        let client = client.clone();
        move || client.wait(async { while changes.next().await.is_some() {} })
    });
    client.emit(added("milk")).unwrap();
    client.close();
    waiting.join().unwrap();
    client.emit(added("too late")).unwrap_err();
}

#[test]
fn a_store_can_be_opened_again_after_a_blocking_client_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let seed = new_seed();
    for count in 1..=3 {
        let builder = Client::<Todos>::builder(seed.clone()).store(folder.path().join("todo.redb"));
        let client = builder.open_blocking().unwrap();
        client.emit(added("milk")).unwrap();
        assert_eq!(client.read(|todos| todos.items.len()), count);
        client.close();
    }
}

#[test]
fn a_projection_follows_what_other_devices_do_until_the_client_is_closed() {
    with_host(|host| {
        let seed = new_seed();
        let (phone, laptop) = (open(&seed, host), open(&seed, host));
        let milk = phone.emit(added("milk")).unwrap();
        let (saved, rows) = channel();
        let mut projector = laptop.as_async().projector(Titles { rows: BTreeMap::new(), mark: None, saved });
        let following = thread::spawn({
            let laptop = laptop.clone();
            move || laptop.wait(projector.follow())
        });
        let wait_for = |titles: &[&str]| while rows.recv_timeout(Duration::from_secs(60)).unwrap() != titles {};
        wait_for(&["milk"]);
        phone.emit(Event::Renamed { todo: milk.clone(), title: "oat milk".into() }).unwrap();
        wait_for(&["oat milk"]);
        laptop.emit(added("bread")).unwrap();
        wait_for(&["oat milk", "bread"]);
        phone.emit(Event::Removed { todo: milk }).unwrap();
        wait_for(&["bread"]);
        laptop.close();
        following.join().unwrap().unwrap();
    });
}

/// Returns the names of the public methods that the files of the async client define on it.
fn methods_of_the_async_client() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../diplomatic/src/client");
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("blocking.rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for block in text.split("\nimpl<R: Reducer> Client<R> {").skip(1) {
            let block = block.split("\n}\n").next().unwrap();
            for line in block.lines().filter_map(|line| line.strip_prefix("    pub ")) {
                if let Some((_, rest)) = line.split_once("fn ") {
                    names.push(rest.split(['(', '<']).next().unwrap().to_owned());
                }
            }
        }
    }
    names
}

#[test]
fn the_blocking_client_has_every_method_of_the_async_one() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../diplomatic/src/client/blocking.rs");
    let blocking = std::fs::read_to_string(path).unwrap();
    let names = methods_of_the_async_client();
    assert!(names.len() > 40 && names.iter().any(|name| name == "copy_attachment"), "{names:?}");
    let has = |name: &String| {
        let is_waited_for = blocking
            .lines()
            .any(|line| line.strip_prefix("    ").is_some_and(|line| line.starts_with(&format!("{name}("))));
        is_waited_for || blocking.contains(&format!("pub fn {name}(")) || blocking.contains(&format!("pub fn {name}<"))
    };
    // A blocking client is opened by `ClientBuilder::open_blocking`.
    let lacking: Vec<_> = names.iter().filter(|name| *name != "builder" && !has(name)).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}
