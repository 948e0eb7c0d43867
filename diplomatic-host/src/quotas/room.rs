//! Whether there is room for bags.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use diplomatic::standard::{Encode, PublicKey, Status, VerifiedBag};

use super::Ledger;
use crate::{BagStore, StoreError};

/// Bytes that are being stored at the moment, by account.
#[derive(Debug, Default)]
pub(super) struct Rooms(Mutex<HashMap<PublicKey, u64>>);

/// Room that is taken for bags until they are stored.
#[derive(Debug)]
pub struct Underway<'ledger> {
    rooms: &'ledger Rooms,
    user: PublicKey,
    bytes: u64,
}

impl Ledger {
    /// Refuses the bags that there is no room for: the first of them and all after it, so that what is stored is the
    /// start of what came. A bag that is there already takes no room and is not refused, or its client would never learn
    /// its seq. Nothing is taken in beyond that where the host is `full`.
    ///
    /// The room is taken until the guard is dropped, which must not be before the bags are stored.
    pub async fn fit(
        &self,
        store: &(impl BagStore + ?Sized),
        user: PublicKey,
        bags: &mut [Result<VerifiedBag, Status>],
        full: bool,
    ) -> Option<Underway<'_>> {
        if self.quotas.stored.is_none() && !full {
            return None;
        }
        let mut growth: Vec<u64> = bags.iter().map(|bag| bag.as_ref().map_or(0, size)).collect();
        let wanted = growth.iter().sum();
        // First this, then what is stored: what others store in between is counted twice rather than never.
        let others = self.rooms.take(user, wanted);
        let underway = Underway { rooms: &self.rooms, user, bytes: wanted };
        let room = if full { Ok(0) } else { self.room(store, user, others).await };
        let mut room = room.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "could not tell what an account has stored");
            0
        });
        if wanted > room
            && let Err(error) = subtract_known(store, user, bags, &mut growth).await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "could not tell which bags are there already");
        }
        for (bag, growth) in bags.iter_mut().zip(growth).filter(|(bag, _)| bag.is_ok()) {
            match room.checked_sub(growth) {
                Some(rest) => room = rest,
                None => {
                    room = 0;
                    *bag = Err(Status::STORAGE_ERROR);
                }
            }
        }
        Some(underway)
    }

    async fn room(&self, store: &(impl BagStore + ?Sized), user: PublicKey, others: u64) -> Result<u64, StoreError> {
        let Some(limit) = self.quotas.stored else { return Ok(u64::MAX) };
        let used = store.usage(user).await?.unwrap_or_default().bytes;
        Ok(limit.get().saturating_sub(used).saturating_sub(others))
    }
}

/// Takes off what each bag replaces: all of it, mostly, for it is the same bag again.
async fn subtract_known(
    store: &(impl BagStore + ?Sized),
    user: PublicKey,
    bags: &[Result<VerifiedBag, Status>],
    growth: &mut [u64],
) -> Result<(), StoreError> {
    let (mut signatures, mut places) = (Vec::new(), Vec::new());
    let mut seen = HashMap::new();
    for (place, bag) in bags.iter().enumerate() {
        let Ok(bag) = bag else { continue };
        let signature = bag.as_bag().head.signature;
        // The second of two takes the place of the first.
        if let Some(size) = seen.insert(signature, growth[place]) {
            growth[place] = growth[place].saturating_sub(size);
        } else {
            signatures.push(signature);
            places.push(place);
        }
    }
    let sizes = store.sizes(user, signatures).await?;
    for (place, size) in places.into_iter().zip(sizes) {
        growth[place] = growth[place].saturating_sub(size.unwrap_or(0));
    }
    Ok(())
}

impl Rooms {
    /// Notes bytes that are being stored, and returns how many others of the account are.
    fn take(&self, user: PublicKey, bytes: u64) -> u64 {
        let mut underway = self.underway();
        let taken = underway.entry(user).or_default();
        let others = *taken;
        *taken += bytes;
        others
    }

    fn underway(&self) -> MutexGuard<'_, HashMap<PublicKey, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut underway = self.rooms.underway();
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
