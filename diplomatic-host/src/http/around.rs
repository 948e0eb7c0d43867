//! What is around one call: the server, and who stands at the door.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use diplomatic::standard::calls::{Call, Quota};
use diplomatic::standard::{Bag, PublicKey, Status, VerifiedBag};

use crate::app::App;
use crate::host::with_status;
use crate::metrics::Writing;
use crate::quotas::Underway;
use crate::{Appended, Notice, Refusal, Reply, StoreFuture, Surroundings, Visitor};

/// What is around one call.
pub(super) struct Around<'app> {
    app: &'app App,
    visitor: Visitor,
    /// Who calls, once that is known for sure.
    caller: OnceLock<PublicKey>,
    /// Room that the bags of the call take until they are stored.
    underway: Mutex<Option<Underway<'app>>>,
    /// The write of the bags that were checked last.
    writing: Mutex<Option<Writing>>,
}

impl<'app> Around<'app> {
    pub(super) fn new(app: &'app App, visitor: Visitor) -> Self {
        Self { app, visitor, caller: OnceLock::new(), underway: Mutex::default(), writing: Mutex::default() }
    }

    /// Adds to a reply how much of its quotas the caller has used, and counts what the request took of them.
    pub(super) async fn settle(&self, reply: Reply, received: u64) -> (Reply, Option<Traffic>) {
        let Some(user) = self.caller.get().copied() else { return (reply, None) };
        let traffic = Traffic { app: self.app.clone(), user };
        traffic.count(received);
        let stored = self.app.guard.ledger.stored(self.app.host.store(), user).await.unwrap_or(Quota::UNLIMITED);
        let sent = self.app.guard.ledger.traffic.quota(self.app.now(), &user);
        (reply.with_quotas(stored, sent), Some(traffic))
    }
}

/// Counts the traffic of one account.
#[derive(Clone)]
pub(super) struct Traffic {
    app: App,
    user: PublicKey,
}

impl Traffic {
    pub(super) const fn new(app: App, user: PublicKey) -> Self {
        Self { app, user }
    }

    pub(super) fn count(&self, bytes: u64) {
        self.app.guard.ledger.traffic.count(self.app.now(), self.user, bytes);
    }
}

impl Surroundings for Around<'_> {
    fn check(&self, user: PublicKey, bags: Vec<Bag>) -> StoreFuture<'_, Vec<Result<VerifiedBag, Status>>> {
        Box::pin(async move {
            let started = Instant::now();
            // The bags before these are stored, and counted as such.
            *self.underway.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let mut checked = with_status(self.app.check_signatures(user, bags).await);
            self.app.metrics.observe_verification(started.elapsed());
            let ledger = &self.app.guard.ledger;
            let full = ledger.traffic.is_over(self.app.now(), &user) || !self.app.guard.has_room();
            let underway = ledger.fit(self.app.host.store(), user, &mut checked, full).await;
            *self.underway.lock().unwrap_or_else(PoisonError::into_inner) = underway;
            // What is checked is stored at once.
            *self.writing.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.app.metrics.start_write());
            checked
        })
    }

    fn tell(&self, notice: Notice) {
        self.app.hub.publish(notice);
    }

    fn let_in(&self, user: PublicKey, call: Call) -> StoreFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let guard = &self.app.guard;
            guard.gate.check(self.app.host.store(), &user).await?;
            if !guard.meter.allows_key(&user) {
                return Err(Refusal::TooMany);
            }
            guard.ledger.traffic.recall(self.app.host.store(), self.app.now(), user).await?;
            let _ = self.caller.set(user);
            match call {
                Call::Push if !guard.has_room() => Err(Refusal::NoRoom),
                Call::Peek | Call::Pull if guard.ledger.traffic.is_over(self.app.now(), &user) => {
                    Err(Refusal::OverTraffic)
                }
                _ => Ok(()),
            }
        })
    }

    fn largest_bag(&self) -> usize {
        self.app.limits.body
    }

    fn admit(&self, user: PublicKey) -> StoreFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let guard = &self.app.guard;
            if !guard.has_room() {
                return Err(Refusal::NoRoom);
            }
            let admitted = guard.gate.admit(self.app.host.store(), self.app.now(), &user, &self.visitor).await;
            if matches!(admitted, Err(Refusal::NotAdmitted)) {
                tracing::warn!(key = %user, "did not register a key: the operator can allow it, or make an invite");
            }
            admitted
        })
    }

    fn stored(&self, appended: &Appended, verdicts: &[Option<Status>]) {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing {
            writing.finish(appended, verdicts);
        }
    }
}
