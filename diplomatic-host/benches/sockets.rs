//! The whole server over loopback, with a store on disk. Its clients share the machine with it.
//!
//! `cargo bench -p diplomatic-host --bench sockets`

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]

#[path = "../tests/support/mod.rs"]
mod support;

use diplomatic::standard::Seq;
use diplomatic::standard::calls::{PeekRequest, PullRequest, PushRequest};
use diplomatic_host::RedbStore;
use divan::Bencher;
use divan::counter::ItemsCount;
use tokio::runtime::Runtime;

use support::account::{Account, NOW};
use support::{Client, Running};

fn main() {
    divan::main();
}

const CONNECTIONS: usize = 64;
const PUSHES: usize = 30;
const HISTORY: u64 = 100_000;

struct World {
    runtime: Runtime,
    server: Running,
    account: Account,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = RedbStore::open(folder.path().join("host.redb")).unwrap();
        let account = Account::new(1);
        let server = runtime.block_on(async {
            let server = Running::start(store).await;
            server.client().await.user(&account).await;
            server
        });
        Self { runtime, server, account, _folder: folder }
    }

    fn push_history(&self) {
        self.runtime.block_on(async {
            let mut client = self.server.client().await;
            for _ in 0..HISTORY / 1000 {
                client.push(&self.account, self.account.bags(1000, 100)).await;
            }
        });
    }

    fn send(&self, path: &str, request: Vec<u8>) -> usize {
        self.runtime.block_on(async {
            let response = self.server.client().await.send("POST", path, request).await.unwrap();
            assert!(response.parts().0.status.is_success());
            response.body.len()
        })
    }
}

/// Each of 64 connections pushes one bag after another; each push is answered after its own fsync.
#[divan::bench(sample_size = 1, sample_count = 10)]
fn push_single_bags_on_64_connections(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let connect = || {
        world.runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                let requests: Vec<_> = (0..PUSHES)
                    .map(|_| world.account.request(NOW, &PushRequest { bags: vec![world.account.bag(100)] }))
                    .collect();
                connections.push((world.server.client().await, requests));
            }
            connections
        })
    };
    bencher.counter(ItemsCount::new(CONNECTIONS * PUSHES)).with_inputs(connect).bench_local_values(|connections| {
        world.runtime.block_on(async {
            let pushing: Vec<_> =
                connections.into_iter().map(|(client, requests)| tokio::spawn(push_all(client, requests))).collect();
            for pushed in pushing {
                pushed.await.unwrap();
            }
        });
    });
}

async fn push_all(mut client: Client, requests: Vec<Vec<u8>>) {
    for request in requests {
        let response = client.send("POST", "/push", request).await.unwrap();
        assert!(response.parts().0.status.is_success());
    }
}

#[divan::bench(sample_size = 1, sample_count = 10)]
fn push_500(bencher: Bencher<'_, '_>) {
    let world = World::new();
    bencher
        .counter(ItemsCount::new(500_usize))
        .with_inputs(|| world.account.request(NOW, &PushRequest { bags: world.account.bags(500, 100) }))
        .bench_local_values(|request| world.send("/push", request));
}

#[divan::bench(sample_size = 1, sample_count = 10)]
fn peek_and_pull_100_000(bencher: Bencher<'_, '_>) {
    let world = World::new();
    world.push_history();
    let peek = world.account.request(NOW, &PeekRequest { after: Seq::ZERO });
    let seqs = (1..=HISTORY).filter_map(Seq::new).collect();
    let pull = world.account.request(NOW, &PullRequest { seqs });
    bencher
        .counter(ItemsCount::new(HISTORY))
        .with_inputs(|| (peek.clone(), pull.clone()))
        .bench_local_values(|(peek, pull)| world.send("/peek", peek) + world.send("/pull", pull));
}
