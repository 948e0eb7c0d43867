//! What a server makes of its [`Policy`].

use std::sync::Arc;

use crate::admission::Gate;
use crate::quotas::Ledger;
use crate::rates::Meter;
use crate::{Disk, Policy, Proxies};

/// Whoever decides on requests, as the policy says. Clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) gate: Arc<Gate>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) proxies: Proxies,
    pub(crate) disk: Option<Disk>,
}

impl Guard {
    pub(crate) fn new(policy: Policy) -> Self {
        let Policy { admission, allowed, quotas, rates, proxies, disk } = policy;
        Self {
            gate: Arc::new(Gate::new(admission, allowed)),
            meter: Arc::new(Meter::new(rates)),
            ledger: Arc::new(Ledger::new(quotas)),
            proxies,
            disk,
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.disk.as_ref().is_none_or(Disk::has_room)
    }
}
