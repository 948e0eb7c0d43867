//! A store in memory, for tests and simulated worlds.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{Bag, Encode, PublicKey, SealedBody, Seq, Signature, VerifiedBag};

use super::{Appended, BagStore, Change, Changes, Feed, Placed, StoreError, StoreFuture, Usage};

/// A store in memory: nothing outlives it, and everything that can befall a real host can be done to it.
///
/// It is cheap to make, carries out every call before it returns, so that its futures are ready when they are first
/// polled, and draws on no clock, thread or randomness.
///
/// ```
/// use diplomatic::standard::{PublicKey, Seq};
/// use diplomatic_host::{BagStore, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), diplomatic_host::StoreError> {
/// let store = MemoryStore::new();
/// let user = PublicKey::from_bytes([7; 32]);
/// assert_eq!(store.last(user).await?, None);
/// store.register(user).await?;
/// assert_eq!(store.last(user).await?, Some(Seq::ZERO));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    feed: Feed,
}

/// How a write fails when it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteFault {
    /// Nothing is stored, as on a full disk.
    #[default]
    StoresNothing,
    /// The first bags of the request are stored and the whole request fails nevertheless, as some hosts do.
    StoresFirst(usize),
    /// The first bags of the request are stored and acknowledged, and the rest is not.
    CutsAfter(usize),
    /// Every bag is stored and the whole request fails nevertheless, as when an answer is lost.
    StoresAll,
}

#[derive(Debug, Clone, Default)]
struct State {
    users: HashMap<PublicKey, Account>,
    notes: BTreeMap<String, String>,
    faults: usize,
    fault: WriteFault,
}

#[derive(Debug, Clone, Default)]
struct Account {
    last: Seq,
    bags: BTreeMap<Seq, Bag>,
    seqs: HashMap<Signature, Seq>,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the user's stored bags.
    pub fn bag_count(&self, user: &PublicKey) -> usize {
        self.state().users.get(user).map_or(0, |account| account.bags.len())
    }

    /// Returns one stored bag.
    pub fn bag(&self, user: &PublicKey, seq: Seq) -> Option<Bag> {
        self.state().users.get(user)?.bags.get(&seq).cloned()
    }

    /// Makes the next `count` writes fail in the way of `fault`.
    pub fn fail_writes(&self, count: usize, fault: WriteFault) {
        let mut state = self.state();
        state.faults = count;
        state.fault = fault;
    }

    /// Forgets the user's bags above `last` and gives their seqs again, as a host does that was restored from an old
    /// backup.
    pub fn roll_back(&self, user: &PublicKey, last: Seq) {
        if let Some(account) = self.state().users.get_mut(user) {
            account.bags.retain(|seq, _| *seq <= last);
            account.seqs.retain(|_, seq| *seq <= last);
            account.last = account.last.min(last);
        }
        self.feed.report(Change::Anything);
    }

    /// Forgets one bag and leaves a hole where it was, as a damaged or lying host does.
    pub fn lose(&self, user: &PublicKey, seq: Seq) -> Option<Bag> {
        let mut state = self.state();
        let account = state.users.get_mut(user)?;
        account.seqs.retain(|_, at| *at != seq);
        account.bags.remove(&seq)
    }

    /// Forgets the user, bags and registration, as a host does that was set up anew.
    pub fn forget(&self, user: &PublicKey) {
        self.state().users.remove(user);
        self.feed.report(Change::Deleted { user: *user });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of a caller runs under this lock, so that a poisoned one still guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy of what is stored, as a backup is.
impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self { state: Mutex::new(self.state().clone()), feed: Feed::default() }
    }
}

impl State {
    fn next_fault(&mut self) -> Option<WriteFault> {
        self.faults = self.faults.checked_sub(1)?;
        Some(self.fault)
    }
}

impl Account {
    fn place(&mut self, bag: Bag) -> Placed {
        if let Some(&seq) = self.seqs.get(&bag.head.signature) {
            return match self.bags.insert(seq, bag) {
                Some(before) if self.bags.get(&seq) == Some(&before) => Placed::Known(seq),
                _ => Placed::Healed(seq),
            };
        }
        self.last = self.last.next();
        self.seqs.insert(bag.head.signature, self.last);
        self.bags.insert(self.last, bag);
        Placed::New(self.last)
    }

