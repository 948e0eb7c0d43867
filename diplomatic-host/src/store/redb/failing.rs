//! Disks that fail: full ones, and ones that come back.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{Bag, Encode, SealedBody, Seq, VerifiedBag};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use tokio::runtime::Builder;

use super::open::Medium;
use super::{RedbOptions, RedbStore};
use crate::contract::Account;
use crate::store::{BagStore, Change, OpenStoreError, Placed, Readiness, StoreError, Usage};

/// A disk that survives the database, as the system shows it. It can be full, where only bytes that lie on it already can
/// be written again, and it can fail in other ways.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// What the system shows, written or not.
    shown: InMemoryBackend,
    state: Mutex<State>,
    blocks_left: AtomicI64,
    writes_left: AtomicI64,
    /// The sync after so many fails, and then they work again.
    syncs_left: AtomicI64,
    panics: AtomicBool,
    bytes_read: AtomicU64,
    /// Where the pages start that cannot be read.
    unreadable: Mutex<Vec<u64>>,
    /// Held where syncs are to wait.
    gate: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    taken: HashSet<u64>,
    /// What a power cut leaves.
    synced: Vec<u8>,
    /// Blocks that the next sync writes. One that fails forgets them, as Linux does: the system takes them for written.
    dirty: HashSet<u64>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            shown: InMemoryBackend::new(),
            state: Mutex::default(),
            blocks_left: AtomicI64::new(i64::MAX),
            writes_left: AtomicI64::new(i64::MAX),
            syncs_left: AtomicI64::new(i64::MAX),
            panics: AtomicBool::new(false),
            bytes_read: AtomicU64::new(0),
            unreadable: Mutex::default(),
            gate: Mutex::default(),
        }
    }
}

impl Disk {
    const BLOCK: u64 = 4096;

    fn with(bytes: &[u8]) -> Self {
        let disk = Self::default();
        disk.set_len(bytes.len() as u64).unwrap();
        disk.write(0, bytes).unwrap();
        disk.sync_data().unwrap();
        disk
    }

    /// The disk as a power cut leaves it: only what was synced.
    fn after_power_cut(&self) -> Self {
        Self::with(&self.0.state.lock().unwrap().synced)
    }

    fn open(&self) -> RedbStore {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<RedbStore, OpenStoreError> {
        let disk = self.clone();
        RedbStore::start(Medium::backend(move || Box::new(disk.clone())))
    }

    /// Opens a store that reads every page from the disk whenever it needs it.
    fn open_without_cache(&self) -> RedbStore {
        let disk = self.clone();
        let options = RedbOptions { cache: 0, check: false };
        RedbStore::start(Medium::backend(move || Box::new(disk.clone())).with_options(options)).unwrap()
    }

    fn whole(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len().unwrap()).unwrap()];
        self.0.shown.read(0, &mut bytes).unwrap();
        bytes
    }
}

fn spend(left: &AtomicI64) -> io::Result<()> {
    match left.fetch_sub(1, Ordering::SeqCst) {
        ..=0 => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.shown.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.bytes_read.fetch_add(out.len() as u64, Ordering::SeqCst);
        if self.0.unreadable.lock().unwrap().contains(&offset) {
            return Err(io::Error::other("this page cannot be read"));
        }
        self.0.shown.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // As on a real disk, room is taken by what is written, not by the length.
        self.0.shown.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        assert!(!self.0.panics.load(Ordering::SeqCst), "this disk panics");
        drop(self.0.gate.lock().unwrap());
        let mut state = self.0.state.lock().unwrap();
        let dirty = std::mem::take(&mut state.dirty);
        if self.0.syncs_left.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(io::Error::other("this sync fails"));
        }
        let len = self.0.shown.len()?;
        state.synced.resize(usize::try_from(len).unwrap(), 0);
        for block in dirty {
            let start = block * Self::BLOCK;
            let range = usize::try_from(start).unwrap()..usize::try_from((start + Self::BLOCK).min(len)).unwrap();
            if !range.is_empty() {
                self.0.shown.read(start, &mut state.synced[range])?;
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        spend(&self.0.writes_left)?;
        let mut state = self.0.state.lock().unwrap();
        for block in offset / Self::BLOCK..(offset + data.len() as u64).div_ceil(Self::BLOCK) {
            if !state.taken.contains(&block) {
                spend(&self.0.blocks_left)?;
                state.taken.insert(block);
            }
            state.dirty.insert(block);
        }
        self.0.shown.write(offset, data)
    }
}

/// Waits for the store, which needs no runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().build().unwrap().block_on(future)
}

