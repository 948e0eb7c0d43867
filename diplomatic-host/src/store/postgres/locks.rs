//! One turn at a time for each account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diplomatic::standard::PublicKey;
use tokio::sync::OwnedMutexGuard;

/// Locks for accounts; there is one only while somebody has it or waits for it.
#[derive(Debug, Default)]
pub(super) struct Locks {
    accounts: Mutex<HashMap<PublicKey, Arc<tokio::sync::Mutex<()>>>>,
}

/// An account's turn, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'locks> {
    locks: &'locks Locks,
    user: PublicKey,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    pub(super) async fn lock(&self, user: PublicKey) -> Turn<'_> {
        let lock = Arc::clone(self.accounts().entry(user).or_default());
        // Before the wait, which may be given up.
        let mut turn = Turn { locks: self, user, guard: None };
        turn.guard = Some(lock.lock_owned().await);
        turn
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<PublicKey, Arc<tokio::sync::Mutex<()>>>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut accounts = self.locks.accounts();
        if accounts.get(&self.user).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            accounts.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    fn waits(future: &mut Pin<Box<impl Future>>) -> bool {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn turns_of_one_account_come_one_by_one_and_leave_nothing() {
        let locks = Locks::default();
        let [one, other] = [1, 2].map(|number| PublicKey::from_bytes([number; 32]));
        let first = locks.lock(one).await;
        let _other = locks.lock(other).await;
        let mut second = Box::pin(locks.lock(one));
        assert!(waits(&mut second));
        let mut given_up = Box::pin(locks.lock(one));
        assert!(waits(&mut given_up));
        drop(given_up);
        drop(first);
        drop(second.await);
        assert_eq!(locks.accounts().len(), 1);
    }
}
