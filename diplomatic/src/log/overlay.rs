//! A file that cannot be written, as if it could: what would be written stays in memory.
//!
//! A file that a crash left, or one of an older format, has to be mended before it can be read. On a read-only file
//! system, or for somebody who only wants to read, that happens here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

const PAGE: usize = 4096;

/// A storage under changes that are kept in memory.
///
/// It locks the storage as a reader, also where a writer is asked for: that keeps writers out, since what lies below must
/// not change, and lets other readers in.
#[derive(Debug)]
pub(super) struct Overlay<B> {
    below: B,
    changes: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    pages: HashMap<u64, Box<[u8]>>,
    /// How long the storage is by now; `None` while it is as long as what lies below.
    len: Option<u64>,
    /// How much of what lies below still shows through: less than all of it once the storage was shortened.
    shown: Option<u64>,
}

impl<B: StorageBackend> Overlay<B> {
    pub(super) fn new(below: B) -> Self {
        Self { below, changes: Mutex::default() }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a page as it is below, with zeros behind the end.
    fn page_below(&self, number: u64, shown: u64) -> io::Result<Box<[u8]>> {
        let mut page = vec![0; PAGE].into_boxed_slice();
        let start = number * PAGE as u64;
        let count = usize::try_from(shown.saturating_sub(start)).unwrap_or(PAGE).min(PAGE);
        if count > 0 {
            self.below.read(start, &mut page[..count])?;
        }
        Ok(page)
    }

    /// Hands on the parts of a range, page by page: the number of the page, where the part begins in it, and where it lies
    /// in the range.
    fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let within = usize::try_from(at % PAGE as u64).unwrap_or_default();
            let count = (PAGE - within).min(len - done);
            let part = (count > 0).then_some((at / PAGE as u64, within, done..done + count));
            done += count;
            part
        })
    }
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        let len = self.changes().len;
        len.map_or_else(|| self.below.len(), Ok)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        let len = changes.len.map_or_else(|| self.below.len(), Ok)?;
        if offset + out.len() as u64 > len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if changes.pages.is_empty() && changes.len.is_none() {
            return self.below.read(offset, out);
        }
        let shown = changes.shown.map_or_else(|| self.below.len(), Ok)?;
        for (number, within, range) in Self::parts(offset, out.len()) {
            let count = range.len();
            match changes.pages.get(&number) {
                Some(page) => out[range].copy_from_slice(&page[within..within + count]),
                None => out[range].copy_from_slice(&self.page_below(number, shown)?[within..within + count]),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        let below = self.below.len()?;
        changes.shown = Some(changes.shown.unwrap_or(below).min(len));
        changes.len = Some(len);
        let whole = len / PAGE as u64;
        changes.pages.retain(|number, _| *number <= whole);
        if let Some(page) = changes.pages.get_mut(&whole) {
            page[usize::try_from(len % PAGE as u64).unwrap_or_default()..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        let shown = changes.shown.map_or_else(|| self.below.len(), Ok)?;
        for (number, within, range) in Self::parts(offset, data.len()) {
            let page = match changes.pages.entry(number) {
                Entry::Occupied(page) => page.into_mut(),
                Entry::Vacant(place) => place.insert(self.page_below(number, shown)?),
            };
            page[within..within + range.len()].copy_from_slice(&data[range]);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        // Other readers' locks look like anybody's; what a writer holds refuses the locks above.
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::*;

    #[test]
    fn it_reads_as_if_it_had_been_written_below_where_nothing_changes() {
        let mut expected: Vec<u8> = (0..30_000_u32).map(|n| (n % 251) as u8).collect();
        let memory = Memory::default();
        memory.set_len(expected.len() as u64).unwrap();
        memory.write(0, &expected).unwrap();
        let original = expected.clone();
        let overlay = Overlay::new(memory.clone());
        let mut write = |offset: usize, data: &[u8]| {
            overlay.write(offset as u64, data).unwrap();
            expected[offset..offset + data.len()].copy_from_slice(data);
        };
        write(4090, &[1; 20]);
        write(8192, &[2; 4096]);
        write(29_999, &[3]);
        overlay.set_len(10_000).unwrap();
        overlay.set_len(40_000).unwrap();
        expected.resize(10_000, 0);
        expected.resize(40_000, 0);
        let mut read = vec![0; 40_000];
        overlay.read(0, &mut read).unwrap();
        assert_eq!(read, expected);
        overlay.read(39_999, &mut [0; 2]).unwrap_err();
        let mut below = vec![0; 30_000];
        memory.read(0, &mut below).unwrap();
        assert_eq!(below, original);
    }
}
