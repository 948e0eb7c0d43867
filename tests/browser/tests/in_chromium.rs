//! The client in a worker of a real browser.

#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use diplomatic::Client;
use diplomatic_browser::{Event, SEED, Task, Things, chromium};
use diplomatic_host::{Host, RedbStore, Server};
use tokio::net::TcpListener;

/// A panic cannot be caught in a browser: it ends the worker.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_makes_the_reducer_panic_ends_one_worker_and_no_other() {
    let Some(site) = chromium::build_or_skip() else { return };
    let folder = tempfile::tempdir().unwrap();
    let host = Arc::new(Host::new(RedbStore::open(folder.path().join("host.redb")).unwrap()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(Server::new(host).serve(listener, std::future::pending()));
    let store = || "panics".to_owned();
    let tasks = [
        Task::Emit { store: store(), count: 3 },
        Task::Crash { store: store() },
        Task::Open { store: store() },
        Task::Upload { store: store(), host: address.clone(), count: 2 },
    ];
    let outcomes = chromium::carry_out(&site, &tasks).await.unwrap();
    let seen: Vec<_> = outcomes.iter().map(|outcome| (outcome.things, outcome.unread)).collect();
    assert!(outcomes[1].error.is_some(), "the reducer panics: {outcomes:?}");
    assert_eq!([seen[0], seen[2], seen[3]], [(3, 0), (3, 1), (5, 1)], "{outcomes:?}");
    assert!(outcomes[3].host.contains("in sync"), "{outcomes:?}");

    // A device elsewhere, where panics are caught, comes to the same.
    let builder = Client::<Things>::builder(SEED.parse().unwrap()).in_memory().host(address);
    let elsewhere = builder.open().await.unwrap();
    elsewhere.first_sync().await.unwrap();
    assert_eq!(elsewhere.read(|things| things.0.len()), 5);
    assert_eq!(elsewhere.unread().await.unwrap().quarantined().count(), 1);
    elsewhere.emit(Event::Added { title: "from elsewhere".to_owned() }).await.unwrap();
    elsewhere.close().await;
    serving.abort();
}
