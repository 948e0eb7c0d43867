//! The account: its seed and data directory.

use std::env::{self, VarError};
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use diplomatic::Seed;
use diplomatic::error::SeedFileError;
use diplomatic::standard::SeedParseError;

use crate::tell;

/// The account: its seed and data directory.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) seed: Seed,
    pub(crate) directory: PathBuf,
}

/// Why there is no account to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("there is no home directory to keep data in: name a directory with --data")]
    NoHome,
    #[error("the data directory {} cannot be used: fix that, or choose another with --data", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("the seed cannot be used: fix that, or choose another directory with --data")]
    SeedFile(#[source] SeedFileError),
    #[error("{} holds no seed; copy the file again from another device", .path.display())]
    KeptSeed { path: PathBuf, source: SeedParseError },
    #[error("DIP_SEED holds no seed; copy all of it from where the first device keeps it")]
    GivenSeed { source: SeedParseError },
    #[error("DIP_SEED is not text; copy all of it from where the first device keeps it")]
    NotText,
    #[error(
        "DIP_SEED is another seed than the one in {}: unset DIP_SEED, or name a directory of its own with --data",
        .path.display()
    )]
    TwoSeeds { path: PathBuf },
    #[error("{} was made with a DIP_SEED: set it again, or name another directory with --data", .path.display())]
    SeedMissing { path: PathBuf },
}

impl Account {
    /// Takes the seed from `DIP_SEED` or the data directory, or creates one.
    pub(crate) fn find(directory: Option<PathBuf>) -> Result<Self, AccountError> {
        let given = given_seed()?;
        let directory = directory.or_else(default_directory).ok_or(AccountError::NoHome)?;
        make_private(&directory).map_err(|source| AccountError::Directory { path: directory.clone(), source })?;
        let file = directory.join("seed");
        let seed = match (given, kept_seed(&file)?) {
            (Some(given), Some(kept)) if given.expose_bytes() != kept.expose_bytes() => {
                return Err(AccountError::TwoSeeds { path: file });
            }
            (Some(seed), _) | (None, Some(seed)) => seed,
            (None, None) if log_in(&directory).exists() => return Err(AccountError::SeedMissing { path: directory }),
            (None, None) => make_seed(&file)?,
        };
        Ok(Self { seed, directory })
    }

    pub(crate) fn log(&self) -> PathBuf {
        log_in(&self.directory)
    }
}

impl From<SeedFileError> for AccountError {
    fn from(error: SeedFileError) -> Self {
        match error {
            SeedFileError::NoSeed { path, source } => Self::KeptSeed { path, source },
            error => Self::SeedFile(error),
        }
    }
}

fn log_in(directory: &Path) -> PathBuf {
    directory.join("status.redb")
}

fn given_seed() -> Result<Option<Seed>, AccountError> {
    match env::var("DIP_SEED") {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => text.trim().parse().map(Some).map_err(|source| AccountError::GivenSeed { source }),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(AccountError::NotText),
    }
}

fn default_directory() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data.join("diplomatic-status"))
}

/// Creates the directory if needed, accessible only to its owner.
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn kept_seed(file: &Path) -> Result<Option<Seed>, AccountError> {
    match Seed::load(file) {
        Ok(seed) => Ok(Some(seed)),
        Err(SeedFileError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn make_seed(file: &Path) -> Result<Seed, AccountError> {
    let seed = Seed::random();
    seed.store_new(file)?;
    tell(&format!(
        "This device has made a seed and keeps it in {file}. Whoever has the seed can read and change your status.\n\
         To use it on another device, copy that file into the data directory there, or set DIP_SEED to what is in it.",
        file = file.display()
    ));
    Ok(seed)
}
