//! The account: its seed and data directory.

use std::env::{self, VarError};
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use diplomatic::Seed;
use diplomatic::error::SeedFileError;
use diplomatic::standard::SeedParseError;

/// The account: its seed and data directory.
#[derive(Debug)]
pub struct Account {
    /// The seed.
    pub seed: Seed,
    /// Where the notes are.
    pub directory: PathBuf,
}

/// Why there is no account to work with.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no usual place.
    #[error("there is no home directory to keep notes in: name a directory with --data")]
    NoHome,
    /// The directory cannot be made.
    #[error("the data directory {} cannot be used: fix that, or choose another with --data", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file with the seed cannot be read or written.
    #[error("the seed cannot be used: fix that, or choose another directory with --data")]
    SeedFile(#[from] SeedFileError),
    /// The variable holds no seed.
    #[error("DIP_SEED holds no seed; copy all of it from where the first device keeps it")]
    GivenSeed(#[source] Option<SeedParseError>),
    /// The variable is of another account than the directory.
    #[error("DIP_SEED is another seed than the one in {}: unset it, or name a directory of its own with --data", .path.display())]
    TwoSeeds {
        /// The file with the other seed.
        path: PathBuf,
    },
    /// There are notes, but no seed.
    #[error("{} was made with a DIP_SEED: set it again, or name another directory with --data", .path.display())]
    SeedMissing {
        /// The directory.
        path: PathBuf,
    },
}

impl Account {
    /// Takes the seed from `DIP_SEED` or the data directory, or makes one.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub fn find(directory: Option<PathBuf>) -> Result<Self, AccountError> {
        let given = match env::var("DIP_SEED") {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(text.trim().parse().map_err(|error| AccountError::GivenSeed(Some(error)))?),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(_)) => return Err(AccountError::GivenSeed(None)),
        };
        let directory = directory.or_else(usual_directory).ok_or(AccountError::NoHome)?;
        make_private(&directory).map_err(|source| AccountError::Directory { path: directory.clone(), source })?;
        let file = directory.join("seed");
        let kept = match Seed::load(&file) {
            Ok(seed) => Some(seed),
            Err(SeedFileError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let seed = match (given, kept) {
            (Some(given), Some(kept)) if given.expose_bytes() != kept.expose_bytes() => {
                return Err(AccountError::TwoSeeds { path: file });
            }
            (Some(seed), _) | (None, Some(seed)) => seed,
            (None, None) if log_in(&directory).exists() => return Err(AccountError::SeedMissing { path: directory }),
            (None, None) => {
                let seed = Seed::random();
                seed.store_new(&file)?;
                seed
            }
        };
        Ok(Self { seed, directory })
    }
}

/// Returns where the log of a data directory is.
pub(crate) fn log_in(directory: &Path) -> PathBuf {
    directory.join("notes.redb")
}

/// Returns where the index of a data directory is.
pub(crate) fn index_in(directory: &Path) -> PathBuf {
    directory.join("notes.sqlite")
}

fn usual_directory() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data.join("diplomatic-notes"))
}

/// Makes the directory if needed, accessible only to its owner.
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
