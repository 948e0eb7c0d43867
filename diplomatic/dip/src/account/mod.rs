//! Whose data it is: the seed, and the directory that this device keeps it in.

mod directory;
mod kept;
mod keyring;
mod passphrase;
mod sealed;
mod text;

use std::env::{self, VarError};
use std::io;
use std::path::PathBuf;

use diplomatic::Seed;
use zeroize::Zeroizing;

pub(crate) use self::directory::Directory;
pub(crate) use self::kept::Kept;
use self::kept::KeptError;
use self::keyring::KeyringError;
use self::passphrase::PassphraseError;
pub(crate) use self::text::{SeedTextError, read_seed};
use crate::failure::Exit;
use crate::output::Shown;

/// Why there is no account to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("there is no home directory to keep data in: name a directory with --data")]
    NoHome,
    #[error("the data directory {} cannot be used; mend that, or name another with --data", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("{} cannot be used; mend that, or name another directory with --data", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the seed in {} cannot be used", .path.display())]
    Kept { path: PathBuf, source: KeptError },
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    #[error("DIP_SEED holds no seed")]
    Given { source: SeedTextError },
    #[error("DIP_SEED is not text: set it to 64 hex digits or 24 words")]
    NotText,
    #[error(
        "DIP_SEED (fingerprint: {given}) is another seed than the one in {} (fingerprint: {kept}): unset DIP_SEED, or \
         name a directory of its own with --data", .path.display()
    )]
    TwoSeeds { path: PathBuf, given: String, kept: String },
    #[error(
        "there is no seed in {}: make one with `dip seed new`, bring that of another device with `dip seed import`, \
         or set DIP_SEED", .path.display()
    )]
    None { path: PathBuf },
    #[error(
        "{} was made with a DIP_SEED: set it again, bring it here with `dip seed import`, or name another directory \
         with --data", .path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "{} holds a seed already (fingerprint: {fingerprint}), which stays as it is: \
         name another directory with --data for another account", .path.display()
    )]
    Exists { path: PathBuf, fingerprint: String },
    #[error("DIP_SEED is set: unset it to make a new seed, or bring it here with `dip seed import`")]
    GivenAlready,
    #[error(transparent)]
    Typed(#[from] SeedTextError),
    #[error("the input cannot be read")]
    Input(#[source] io::Error),
    #[error("this is a seed (fingerprint: {given}), but not that of this device (fingerprint: {kept})")]
    AnotherSeed { given: String, kept: String },
}

impl AccountError {
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::NoHome | Self::Directory { .. } | Self::File { .. } | Self::Exists { .. } | Self::Input(_) => {
                Exit::Failed
            }
            _ => Exit::Seed,
        }
    }
}

/// Finds the seed: in `DIP_SEED`, or where the directory keeps it. It may ask for the passphrase.
pub(crate) fn find(directory: &Directory) -> Result<Seed, AccountError> {
    let path = directory.seed();
    match (given()?, Kept::read(directory)?) {
        (Some(given), Some(kept)) => {
            let fingerprint = given.fingerprint().to_string();
            if fingerprint == kept.fingerprint() {
                Ok(given)
            } else {
                Err(AccountError::TwoSeeds { path, given: fingerprint, kept: kept.fingerprint() })
            }
        }
        (Some(seed), None) => Ok(seed),
        (None, Some(kept)) => kept.open(&path),
        (None, None) if directory.store().exists() => Err(AccountError::Missing { path: directory.store() }),
        (None, None) => Err(AccountError::None { path: directory.path().to_owned() }),
    }
}

/// Returns the seed in `DIP_SEED`, if it is set.
pub(crate) fn given() -> Result<Option<Seed>, AccountError> {
    match env::var("DIP_SEED").map(Zeroizing::new) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => read_seed(&text).map(Some).map_err(|source| AccountError::Given { source }),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(AccountError::NotText),
    }
}

/// Text of a file, where an error repeats some of it.
fn shown(text: &str) -> String {
    Shown(text).to_string()
}