fn push(store: &RedbStore, account: &Account, count: usize) -> Result<Vec<Placed>, StoreError> {
    wait(store.append(account.key(), account.verified(count, 1000))).into_whole()
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_takes_writes_again_when_there_is_room() {
    for blocks in [0, 1, 2, 3, 5, 8, 13] {
        let disk = Disk::default();
        let store = disk.open();
        let account = Account::new(1);
        assert_eq!(push(&store, &account, 20).unwrap().len(), 20);
        disk.0.blocks_left.store(blocks, Ordering::SeqCst);
        let refused = push(&store, &account, 50);
        assert!(matches!(refused, Err(StoreError::Write(_))), "{refused:?} with room for {blocks} blocks");

        let read_back = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            wait(store.heads(account.key(), Seq::ZERO, Seq::new(100).unwrap(), usize::MAX)).ok()
        });
        assert_eq!(read_back.map(|items| items.len()), Some(20), "with room for {blocks} blocks");

        disk.0.blocks_left.store(i64::MAX, Ordering::SeqCst);
        let placed = (0..100).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            push(&store, &account, 1).ok()
        });
        let placed = placed.unwrap();
        assert_eq!(placed, [Placed::New(Seq::new(21).unwrap())]);
    }
}

#[test]
fn every_acknowledged_bag_is_there_however_many_writes_the_disk_took() {
    for writes in 0..60 {
        let disk = Disk::default();
        let account = Account::new(1);
        let store = disk.open();
        disk.0.writes_left.store(writes, Ordering::SeqCst);
        let stored = (0..20).filter_map(|_| push(&store, &account, 1).ok()).flatten().map(Placed::seq).max();
        drop(store);
        disk.0.writes_left.store(i64::MAX, Ordering::SeqCst);
        let last = wait(disk.open().last(account.key())).unwrap();
        assert!(last >= stored, "{stored:?} was acknowledged and {last:?} is there after {writes} writes");
    }
}

#[test]
fn every_acknowledged_bag_survives_a_power_cut() {
    let disk = Disk::default();
    let store = disk.open();
    let account = Account::new(1);
    for count in [1, 5, 1, 50, 2, 1] {
        let placed = push(&store, &account, count).unwrap();
        let after = disk.after_power_cut().open();
        let last = wait(after.last(account.key())).unwrap();
        assert_eq!(last, placed.last().map(|placed| placed.seq()));
        let heads = wait(after.heads(account.key(), Seq::ZERO, last.unwrap(), usize::MAX)).unwrap();
        assert_eq!(heads.len() as u64, last.unwrap().number());
    }
}

fn push_bag(store: &RedbStore, account: &Account, bag: &VerifiedBag) -> Result<Placed, StoreError> {
    let placed = wait(store.append(account.key(), vec![bag.clone()])).into_whole()?;
    Ok(placed[0])
}

#[test]
fn a_failed_sync_never_leads_to_success_for_what_is_not_on_disk() {
    for (fails_at, restarts) in (0..40).flat_map(|fails_at| [(fails_at, false), (fails_at, true)]) {
        let disk = Disk::default();
        let account = Account::new(1);
        let mut store = Some(disk.open());
        disk.0.syncs_left.store(fails_at, Ordering::SeqCst);
        for number in 1..=8 {
            let bag = &account.verified(1, 100)[0];
            let placed = (0..1000).find_map(|_| {
                let opened = store.take().map_or_else(|| disk.try_open(), Ok).ok()?;
                let placed = push_bag(&opened, &account, bag);
                // A process that stops and starts again finds the same system, which shows what is not on disk.
                store = (placed.is_ok() || !restarts).then_some(opened);
                placed.ok()
            });
            let seq = placed.expect("it works again").seq();
            assert_eq!(seq.number(), number);
            let after = disk.after_power_cut().open();
            let heads = wait(after.heads(account.key(), Seq::ZERO, seq, usize::MAX)).unwrap();
            let mut signatures = heads.iter().map(|item| item.head.signature);
            assert_eq!(
                signatures.next_back(),
                Some(bag.as_bag().head.signature),
                "sync {fails_at} fails, bag {number}"
            );
            assert_eq!(heads.len() as u64, number);
        }
        drop(store);
    }
}

