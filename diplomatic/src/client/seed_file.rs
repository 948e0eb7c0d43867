//! Seeds in files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::log::sync_folder;
use crate::standard::{Seed, SeedParseError};
use crate::system_error::io_is_retryable;

/// Why a seed could not be read from a file, or written to one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeedFileError {
    /// There is no such file.
    #[error("there is no seed at {}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file exists, and a seed is never overwritten.
    #[error("{} exists already and may hold a seed: choose another file", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file does not hold a seed.
    #[error("{} does not hold a seed", .path.display())]
    NoSeed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SeedParseError,
    },
    /// The file cannot be read or written.
    #[error("the seed in {} cannot be read or written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl SeedFileError {
    /// Returns whether the same call may work later: once the disk works or has room again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io { source, .. } if io_is_retryable(source))
    }
}

impl Seed {
    /// Reads the seed in a file: 64 hex digits, as [`store_new`](Self::store_new) writes them, perhaps surrounded by
    /// white space.
    ///
    /// An app that keeps its user's seed in a file:
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use diplomatic::error::SeedFileError;
    /// use diplomatic::Seed;
    ///
    /// fn seed_of(directory: &Path) -> Result<Seed, SeedFileError> {
    ///     let file = directory.join("seed");
    ///     match Seed::load(&file) {
    ///         // The first run.
    ///         Err(SeedFileError::Missing { .. }) => {
    ///             let seed = Seed::random();
    ///             seed.store_new(&file)?;
    ///             Ok(seed)
    ///         }
    ///         outcome => outcome,
    ///     }
    /// }
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let first = seed_of(directory.path())?;
    /// assert_eq!(seed_of(directory.path())?.expose_bytes(), first.expose_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SeedFileError`]: `Missing`, `NoSeed` or `Io`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SeedFileError> {
        let path = path.as_ref();
        match fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => text.trim().parse().map_err(|source| SeedFileError::NoSeed { path: path.to_owned(), source }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(SeedFileError::Missing { path: path.to_owned() }),
            Err(source) => Err(SeedFileError::Io { path: path.to_owned(), source }),
        }
    }

    /// Writes the seed to a new file that only its owner can read and write (on Unix: mode 0600).
    ///
    /// When this returns, the file is durable. It appears under its name only once it is complete, and an existing file
    /// is never overwritten.
    ///
    /// # Errors
    ///
    /// [`SeedFileError`]: `Exists` or `Io`; no new file is left behind then.
    pub fn store_new(&self, path: impl AsRef<Path>) -> Result<(), SeedFileError> {
        let path = path.as_ref();
        let partial = Partial::beside(path);
        partial.write(self).and_then(|()| partial.name(path)).and_then(|()| sync_folder(path)).map_err(|source| {
            let path = path.to_owned();
            if source.kind() == ErrorKind::AlreadyExists {
                SeedFileError::Exists { path }
            } else {
                SeedFileError::Io { path, source }
            }
        })
    }
}

/// A temporary file, removed on drop, that can be given a name.
struct Partial(PathBuf);

impl Partial {
    fn beside(path: &Path) -> Self {
        let mut name = OsString::from(path);
        name.push(format!(".{:016x}.partial", rand::random::<u64>()));
        Self(name.into())
    }

    fn write(&self, seed: &Seed) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.0)?;
        file.write_all(seed.expose_hex().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    }

    /// Gives it a name that is not taken.
    fn name(&self, path: &Path) -> io::Result<()> {
        match fs::hard_link(&self.0, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // The file system may not support hard links: then claim the name first, and replace the file at once.
                drop(File::create_new(path)?);
                fs::rename(&self.0, path).inspect_err(|_| drop(fs::remove_file(path)))
            }
            outcome => outcome,
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // It is gone already if it was renamed.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::SeedFileError;
    use crate::standard::Seed;

    #[test]
    fn a_stored_seed_is_loaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let (file, seed) = (folder.path().join("seed"), Seed::random());
        seed.store_new(&file).unwrap();
        assert_eq!(Seed::load(&file).unwrap().expose_bytes(), seed.expose_bytes());
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing else is left behind");
    }

    #[cfg(unix)]
    #[test]
    fn a_stored_seed_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seed");
        Seed::random().store_new(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_there_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seed");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(Seed::random().store_new(&file), Err(SeedFileError::Exists { path }) if path == file));
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn of_two_first_runs_at_once_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seed");
        let stored: Vec<_> = std::thread::scope(|scope| {
            let store = || scope.spawn(|| Seed::random().store_new(&file));
            [store(), store(), store(), store()].map(|thread| thread.join().unwrap()).into_iter().collect()
        });
        assert_eq!(stored.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(Seed::load(&file).is_ok());
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seed");
        assert!(matches!(Seed::load(&file), Err(SeedFileError::Missing { .. })));
        fs::write(&file, "0011\n").unwrap();
        let error = Seed::load(&file).unwrap_err();
        assert!(matches!(&error, SeedFileError::NoSeed { source, .. } if source.to_string().contains("here are 4")));
        fs::write(&file, [0xff; 64]).unwrap();
        assert!(matches!(Seed::load(&file), Err(SeedFileError::Io { .. })));
        assert!(matches!(Seed::load(folder.path()), Err(SeedFileError::Io { .. })));
        let nowhere = folder.path().join("missing").join("seed");
        assert!(matches!(Seed::random().store_new(nowhere), Err(SeedFileError::Io { .. })));
    }
}
