//! Who is registered, as far as this process has heard.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use diplomatic::standard::PublicKey;

/// How many accounts are remembered.
const MOST: usize = 65_536;

/// Accounts that were there when they were last asked for. Another process may have deleted them since.
#[derive(Debug, Default)]
pub(super) struct Registered(Mutex<HashSet<PublicKey>>);

impl Registered {
    pub(super) fn contains(&self, user: &PublicKey) -> bool {
        self.users().contains(user)
    }

    pub(super) fn insert(&self, user: PublicKey) {
        let mut users = self.users();
        if users.len() >= MOST {
            users.clear();
        }
        users.insert(user);
    }

    /// Forgets an account, and tells whether it was remembered.
    pub(super) fn remove(&self, user: &PublicKey) -> bool {
        self.users().remove(user)
    }

    fn users(&self) -> MutexGuard<'_, HashSet<PublicKey>> {
        // Nothing that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
