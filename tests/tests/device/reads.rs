//! Reads inside reads, and what cannot be done inside one.

use std::sync::Arc;

use diplomatic::Client;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::todo::{Todos, added, seed};

async fn client() -> Arc<Client<Todos>> {
    Arc::new(Client::builder(seed()).in_memory().open().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_inside_a_read_goes_through_while_events_are_emitted() {
    let client = client().await;
    let reading = spawn_blocking({
        let client = client.clone();
        move || {
            let mut seen = 0;
            while seen < 200 {
                let (outer, inner) = client.read(|outer| (outer.items.len(), client.read(|inner| inner.items.len())));
                assert_eq!(outer, inner, "both see one state");
                seen = outer;
            }
        }
    });
    for n in 0..200 {
        client.emit(added(&n.to_string())).await.unwrap();
    }
    reading.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emit_inside_a_read_panics_at_once_and_breaks_nothing() {
    let client = client().await;
    let emitting = spawn_blocking({
        let client = client.clone();
        move || client.read(|_| Handle::current().block_on(client.emit(added("milk"))))
    });
    assert!(emitting.await.unwrap_err().is_panic());
    client.emit(added("bread")).await.unwrap();
    assert_eq!(client.read(|todos| todos.items.len()), 1);
}
