//! How many bytes each account has sent and fetched today.

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use diplomatic::standard::calls::Quota;
use diplomatic::standard::{PublicKey, Timestamp};
use futures_util::task::AtomicWaker;
use futures_util::{StreamExt, stream};

use crate::{BagStore, StoreError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Notes in the store: `traffic/KEY` is `DAY BYTES`, the day counted from the epoch.
const NOTES: &str = "traffic/";
/// An account is noted whenever it has used up another of so many parts of its quota: that much is forgotten at most by
/// a crash, and that much more may be had from each further process on the store.
const PARTS: u64 = 64;
/// How many accounts are noted at once.
const AT_ONCE: usize = 64;

/// Counts traffic against a quota of the day (UTC), and notes it in the store.
#[derive(Debug, Default)]
pub struct Traffic {
    limit: Option<NonZeroU64>,
    today: Mutex<Today>,
    /// Somebody is to be noted.
    news: AtomicWaker,
}

#[derive(Debug, Default)]
struct Today {
    day: u64,
    users: HashMap<PublicKey, Count>,
    /// Those who are to be noted; each is here once.
    due: Vec<PublicKey>,
}

/// What one account has used today.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// As the store has it; `None` while that is not known.
    noted: Option<u64>,
    /// What was counted here since.
    since: u64,
    due: bool,
}

impl Traffic {
    pub(super) fn new(limit: Option<NonZeroU64>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Counts bytes that an account has sent or fetched.
    pub fn count(&self, now: Timestamp, user: PublicKey, bytes: u64) {
        if self.limit.is_some() {
            let mut today = self.today(now);
            today.users.entry(user).or_default().since += bytes;
            self.see_whether_due(&mut today, user);
        }
    }

    fn see_whether_due(&self, today: &mut Today, user: PublicKey) {
        let part = self.limit.map_or(u64::MAX, |limit| limit.get().div_ceil(PARTS));
        if let Some(count) = today.users.get_mut(&user).filter(|count| count.since >= part && !count.due) {
            count.due = true;
            today.due.push(user);
            self.news.wake();
        }
    }

    /// Returns the quota, and how much of it is used.
    pub fn quota(&self, now: Timestamp, user: &PublicKey) -> Quota {
        let Some(limit) = self.limit else { return Quota::UNLIMITED };
        let used = self.today(now).users.get(user).map_or(0, |count| count.noted.unwrap_or(0) + count.since);
        Quota::new(limit.get(), used)
    }

    /// Tells whether an account has used up what it may.
    pub fn is_over(&self, now: Timestamp, user: &PublicKey) -> bool {
        let quota = self.quota(now, user);
        quota.limit().zip(quota.used()).is_some_and(|(limit, used)| used >= limit)
    }

    /// Takes up what the account used before this process started.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn recall(
        &self,
        store: &(impl BagStore + ?Sized),
        now: Timestamp,
        user: PublicKey,
    ) -> Result<(), StoreError> {
        let is_known = |count: &Count| count.noted.is_some();
        if self.limit.is_none() || self.today(now).users.get(&user).is_some_and(is_known) {
            return Ok(());
        }
        let (_, noted) = read(store, now, &user).await?;
        self.today(now).users.entry(user).or_default().noted.get_or_insert(noted);
        Ok(())
    }

    /// Waits until an account is to be noted, as one is whenever it has used up another part of its quota. One may wait.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub async fn due(&self) {
        poll_fn(|cx| {
            // Before the look: what is due after it wakes.
            self.news.register(cx.waker());
            let today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
            if today.due.is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Notes the accounts that are to be noted. Those that could not be noted stay due.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn note_due(&self, store: &(impl BagStore + ?Sized), now: Timestamp) -> Result<(), StoreError> {
        let due = std::mem::take(&mut self.today(now).due);
        self.note_each(store, now, due).await
    }

    /// Notes everything that is counted, before the process ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn note_all(&self, store: &(impl BagStore + ?Sized), now: Timestamp) -> Result<(), StoreError> {
        let users = &self.today(now).users.clone();
        let users = users.iter().filter(|(_, count)| count.since > 0).map(|(user, _)| *user);
        self.note_each(store, now, users.collect()).await
    }

    async fn note_each(
        &self,
        store: &(impl BagStore + ?Sized),
        now: Timestamp,
        users: Vec<PublicKey>,
    ) -> Result<(), StoreError> {
        let noting = stream::iter(users).map(async |user| self.note(store, now, user).await);
        let outcomes: Vec<_> = noting.buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().collect()
    }

    /// Adds to the note what was counted since. Other processes may do the same.
    async fn note(&self, store: &(impl BagStore + ?Sized), now: Timestamp, user: PublicKey) -> Result<(), StoreError> {
        let outcome = async {
            loop {
                let more = self.today(now).users.get(&user).map_or(0, |count| count.since);
                let (old, before) = read(store, now, &user).await?;
                let new = Some(format!("{} {}", day(now), before + more));
                if more == 0 || store.swap_note(name(&user), old, new).await? {
                    return Ok((before + more, more));
                }
            }
        };
        let outcome = outcome.await;
        let mut today = self.today(now);
        let Some(count) = today.users.get_mut(&user) else { return outcome.map(drop) };
        match outcome {
            Ok((noted, more)) => {
                *count = Count { noted: Some(noted), since: count.since.saturating_sub(more), due: false };
                // More may have come meanwhile.
                self.see_whether_due(&mut today, user);
                Ok(())
            }
            Err(error) => {
                today.due.push(user);
                Err(error)
            }
        }
    }

    pub(super) async fn forget(
        &self,
        store: &(impl BagStore + ?Sized),
        now: Timestamp,
        user: PublicKey,
    ) -> Result<(), StoreError> {
        self.today(now).users.remove(&user);
        loop {
            let (old, _) = read(store, now, &user).await?;
            if old.is_none() || store.swap_note(name(&user), old, None).await? {
                return Ok(());
            }
        }
    }

    fn today(&self, now: Timestamp) -> MutexGuard<'_, Today> {
        let day = day(now);
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.day != day {
            *today = Today { day, ..Today::default() };
        }
        today
    }
}

/// Reads the note of an account, and what it says of today.
async fn read(
    store: &(impl BagStore + ?Sized),
    now: Timestamp,
    user: &PublicKey,
) -> Result<(Option<String>, u64), StoreError> {
    let note = store.notes(name(user)).await?.into_iter().next().map(|(_, value)| value);
    let parse = |note: &str| {
        let (noted, bytes) = note.split_once(' ')?;
        (noted.parse() == Ok(day(now))).then(|| bytes.parse().ok())?
    };
    let bytes = note.as_deref().and_then(parse).unwrap_or(0);
    Ok((note, bytes))
}

fn name(user: &PublicKey) -> String {
    format!("{NOTES}{user}")
}

fn day(now: Timestamp) -> u64 {
    u64::try_from(now.since(Timestamp::EPOCH).as_millis() / DAY.as_millis()).unwrap_or(u64::MAX)
}