#[test]
fn those_who_watch_hear_that_anything_may_have_changed_when_the_file_is_opened_again() {
    let disk = Disk::default();
    let store = disk.open();
    let account = Account::new(1);
    let mut changes = store.changes();
    disk.0.syncs_left.store(0, Ordering::SeqCst);
    push(&store, &account, 1).unwrap_err();
    assert_eq!(wait(changes.next()), Some(Change::Anything));
    // One failure keeps nobody waiting.
    assert_eq!(push(&store, &account, 1).unwrap(), [Placed::New(Seq::new(1).unwrap())]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "redb reads every page when it opens a file in a debug build")]
fn a_page_that_cannot_be_read_fails_no_other_user() {
    let disk = Disk::default();
    let (struck, other) = last_and_other();
    let bags = struck.verified(300, 1000);
    {
        let store = disk.open();
        wait(store.append(struck.key(), bags.clone())).into_whole().unwrap();
        push(&store, &other, 300).unwrap();
    }
    let store = disk.open();
    *disk.0.unreadable.lock().unwrap() = pages_with(&disk.whole(), bags[299].as_bag().body.as_bytes());
    let (first, struck_push, other_push) = push_together(&disk, &store, &struck, &other);
    assert_eq!(first.unwrap().len(), 1);
    assert!(struck_push.is_err(), "{struck_push:?}");
    assert_eq!(other_push.unwrap(), [Placed::New(Seq::new(301).unwrap())]);
    disk.0.unreadable.lock().unwrap().clear();
    assert_eq!(push(&store, &struck, 1).unwrap(), [Placed::New(Seq::new(301).unwrap())]);
}

#[test]
fn a_panic_in_the_writer_is_reported_and_fails_what_waits() {
    let disk = Disk::default();
    let store = disk.open();
    let account = Account::new(1);
    let died = store.died();
    disk.0.panics.store(true, Ordering::SeqCst);
    assert!(matches!(push(&store, &account, 1), Err(StoreError::Stopped)));
    wait(died);
    assert!(matches!(push(&store, &account, 1), Err(StoreError::Stopped)));
    disk.0.panics.store(false, Ordering::SeqCst);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "redb reads every page when it opens a file in a debug build")]
fn a_start_after_a_crash_does_not_read_the_whole_file() {
    let disk = Disk::default();
    let store = disk.open();
    let account = Account::new(1);
    for _ in 0..10 {
        push(&store, &account, 1000).unwrap();
    }
    let crashed = Disk::with(&disk.whole());
    crashed.0.bytes_read.store(0, Ordering::SeqCst);
    let opened = crashed.open();
    let (read, size) = (crashed.0.bytes_read.load(Ordering::SeqCst), crashed.len().unwrap());
    assert!(read < size / 10, "{read} of {size} bytes were read");
    assert_eq!(wait(opened.last(account.key())).unwrap(), Seq::new(10_000));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "redb reads every page when it opens a file in a debug build")]
fn a_damaged_page_of_one_user_fails_no_other_user() {
    let disk = Disk::default();
    let (struck, other) = last_and_other();
    let bags = struck.verified(300, 1000);
    {
        let store = disk.open();
        wait(store.append(struck.key(), bags.clone())).into_whole().unwrap();
        push(&store, &other, 300).unwrap();
    }
    // The page with the last bodies, which the next push goes to.
    let mut bytes = disk.whole();
    for page in pages_with(&bytes, bags[299].as_bag().body.as_bytes()) {
        bytes[usize::try_from(page).unwrap()] = 0xee;
    }
    let disk = Disk::with(&bytes);
    let store = disk.open();
    let (first, struck_push, other_push) = push_together(&disk, &store, &struck, &other);
    assert_eq!(first.unwrap().len(), 1);
    assert!(matches!(struck_push, Err(StoreError::Corrupted(_))), "{struck_push:?}");
    assert_eq!(other_push.unwrap(), [Placed::New(Seq::new(301).unwrap())]);
    assert_eq!(push(&store, &other, 1).unwrap(), [Placed::New(Seq::new(302).unwrap())]);
    let read = |store: &RedbStore, account: &Account, seq| {
        wait(store.bodies(account.key(), vec![Seq::new(seq).unwrap()], usize::MAX))
    };
    for _ in 0..2 {
        assert!(matches!(read(&store, &struck, 300), Err(StoreError::Corrupted(_))));
        assert!(push(&store, &struck, 1).is_err());
        assert!(read(&store, &other, 302).unwrap()[0].is_some());
    }
    assert_eq!(read(&store, &struck, 1).unwrap()[0].as_ref(), Some(&bags[0].as_bag().body));
    drop(store);
    assert!(read(&disk.open(), &other, 302).unwrap()[0].is_some());
}

