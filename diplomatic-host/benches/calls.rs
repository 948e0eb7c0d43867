//! The calls over a store on disk, without HTTP.
//!
//! `cargo bench -p diplomatic-host --bench calls`

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]

#[path = "../src/contract/account.rs"]
mod account;

use std::sync::LazyLock;

use diplomatic::standard::calls::{PeekRequest, PullRequest, PushRequest, UserRequest};
use diplomatic::standard::{Encode, Seq};
use diplomatic_host::{Host, RedbStore, Route};
use divan::Bencher;
use divan::counter::ItemsCount;
use tokio::runtime::{Builder, Runtime};

use account::{Account, NOW};

fn main() {
    divan::main();
}

const HISTORY: u64 = 100_000;

struct OnDisk {
    host: Host<RedbStore>,
    account: Account,
    folder: tempfile::TempDir,
    runtime: Runtime,
}

impl OnDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        let store = RedbStore::open(folder.path().join("host.redb")).unwrap();
        let this = Self { host: Host::new(store), account: Account::new(1), folder, runtime };
        this.call("/user", this.request(&UserRequest));
        this
    }

    fn with_history() -> Self {
        let disk = Self::new();
        for _ in 0..HISTORY / 1000 {
            disk.call("/push", disk.request(&PushRequest { bags: disk.account.bags(1000, 100) }));
        }
        disk
    }

    fn request(&self, rest: &impl Encode) -> Vec<u8> {
        self.account.request(NOW, rest)
    }

    /// Makes a request and returns the size of the response, which is taken chunk by chunk.
    fn call(&self, path: &str, request: Vec<u8>) -> usize {
        self.runtime.block_on(async {
            let mut reply = self.host.handle(NOW, Route::of("POST", path), request).await;
            assert!(reply.status().unwrap().is_success());
            let mut size = 0;
            while let Some(chunk) = reply.items.next_chunk(self.host.store()).await.unwrap() {
                size += chunk.len();
            }
            size
        })
    }
}

/// A host that has a long history of one user, with bodies of 100 bytes.
static HISTORIC: LazyLock<OnDisk> = LazyLock::new(OnDisk::with_history);

#[divan::bench(args = [1, 10, 500, 5000], sample_size = 1, sample_count = 20)]
fn push(bencher: Bencher<'_, '_>, bags: usize) {
    let disk = OnDisk::new();
    bencher
        .counter(ItemsCount::new(bags))
        .with_inputs(|| disk.request(&PushRequest { bags: disk.account.bags(bags, 100) }))
        .bench_local_values(|request| disk.call("/push", request));
}

#[divan::bench(sample_size = 1, sample_count = 20)]
fn push_500_after_100_000(bencher: Bencher<'_, '_>) {
    let disk = &*HISTORIC;
    bencher
        .counter(ItemsCount::new(500_usize))
        .with_inputs(|| disk.request(&PushRequest { bags: disk.account.bags(500, 100) }))
        .bench_local_values(|request| disk.call("/push", request));
}

#[divan::bench(sample_size = 1, sample_count = 10)]
fn peek_100_000(bencher: Bencher<'_, '_>) {
    let disk = &*HISTORIC;
    let request = disk.request(&PeekRequest { after: Seq::ZERO });
    bencher
        .counter(ItemsCount::new(HISTORY))
        .with_inputs(|| request.clone())
        .bench_local_values(|request| disk.call("/peek", request));
}

#[divan::bench(sample_size = 1, sample_count = 10)]
fn pull_100_000(bencher: Bencher<'_, '_>) {
    let disk = &*HISTORIC;
    let request = disk.request(&PullRequest { seqs: (1..=HISTORY).filter_map(Seq::new).collect() });
    bencher
        .counter(ItemsCount::new(HISTORY))
        .with_inputs(|| request.clone())
        .bench_local_values(|request| disk.call("/pull", request));
}

/// Opening does not read the whole file.
#[divan::bench(sample_size = 1, sample_count = 5)]
fn open_100_000(bencher: Bencher<'_, '_>) {
    let OnDisk { host, folder, .. } = OnDisk::with_history();
    drop(host);
    bencher.bench_local(|| RedbStore::open(folder.path().join("host.redb")).unwrap());
}
