//! A store in memory, for tests and simulated worlds.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{Bag, PublicKey, SealedBody, Seq, Signature, VerifiedBag};

use super::{BagStore, Done, Placed, StoreError};

/// A store in memory: nothing outlives it, and everything that can befall a real host can be done to it.
///
/// It is cheap to make, answers every write before the call returns, and draws on no clock, thread or randomness.
///
/// ```
/// use diplomatic::standard::{PublicKey, Seq};
/// use diplomatic_host::{BagStore, MemoryStore};
///
/// let store = MemoryStore::new();
/// let user = PublicKey::from_bytes([7; 32]);
/// assert_eq!(store.last_seq(&user).unwrap(), None);
/// store.register(&user, Box::new(|outcome| outcome.unwrap()));
/// assert_eq!(store.last_seq(&user).unwrap(), Some(Seq::ZERO));
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Held from a write to the end of its `done`, so that those run in the order of the writes.
    turn: Mutex<()>,
    state: Mutex<State>,
}

/// How a write fails when it is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteFault {
    /// Nothing is stored, as on a full disk.
    #[default]
    StoresNothing,
    /// The first bags of the request are stored and the whole request fails nevertheless, as some hosts do.
    StoresFirst(usize),
    /// Every bag is stored and the whole request fails nevertheless, as when an answer is lost.
    StoresAll,
}

#[derive(Debug, Clone, Default)]
struct State {
    users: HashMap<PublicKey, Account>,
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
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of a caller runs under this lock, so that a poisoned one still guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, done: Done<T>, write: impl FnOnce(&mut State) -> Result<T, StoreError>) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = write(&mut self.state());
        done(outcome);
    }
}

/// A copy of what is stored, as a backup is.
impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self { turn: Mutex::default(), state: Mutex::new(self.state().clone()) }
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
            return Placed::Known(seq);
        }
        self.last = self.last.next();
        self.seqs.insert(bag.head.signature, self.last);
        self.bags.insert(self.last, bag);
        Placed::New(self.last)
    }
}

impl BagStore for MemoryStore {
    fn register(&self, user: &PublicKey, done: Done<()>) {
        self.write(done, |state| match state.next_fault() {
            Some(_) => Err(StoreError::Injected),
            None => {
                state.users.entry(*user).or_default();
                Ok(())
            }
        });
    }

    fn append(&self, user: &PublicKey, bags: Vec<VerifiedBag>, done: Done<Vec<Placed>>) {
        self.write(done, |state| {
            let fault = state.next_fault();
            let kept = match fault {
                None | Some(WriteFault::StoresAll) => bags.len(),
                Some(WriteFault::StoresFirst(count)) => count,
                Some(WriteFault::StoresNothing) => 0,
            };
            let account = state.users.entry(*user).or_default();
            let placed = bags.into_iter().take(kept).map(|bag| account.place(bag.into_bag())).collect();
            if fault.is_some() { Err(StoreError::Injected) } else { Ok(placed) }
        });
    }

    fn last_seq(&self, user: &PublicKey) -> Result<Option<Seq>, StoreError> {
        Ok(self.state().users.get(user).map(|account| account.last))
    }

    fn heads(&self, user: &PublicKey, after: Seq, last: Seq, budget: usize) -> Result<Vec<PeekItem>, StoreError> {
        let state = self.state();
        let mut items = Vec::new();
        let mut size = 0;
        // `range` panics where the start is behind the end.
        let bags = state.users.get(user).filter(|_| after < last);
        for (&seq, bag) in bags.iter().flat_map(|account| account.bags.range(after.next()..=last)) {
            size += bag.head.head.as_bytes().len();
            items.push(PeekItem { head: bag.head.clone(), seq });
            if size > budget {
                break;
            }
        }
        Ok(items)
    }

    fn bodies(&self, user: &PublicKey, seqs: &[Seq], budget: usize) -> Result<Vec<Option<SealedBody>>, StoreError> {
        let state = self.state();
        let account = state.users.get(user);
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
        Ok(bodies)
    }
}