/// Damages the pages with these bytes while a store with some accounts is open.
fn struck_among_others(
    others: &[Account],
    struck: &Account,
    bags: &[VerifiedBag],
    damaged: &[Vec<u8>],
) -> (Disk, RedbStore) {
    let disk = Disk::default();
    let store = disk.open_without_cache();
    for other in others {
        push(&store, other, 40).unwrap();
    }
    wait(store.append(struck.key(), bags.to_vec())).into_whole().unwrap();
    push(&store, &others[0], 40).unwrap();
    let whole = disk.whole();
    for page in damaged.iter().flat_map(|row| pages_with(&whole, row)) {
        disk.0.shown.write(page, &[0xee]).unwrap();
    }
    (disk, store)
}

#[test]
fn an_account_with_damaged_pages_can_be_deleted_and_comes_back_empty() {
    let (struck, other) = last_and_other();
    let others = [other, Account::new(3), Account::new(4), Account::new(5)];
    let bags = struck.verified(300, 1000);
    // Bodies in the middle, at the end and everywhere; heads; and the index of signatures.
    let body = |index: usize| bags[index].as_bag().body.as_bytes().to_vec();
    let head = |index: usize| bags[index].as_bag().head.to_bytes();
    let index = |index: usize| {
        let space = super::keys::Space::of(&struck.key(), 0);
        super::keys::signature_key(&space, &bags[index].as_bag().head.signature).to_vec()
    };
    let everywhere: Vec<_> = (0..300).flat_map(|number| [body(number), head(number)]).collect();
    for damaged in [vec![body(150)], vec![body(299)], vec![head(150)], vec![index(7)], everywhere] {
        let (disk, mut store) = struck_among_others(&others, &struck, &bags, &damaged);
        assert!(wait(store.delete(struck.key())).unwrap());
        assert_eq!(wait(store.last(struck.key())).unwrap(), None);
        assert!(!wait(store.accounts(None, 10)).unwrap().contains(&struck.key()));
        assert!(!wait(store.delete(struck.key())).unwrap(), "it is gone already");

        // The same key may come again, with the same bags.
        let placed = wait(store.append(struck.key(), bags.clone())).into_whole().unwrap();
        assert_eq!(placed[299], Placed::New(Seq::new(300).unwrap()));
        // redb reads every page when it opens a file in a debug build.
        if cfg!(not(debug_assertions)) {
            drop(store);
            store = disk.open();
        }
        let placed = wait(store.append(struck.key(), bags.clone())).into_whole().unwrap();
        assert_eq!(placed[299], Placed::Known(Seq::new(300).unwrap()));
        let seqs = (1..=300).map(|seq| Seq::new(seq).unwrap()).collect();
        let bodies = wait(store.bodies(struck.key(), seqs, usize::MAX)).unwrap();
        assert!(bodies.iter().zip(&bags).all(|(body, bag)| body.as_ref() == Some(&bag.as_bag().body)));
        let heads = wait(store.heads(struck.key(), Seq::ZERO, Seq::new(300).unwrap(), usize::MAX)).unwrap();
        assert_eq!(heads.len(), 300);
        assert_eq!(wait(store.usage(struck.key())).unwrap().unwrap().bags, 300);
        assert!(wait(store.delete(struck.key())).unwrap(), "this time it can be read");
        assert_eq!(wait(store.accounts(None, 10)).unwrap().len(), others.len());
        assert_eq!(store.readiness(), Readiness::Ready);
    }
}

#[test]
fn an_account_beside_a_damaged_page_can_be_deleted_and_the_others_live_on() {
    let (struck, beside) = last_and_other();
    let others = [beside, Account::new(3), Account::new(4)];
    let bags = struck.verified(300, 1000);
    for damaged in [0, 1, 2, 3] {
        let body = bags[damaged].as_bag().body.as_bytes().to_vec();
        let (_disk, store) = struck_among_others(&others, &struck, &bags, &[body]);
        for other in &others {
            assert!(wait(store.delete(other.key())).unwrap());
        }
        assert!(push(&store, &others[0], 1).is_ok());
        assert_eq!(wait(store.last(struck.key())).unwrap(), Seq::new(300));
        assert!(wait(store.delete(struck.key())).unwrap());
        assert_eq!(store.readiness(), Readiness::Ready);
    }
}