    fn heads(&self, after: Seq, last: Seq, budget: usize) -> Vec<PeekItem> {
        let mut items = Vec::new();
        let mut size = 0;
        // `range` panics where the start is behind the end.
        let bags = (after < last).then(|| self.bags.range(after.next()..=last));
        for (&seq, bag) in bags.into_iter().flatten() {
            size += bag.head.head.as_bytes().len();
            items.push(PeekItem { head: bag.head.clone(), seq });
            if size > budget {
                break;
            }
        }
        items
    }

    fn usage(&self) -> Usage {
        Usage { bags: self.bags.len() as u64, bytes: self.bags.values().map(size).sum() }
    }
}

fn size(bag: &Bag) -> u64 {
    (bag.head.to_bytes().len() + bag.body.as_bytes().len()) as u64
}

impl MemoryStore {
    fn append_now(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> Appended {
        let mut state = self.state();
        let fault = state.next_fault();
        let kept = match fault {
            None | Some(WriteFault::StoresAll) => bags.len(),
            Some(WriteFault::StoresFirst(count) | WriteFault::CutsAfter(count)) => count,
            Some(WriteFault::StoresNothing) => 0,
        };
        let account = state.users.entry(user).or_default();
        let placed: Vec<_> = bags.into_iter().take(kept).map(|bag| account.place(bag.into_bag())).collect();
        let last = account.last;
        // Reported under the lock, so that the hints of one user rise.
        if placed.iter().any(|placed| placed.is_new()) {
            self.feed.report(Change::Appended { user, last });
        }
        match fault {
            None => Appended::whole(placed),
            Some(WriteFault::CutsAfter(_)) => Appended { placed, cut: Some(StoreError::Injected) },
            Some(_) => Appended::nothing(StoreError::Injected),
        }
    }

    fn bodies_now(&self, user: PublicKey, seqs: &[Seq], budget: usize) -> Vec<Option<SealedBody>> {
        let state = self.state();
        let account = state.users.get(&user);
        let mut bodies = Vec::new();
        let mut size = 0;
        for seq in seqs {
            let body = account.and_then(|account| account.bags.get(seq)).map(|bag| bag.body.clone());
            size += body.as_ref().map_or(0, |body| body.as_bytes().len());
            bodies.push(body);
            if size > budget {
                break;
            }
        }
        bodies
    }
}

impl BagStore for MemoryStore {
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>> {
        let mut state = self.state();
        let outcome = match state.next_fault() {
            Some(_) => Err(StoreError::Injected),
            None => {
                state.users.entry(user).or_default();
                Ok(())
            }
        };
        Box::pin(ready(outcome))
    }

    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended> {
        Box::pin(ready(self.append_now(user, bags)))
    }

    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>> {
        let last = self.state().users.get(&user).map(|account| account.last);
        Box::pin(ready(Ok(last)))
    }

    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>> {
        let items = self.state().users.get(&user).map(|account| account.heads(after, last, budget));
        Box::pin(ready(Ok(items.unwrap_or_default())))
    }

    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>> {
        Box::pin(ready(Ok(self.bodies_now(user, &seqs, budget))))
    }

    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>> {
        let usage = self.state().users.get(&user).map(Account::usage);
        Box::pin(ready(Ok(usage)))
    }

    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>> {
        let state = self.state();
        let account = state.users.get(&user);
        let bag = |signature| account.and_then(|account| account.bags.get(account.seqs.get(signature)?));
        let sizes = signatures.iter().map(|signature| bag(signature).map(size)).collect();
        Box::pin(ready(Ok(sizes)))
    }

    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        let deleted = self.state().users.remove(&user).is_some();
        self.feed.report(Change::Deleted { user });
        Box::pin(ready(Ok(deleted)))
    }

    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>> {
        let mut users: Vec<_> = self.state().users.keys().copied().filter(|user| Some(*user) > after).collect();
        users.sort_unstable();
        users.truncate(count);
        Box::pin(ready(Ok(users)))
    }

    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>> {
        let state = self.state();
        let notes = state.notes.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        Box::pin(ready(Ok(notes.map(|(name, value)| (name.clone(), value.clone())).collect())))
    }

    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        let mut state = self.state();
        let fits = state.notes.get(&name) == old.as_ref();
        if fits {
            match new {
                Some(new) => state.notes.insert(name, new),
                None => state.notes.remove(&name),
            };
        }
        Box::pin(ready(Ok(fits)))
    }

    fn changes(&self) -> Changes {
        self.feed.watch()
    }
}
