//! How much one account may store and send.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diplomatic::standard::calls::Quota;
use diplomatic::standard::{Encode, PublicKey, Status, Timestamp, VerifiedBag};

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

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Counts against [`Quotas`]. Traffic is that of this process since midnight (UTC) or its start.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    quotas: Quotas,
    today: Mutex<Today>,
    /// Bytes that are being stored at the moment.
    underway: Mutex<HashMap<PublicKey, u64>>,
}

#[derive(Debug, Default)]
struct Today {
    day: u128,
    traffic: HashMap<PublicKey, u64>,
}

impl Ledger {
    pub(crate) fn new(quotas: Quotas) -> Self {
        Self { quotas, ..Self::default() }
    }

    pub(crate) fn count_traffic(&self, now: Timestamp, user: PublicKey, bytes: u64) {
        if self.quotas.traffic.is_some() {
            *self.today(now).traffic.entry(user).or_default() += bytes;
        }
    }

    pub(crate) fn traffic(&self, now: Timestamp, user: &PublicKey) -> Quota {
        let Some(limit) = self.quotas.traffic else { return Quota::UNLIMITED };
        let used = self.today(now).traffic.get(user).copied().unwrap_or_default();
        Quota::new(limit.get(), used)
    }

    pub(crate) fn is_over_traffic(&self, now: Timestamp, user: &PublicKey) -> bool {
        let traffic = self.traffic(now, user);
        traffic.limit().zip(traffic.used()).is_some_and(|(limit, used)| used >= limit)
    }

    pub(crate) async fn stored(&self, store: &(impl BagStore + ?Sized), user: PublicKey) -> Result<Quota, StoreError> {
        let Some(limit) = self.quotas.stored else { return Ok(Quota::UNLIMITED) };
        let usage = store.usage(user).await?.unwrap_or_default();
        Ok(Quota::new(limit.get(), usage.bytes))
    }

    /// Refuses the bags that the account has no room for: the first of them and all after it, so that what is stored is
    /// the start of what came.
    ///
    /// The room is taken until the guard is dropped, which must not be before the bags are stored.
    pub(crate) async fn fit(
        &self,
        store: &(impl BagStore + ?Sized),
        user: PublicKey,
        bags: &mut [Result<VerifiedBag, Status>],
    ) -> Option<Underway<'_>> {
        let limit = self.quotas.stored?.get();
        let wanted = bags.iter().flatten().map(size).sum();
        // First this, then what is stored: what others store in between is counted twice rather than never.
        let others = self.take(user, wanted);
        let underway = Underway { ledger: self, user, bytes: wanted };
        let mut room = match store.usage(user).await {
            Ok(usage) => limit.saturating_sub(usage.unwrap_or_default().bytes).saturating_sub(others),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "could not tell what an account has stored");
                0
            }
        };
        for bag in bags {
            let Ok(accepted) = bag else { continue };
            match room.checked_sub(size(accepted)) {
                Some(rest) => room = rest,
                None => {
                    room = 0;
                    *bag = Err(Status::STORAGE_ERROR);
                }
            }
        }
        Some(underway)
    }

    /// Notes bytes that are being stored, and returns how many others of the account are.
    fn take(&self, user: PublicKey, bytes: u64) -> u64 {
        let mut underway = self.underway();
        let taken = underway.entry(user).or_default();
        let others = *taken;
        *taken += bytes;
        others
    }

    fn underway(&self) -> MutexGuard<'_, HashMap<PublicKey, u64>> {
        self.underway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn today(&self, now: Timestamp) -> MutexGuard<'_, Today> {
        let day = now.since(Timestamp::EPOCH).as_millis() / DAY.as_millis();
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.day != day {
            *today = Today { day, traffic: HashMap::new() };
        }
        today
    }
}

/// Room that is taken for bags until they are stored.
#[derive(Debug)]
pub(crate) struct Underway<'ledger> {
    ledger: &'ledger Ledger,
    user: PublicKey,
    bytes: u64,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut underway = self.ledger.underway();
        if let Some(taken) = underway.get_mut(&self.user) {
            *taken = taken.saturating_sub(self.bytes);
            if *taken == 0 {
                underway.remove(&self.user);
            }
        }
    }
}

/// How much a bag takes, as [`Usage`](crate::Usage) counts it.
fn size(bag: &VerifiedBag) -> u64 {
    (bag.as_bag().head.to_bytes().len() + bag.as_bag().body.as_bytes().len()) as u64
}
