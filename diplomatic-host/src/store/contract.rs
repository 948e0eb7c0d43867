//! The contract, as tests of every store.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

#[cfg(feature = "server")]
use super::RedbStore;
#[cfg(all(unix, feature = "postgres"))]
use super::two_handles;
use super::{BagStore, MemoryStore};
use crate::contract::{Subject, bag_store_contract};

fn subject(store: impl BagStore) -> Subject {
    static START: OnceLock<Instant> = OnceLock::new();
    Subject {
        spawn: |task| {
            let running = tokio::spawn(task);
            Box::pin(async { running.await.unwrap() })
        },
        now: || START.get_or_init(Instant::now).elapsed(),
        ..Subject::new(Arc::new(store))
    }
}

bag_store_contract!(memory, Some((MemoryStore::new(), ())));
#[cfg(feature = "server")]
bag_store_contract!(redb_in_memory, Some((RedbStore::in_memory().unwrap(), ())));
#[cfg(feature = "server")]
bag_store_contract!(redb_on_disk, {
    let folder = tempfile::tempdir().unwrap();
    Some((RedbStore::open(folder.path().join("host.redb")).unwrap(), folder))
});
#[cfg(all(unix, feature = "postgres"))]
bag_store_contract!(postgres, two_handles::connect::<1>().await);
#[cfg(all(unix, feature = "postgres"))]
bag_store_contract!(two_handles_on_one_postgres, two_handles::connect::<2>().await);
