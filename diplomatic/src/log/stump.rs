//! Files whose making was cut short.
//!
//! redb makes a file long, writes its header without the magic number, and syncs; only then it writes the magic number.
//! A power cut in between leaves a file that redb takes for somebody else's. Nothing was ever kept in it, so it is
//! made anew.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::{BackendError, StorageBackend};

/// How long redb's magic number is, and how much the header takes that is written before it.
const MAGIC: usize = 9;
const HEADER: u64 = 512;

/// A storage that is made anew if it is nothing but the stump of one, and that passes on how long it is.
///
/// redb asks for the length when it has locked the file and before it reads it: so no other process is making the
/// file at that moment.
#[derive(Debug)]
pub(super) struct Regrown<B> {
    inner: B,
    is_checked: AtomicBool,
    seen_len: Arc<AtomicU64>,
}

impl<B: StorageBackend> Regrown<B> {
    pub(super) const fn new(inner: B, seen_len: Arc<AtomicU64>) -> Self {
        Self { inner, is_checked: AtomicBool::new(false), seen_len }
    }

    /// Tells whether there is no magic number, and nothing but zeros behind the header.
    fn is_stump(&self, len: u64) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        let mut at = 0;
        while at < len {
            let count = chunk.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
            let bytes = &mut chunk[..count];
            self.inner.read(at, bytes)?;
            let checked: &[u8] = match at {
                0 if bytes[..MAGIC.min(count)].iter().any(|byte| *byte != 0) => return Ok(false),
                0 => bytes.get(HEADER as usize..).unwrap_or_default(),
                _ => bytes,
            };
            if checked.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += count as u64;
        }
        Ok(len > 0)
    }
}

impl<B: StorageBackend> StorageBackend for Regrown<B> {
    fn len(&self) -> io::Result<u64> {
        let len = self.inner.len()?;
        if !self.is_checked.swap(true, Ordering::Relaxed) && self.is_stump(len)? {
            self.set_len(0)?;
            return Ok(0);
        }
        self.seen_len.store(len, Ordering::Relaxed);
        Ok(len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)?;
        self.seen_len.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
