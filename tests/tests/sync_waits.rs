//! What `Client::sync` promises: when it returns, every host was looked at after the call, or cannot be.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::sync::Arc;

use diplomatic::standard::{HostKeys, Label};
use diplomatic::sync::Phase;
use diplomatic::{Client, DiplomaticEvent, Meta, Reducer, Seed};
use diplomatic_host::{BagStore, Host, MemoryStore, Server};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[derive(DiplomaticEvent)]
enum Step {
    Taken,
}

#[derive(Default, Serialize, Deserialize)]
struct Walk {
    steps: u64,
}

impl Reducer for Walk {
    type Event = Step;

    fn apply(&mut self, _: Step, _: &Meta) {
        self.steps += 1;
    }
}

struct Running {
    url: String,
    host: Arc<Host<MemoryStore>>,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let host = Arc::new(Host::new(MemoryStore::new()));
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(Server::new(host.clone()).serve(listener, async { drop(stopped.await) }));
        Self { url, host, stop, serving }
    }

    async fn client(&self, seed: &Seed) -> Client<Walk> {
        Client::builder(seed.clone()).in_memory().host(&self.url).open().await.unwrap()
    }
}

#[tokio::test]
async fn what_was_emitted_before_is_on_the_host() {
    let running = Running::start().await;
    let seed = Seed::random();
    let client = running.client(&seed).await;
    let user = *HostKeys::derive(&seed, &Label::default()).public_key();
    for steps in 1..=20 {
        client.emit(Step::Taken).await.unwrap();
        assert!(client.sync().await.unwrap().is_caught_up());
        assert_eq!(running.host.store().last(user).await.unwrap().unwrap().number(), steps);
    }
}

#[tokio::test]
async fn what_was_on_the_host_before_is_here() {
    let running = Running::start().await;
    let seed = Seed::random();
    let (phone, laptop) = (running.client(&seed).await, running.client(&seed).await);
    for steps in 1..=20 {
        phone.emit(Step::Taken).await.unwrap();
        phone.sync().await.unwrap();
        laptop.sync().await.unwrap();
        assert_eq!(laptop.read(|walk| walk.steps), steps);
    }
}

#[tokio::test]
async fn a_host_that_went_away_is_noticed() {
    let Running { url, host, stop, serving } = Running::start().await;
    let client = Client::<Walk>::builder(Seed::random()).in_memory().host(url).open().await.unwrap();
    assert!(client.sync().await.unwrap().is_caught_up());
    drop((stop, host));
    serving.await.unwrap();
    let status = client.sync().await.unwrap();
    assert!(matches!(status.hosts()[0].status.phase, Phase::Waiting { .. }), "{status:?}");
}