/// Returns two accounts, of which the first is the last in the file: its next bag lies beside its last one, and not
/// beside the first one of the other.
fn last_and_other() -> (Account, Account) {
    let (one, two) = (Account::new(1), Account::new(2));
    if one.key().as_bytes() > two.key().as_bytes() { (one, two) } else { (two, one) }
}

/// Returns where the pages start that have these bytes in them.
fn pages_with(disk: &[u8], bytes: &[u8]) -> Vec<u64> {
    let found = disk.windows(bytes.len()).enumerate().filter(|(_, window)| *window == bytes);
    let pages: Vec<_> = found.map(|(at, _)| at as u64 / Disk::BLOCK * Disk::BLOCK).collect();
    assert!(!pages.is_empty());
    pages
}

type Pushed = Result<Vec<Placed>, StoreError>;

/// Keeps the writer busy with one push, so that the pushes of two users come in one batch after it.
fn push_together(disk: &Disk, store: &RedbStore, one: &Account, two: &Account) -> (Pushed, Pushed, Pushed) {
    let first = Account::new(9);
    let held = disk.0.gate.lock().unwrap();
    let first = store.append(first.key(), first.verified(1, 10));
    let one = store.append(one.key(), one.verified(1, 1000));
    let two = store.append(two.key(), two.verified(1, 1000));
    drop(held);
    (wait(first).into_whole(), wait(one).into_whole(), wait(two).into_whole())
}

/// Written by the version before the second format: 200 bags of account 1, 3 of account 2, and account 3 without any.
const FIRST_FORMAT: &[u8] = include_bytes!("../../../tests/data/format-1.redb");

#[test]
fn a_file_of_the_first_format_is_migrated_however_often_that_is_cut_short() {
    for writes in (0..).step_by(3) {
        let disk = Disk::with(FIRST_FORMAT);
        disk.0.writes_left.store(writes, Ordering::SeqCst);
        let cut_short = disk.try_open().is_err();
        disk.0.writes_left.store(i64::MAX, Ordering::SeqCst);
        let store = disk.after_power_cut().open();
        for (number, last) in [(1, 200), (2, 3), (3, 0)] {
            let account = Account::new(number);
            assert_eq!(wait(store.last(account.key())).unwrap(), Seq::new(last));
            let items = wait(store.heads(account.key(), Seq::ZERO, Seq::new(1000).unwrap(), usize::MAX)).unwrap();
            let seqs = items.iter().map(|item| item.seq).collect();
            let bodies = wait(store.bodies(account.key(), seqs, usize::MAX)).unwrap();
            let usage = wait(store.usage(account.key())).unwrap().unwrap();
            let size = |(item, body): (&PeekItem, Option<SealedBody>)| {
                (item.head.to_bytes().len() + body.unwrap().as_bytes().len()) as u64
            };
            let bytes = items.iter().zip(bodies).map(size).sum();
            assert_eq!(usage, Usage { bags: last, bytes });
        }
        if !cut_short {
            assert!(writes > 0);
            break;
        }
    }
}

#[test]
fn bags_of_the_first_format_are_known_when_they_are_pushed_again() {
    let store = Disk::with(FIRST_FORMAT).open();
    let account = Account::new(1);
    let items = wait(store.heads(account.key(), Seq::ZERO, Seq::new(1000).unwrap(), usize::MAX)).unwrap();
    let seqs = items.iter().map(|item| item.seq).collect();
    let bodies = wait(store.bodies(account.key(), seqs, usize::MAX)).unwrap();
    let bags = items.into_iter().zip(bodies).map(|(item, body)| Bag { head: item.head, body: body.unwrap() });
    let again: Vec<_> = bags.map(|bag| bag.verify(&account.key()).unwrap()).collect();
    let placed = wait(store.append(account.key(), again)).into_whole().unwrap();
    assert!(placed.iter().all(|placed| matches!(placed, Placed::Known(_))));
    let seqs = placed.iter().map(|placed| placed.seq().number());
    assert!(seqs.eq(1..=200));
}
