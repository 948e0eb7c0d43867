//! A disk for tests: it loses what was not synced when the power goes, and it can be full or fail.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::StorageBackend;

/// What a disk keeps whole or not at all.
const SECTOR: usize = 512;
/// What a full disk has no more of.
const BLOCK: usize = 4096;

/// A disk; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What the programs see.
    seen: Vec<u8>,
    /// What a power cut leaves for certain.
    durable: Vec<u8>,
    /// What happened to `seen` since it was synced.
    unsynced: Vec<Change>,
    syncs: u64,
    cut_at: Option<u64>,
    is_off: bool,
    /// How many syncs from now on fail though the disk has the bytes.
    failing_syncs: u64,
    /// Blocks that were ever written, and how many more there is room for.
    blocks: Vec<bool>,
    room: Option<usize>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how often the disk was synced.
    pub(crate) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// The power goes when the disk is synced for the time with this number: that sync does not finish.
    pub(crate) fn cut_at(&self, sync: u64) {
        self.state().cut_at = Some(sync);
    }

    /// The next syncs fail, and nobody knows what they left.
    pub(crate) fn fail_syncs(&self, count: u64) {
        self.state().failing_syncs = count;
    }

    /// Leaves room for so many more blocks.
    pub(crate) fn leave_room(&self, blocks: Option<usize>) {
        self.state().room = blocks;
    }

    /// Returns what a power cut leaves: everything that was synced, and of the rest any sectors.
    pub(crate) fn after_power_cut(&self, chance: u64) -> Self {
        let state = self.state();
        let mut rng = StdRng::seed_from_u64(chance);
        // Now and then nothing of it, or all.
        let kept = match chance % 4 {
            0 => 0,
            1 => 100,
            _ => rng.random_range(1..100),
        };
        let mut bytes = state.durable.clone();
        for change in &state.unsynced {
            match change {
                Change::SetLen(len) if rng.random_range(0..100) < kept => bytes.resize(*len, 0),
                Change::SetLen(_) => {}
                Change::Write(offset, data) => {
                    let mut at = *offset;
                    let end = offset + data.len();
                    while at < end {
                        let next = ((at / SECTOR + 1) * SECTOR).min(end);
                        if rng.random_range(0..100) < kept {
                            if bytes.len() < next {
                                bytes.resize(next, 0);
                            }
                            bytes[at..next].copy_from_slice(&data[at - offset..next - offset]);
                        }
                        at = next;
                    }
                }
            }
        }
        Self(Arc::new(Mutex::new(State { seen: bytes.clone(), durable: bytes, ..State::default() })))
    }
}

impl State {
    fn check_power(&self) -> io::Result<()> {
        if self.is_off { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }

    fn allocate(&mut self, offset: usize, end: usize) -> io::Result<()> {
        for block in offset / BLOCK..end.div_ceil(BLOCK) {
            if self.blocks.len() <= block {
                self.blocks.resize(block + 1, false);
            }
            if !self.blocks[block] {
                if let Some(room) = &mut self.room {
                    *room = room.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
                }
                self.blocks[block] = true;
            }
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        state.check_power()?;
        let from = state.seen.get(offset as usize..).and_then(|bytes| bytes.get(..out.len()));
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        // Room is taken by what is written, not by the length.
        state.seen.resize(len as usize, 0);
        state.unsynced.push(Change::SetLen(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        state.syncs += 1;
        if state.cut_at == Some(state.syncs) {
            state.is_off = true;
            state.check_power()?;
        }
        if let Some(left) = state.failing_syncs.checked_sub(1) {
            state.failing_syncs = left;
            return Err(io::Error::other("the sync failed"));
        }
        state.durable = state.seen.clone();
        state.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.check_power()?;
        let offset = offset as usize;
        state.allocate(offset, offset + data.len())?;
        let to = state.seen.get_mut(offset..offset + data.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        to.copy_from_slice(data);
        state.unsynced.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }
}
