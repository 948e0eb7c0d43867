//! Changes: hints from a store to its watchers.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use diplomatic::standard::{PublicKey, Seq};
use futures_util::task::AtomicWaker;

/// One change in a store. It is only a hint; the store has the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The user's last seq is now at least this one.
    Appended {
        /// The user.
        user: PublicKey,
        /// The last seq.
        last: Seq,
    },
    /// The user was deleted with all bags.
    Deleted {
        /// The user.
        user: PublicKey,
    },
    /// Some changes may not have been told: whoever watches looks at what matters to him.
    Missed,
    /// Anything may have changed, even backwards: the data was reopened after a failure, or restored.
    Anything,
}

/// The changes of a store for one watcher, merged per user until they are taken.
#[derive(Debug)]
pub struct Changes {
    waiting: Arc<Waiting>,
    /// The changes taken from `waiting` but not returned yet.
    taken: Vec<Change>,
    /// The changes of a store that is not open yet.
    later: Option<Later>,
}

struct Later(Pin<Box<dyn Future<Output = Option<Changes>> + Send>>);

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

/// Where a store reports its changes.
#[derive(Debug, Default)]
pub struct Feed {
    watchers: Mutex<Vec<Weak<Waiting>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    pending: Mutex<Pending>,
    /// Wakes the one that watches.
    news: AtomicWaker,
}

#[derive(Debug, Default)]
struct Pending {
    users: HashMap<PublicKey, Merged>,
    anything: bool,
    missed: bool,
    ended: bool,
}

/// The changes of one user.
#[derive(Debug, Default)]
struct Merged {
    deleted: bool,
    /// The last seq after that.
    last: Option<Seq>,
}

impl Feed {
    /// Reports a change to all watchers.
    pub fn report(&self, change: Change) {
        self.each_watcher(|pending| pending.add(change));
    }

    /// Starts watching.
    pub fn watch(&self) -> Changes {
        let waiting = Arc::new(Waiting::default());
        lock(&self.watchers).push(Arc::downgrade(&waiting));
        Changes { waiting, taken: Vec::new(), later: None }
    }

    fn each_watcher(&self, mut tell: impl FnMut(&mut Pending)) {
        lock(&self.watchers).retain(|watcher| {
            let Some(watcher) = watcher.upgrade() else { return false };
            tell(&mut lock(&watcher.pending));
            watcher.news.wake();
            true
        });
    }
}

/// Ends the changes of all watchers.
impl Drop for Feed {
    fn drop(&mut self) {
        self.each_watcher(|pending| pending.ended = true);
    }
}

impl Changes {
    /// The changes of a store that is not open yet; `None` if it never will be.
    pub fn later(changes: impl Future<Output = Option<Self>> + Send + 'static) -> Self {
        Self { waiting: Arc::default(), taken: Vec::new(), later: Some(Later(Box::pin(changes))) }
    }

    /// Returns the next change, or `None` once the store is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no change.
    pub async fn next(&mut self) -> Option<Change> {
        if let Some(Later(changes)) = &mut self.later {
            *self = changes.await?;
        }
        poll_fn(|cx| {
            if let Some(change) = self.taken.pop() {
                return Poll::Ready(Some(change));
            }
            // Before the look: what is reported after it wakes.
            self.waiting.news.register(cx.waker());
            let mut pending = lock(&self.waiting.pending);
            pending.take(&mut self.taken);
            match self.taken.pop() {
                None if !pending.ended => Poll::Pending,
                change => Poll::Ready(change),
            }
        })
        .await
    }
}

impl Pending {
    fn add(&mut self, change: Change) {
        match change {
            Change::Appended { user, last } => self.users.entry(user).or_default().last = Some(last),
            Change::Deleted { user } => drop(self.users.insert(user, Merged { deleted: true, last: None })),
            Change::Missed => self.missed = true,
            Change::Anything => self.anything = true,
        }
    }

    fn take(&mut self, out: &mut Vec<Change>) {
        // What is returned first comes last.
        for (user, Merged { deleted, last }) in mem::take(&mut self.users) {
            out.extend(last.map(|last| Change::Appended { user, last }));
            out.extend(deleted.then_some(Change::Deleted { user }));
        }
        out.extend(mem::take(&mut self.missed).then_some(Change::Missed));
        out.extend(mem::take(&mut self.anything).then_some(Change::Anything));
    }
}

/// Nothing that can panic runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(user: u8, last: u64) -> Change {
        Change::Appended { user: PublicKey::from_bytes([user; 32]), last: Seq::new(last).unwrap() }
    }

    #[tokio::test]
    async fn a_watcher_hears_the_latest_of_each_user_and_then_the_end() {
        let feed = Feed::default();
        feed.report(appended(9, 1));
        let mut changes = feed.watch();
        for change in [appended(1, 1), appended(2, 5), appended(1, 2), Change::Anything] {
            feed.report(change);
        }
        assert_eq!(changes.next().await, Some(Change::Anything));
        let mut rest = [changes.next().await.unwrap(), changes.next().await.unwrap()];
        rest.sort_by_key(|change| matches!(change, Change::Appended { last, .. } if last.number() == 5));
        assert_eq!(rest, [appended(1, 2), appended(2, 5)]);
        drop(feed);
        assert_eq!(changes.next().await, None);
    }

    #[tokio::test]
    async fn who_was_deleted_and_came_again_is_told_of_in_this_order() {
        let feed = Feed::default();
        let mut changes = feed.watch();
        let deleted = Change::Deleted { user: PublicKey::from_bytes([1; 32]) };
        for change in [appended(1, 9), deleted, appended(1, 1)] {
            feed.report(change);
        }
        assert_eq!([changes.next().await, changes.next().await], [Some(deleted), Some(appended(1, 1))]);
    }

    #[tokio::test]
    async fn a_watcher_that_waits_is_woken() {
        let feed = Arc::new(Feed::default());
        let mut changes = feed.watch();
        let waiting = tokio::spawn(async move { changes.next().await });
        tokio::task::yield_now().await;
        feed.report(appended(1, 1));
        assert_eq!(waiting.await.unwrap(), Some(appended(1, 1)));
    }
}
