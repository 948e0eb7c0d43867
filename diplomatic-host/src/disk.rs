//! The room that is left where the data lies.

use std::path::{Path, PathBuf};

/// A disk that keeps some room free.
///
/// A full disk fails in the middle of a write, and leaves no room to make room: below the floor the host takes no more
/// bags while it still serves those that it has.
#[derive(Debug, Clone)]
pub struct Disk {
    folder: PathBuf,
    floor: u64,
}

impl Disk {
    /// Watches the disk of `folder`, on which `floor` bytes shall stay free.
    pub fn new(folder: impl AsRef<Path>, floor: u64) -> Self {
        Self { folder: folder.as_ref().to_owned(), floor }
    }

    /// Watches the disk that the file at `path` is on.
    pub fn beside(path: &Path, floor: u64) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self::new(folder.unwrap_or(Path::new(".")), floor)
    }

    /// Returns how many bytes are free for this process; `None` where the system does not tell.
    pub fn free(&self) -> Option<u64> {
        free(&self.folder)
    }

    /// Tells whether there is room for more. A system that does not tell is taken at its silence.
    pub(crate) fn has_room(&self) -> bool {
        self.floor == 0 || self.free().is_none_or(|free| free >= self.floor)
    }
}

#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_above_the_floor_and_none_below_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Disk::new(&folder, 0).has_room());
        assert!(Disk::new(&folder, 1).has_room());
        assert!(!Disk::new(&folder, u64::MAX).has_room());
        assert!(Disk::new("/nonexistent/folder", u64::MAX).has_room());
    }
}
