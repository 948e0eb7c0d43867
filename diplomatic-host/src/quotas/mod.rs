//! How much one account may store and send.

mod room;
mod traffic;

use std::num::NonZeroU64;

use diplomatic::standard::calls::Quota;
use diplomatic::standard::{PublicKey, Timestamp};

use self::room::Rooms;
pub use self::room::Underway;
pub use self::traffic::Traffic;
use crate::{BagStore, StoreError};

/// How much each account may store, and send and fetch in a day. Every response reports it, and how much is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotas {
    stored: Option<NonZeroU64>,
    traffic: Option<NonZeroU64>,
}

impl Quotas {
    /// Returns quotas of so many stored bytes, and so many bytes of requests and responses in a day; 0 is no quota.
    pub const fn new(stored: u64, traffic: u64) -> Self {
        Self { stored: NonZeroU64::new(stored), traffic: NonZeroU64::new(traffic) }
    }
}

/// Counts against [`Quotas`].
#[derive(Debug, Default)]
pub struct Ledger {
    quotas: Quotas,
    rooms: Rooms,
    /// What accounts have sent and fetched today.
    pub traffic: Traffic,
}

impl Ledger {
    /// Returns a ledger in which nothing is counted yet.
    pub fn new(quotas: Quotas) -> Self {
        Self { quotas, rooms: Rooms::default(), traffic: Traffic::new(quotas.traffic) }
    }

    /// Returns the quota of stored bytes, and how many are stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn stored(&self, store: &(impl BagStore + ?Sized), user: PublicKey) -> Result<Quota, StoreError> {
        let Some(limit) = self.quotas.stored else { return Ok(Quota::UNLIMITED) };
        let usage = store.usage(user).await?.unwrap_or_default();
        Ok(Quota::new(limit.get(), usage.bytes))
    }

    /// Forgets an account that is deleted.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget(
        &self,
        store: &(impl BagStore + ?Sized),
        now: Timestamp,
        user: PublicKey,
    ) -> Result<(), StoreError> {
        self.traffic.forget(store, now, user).await
    }
}
