//! What is around one call in an account's object.

use std::sync::{Mutex, OnceLock, PoisonError};

use diplomatic::standard::calls::{Call, Quota};
use diplomatic::standard::{Bag, InvalidSignature, PublicKey, Status, Timestamp, VerifiedBag};
use diplomatic_host::{Ledger, Notice, Refusal, Reply, StoreFuture, Surroundings, Underway};
use worker::send::SendFuture;

use crate::account::Shared;
use crate::registry;

/// The largest body of a bag: an isolate has 128 MB for everything.
const LARGEST_BAG: usize = 16 << 20;

/// What is around one call.
pub(crate) struct Around<'object> {
    shared: &'object Shared,
    now: Timestamp,
    /// Who calls, once that is known for sure.
    caller: OnceLock<PublicKey>,
    /// Room that the bags of the call take until they are stored.
    underway: Mutex<Option<Underway<'object>>>,
}

impl<'object> Around<'object> {
    pub(crate) fn new(shared: &'object Shared, now: Timestamp) -> Self {
        Self { shared, now, caller: OnceLock::new(), underway: Mutex::default() }
    }

    /// Returns who calls, if that is known for sure.
    pub(crate) fn caller(&self) -> Option<PublicKey> {
        self.caller.get().copied()
    }

    /// Adds to a reply how much of its quotas the caller has used.
    pub(crate) async fn with_quotas(&self, reply: Reply) -> Reply {
        let Some(user) = self.caller() else { return reply };
        let stored = self.ledger().stored(self.shared.store(), user).await.unwrap_or(Quota::UNLIMITED);
        reply.with_quotas(stored, self.ledger().traffic.quota(self.now, &user))
    }

    const fn ledger(&self) -> &'object Ledger {
        &self.shared.ledger
    }
}

impl Surroundings for Around<'_> {
    fn check(&self, user: PublicKey, bags: Vec<Bag>) -> StoreFuture<'_, Vec<Result<VerifiedBag, Status>>> {
        Box::pin(async move {
            // The bags before these are stored, and counted as such.
            *self.underway.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let checked = Bag::verify_each(bags, &user).into_iter();
            let mut checked: Vec<_> = checked.map(|bag| bag.map_err(InvalidSignature::status)).collect();
            let over = self.ledger().traffic.is_over(self.now, &user);
            let underway = self.ledger().fit(self.shared.store(), user, &mut checked, over).await;
            *self.underway.lock().unwrap_or_else(PoisonError::into_inner) = underway;
            checked
        })
    }

    fn tell(&self, notice: Notice) {
        self.shared.tell(self.now, &notice);
    }

    fn let_in(&self, user: PublicKey, call: Call) -> StoreFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            self.ledger().traffic.recall(self.shared.store(), self.now, user).await?;
            let _ = self.caller.set(user);
            match call {
                Call::Peek | Call::Pull if self.ledger().traffic.is_over(self.now, &user) => Err(Refusal::OverTraffic),
                _ => Ok(()),
            }
        })
    }

    fn admit(&self, user: PublicKey) -> StoreFuture<'_, Result<(), Refusal>> {
        Box::pin(SendFuture::new(registry::ask(&self.shared.env, user)))
    }

    fn largest_bag(&self) -> usize {
        LARGEST_BAG
    }
}
