//! The account: its seed and data directory.

mod directory;
mod error;
mod kept;
mod keyring;
mod passphrase;
mod sealed;
mod text;

use std::env::{self, VarError};

use diplomatic::Seed;
use zeroize::Zeroizing;

pub(crate) use self::directory::Directory;
pub(crate) use self::error::AccountError;
pub(crate) use self::kept::Kept;
pub(crate) use self::text::read_seed;

/// Finds the seed in `DIP_SEED` or in the data directory. This may ask for the passphrase.
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
