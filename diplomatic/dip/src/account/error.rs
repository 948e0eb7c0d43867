//! Why there is no account to work with.

use std::io;
use std::path::PathBuf;

use super::keyring::KeyringError;
use super::passphrase::PassphraseError;
use super::sealed::SealedError;
use super::text::SeedTextError;
use crate::exit::Exit;

/// Why there is no account to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("there is no home directory for data: choose a directory with --data")]
    NoHome,
    #[error("the data directory {} cannot be used: fix that, or choose another with --data", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("{} cannot be used: fix that, or choose another directory with --data", .path.display())]
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
         choose another directory with --data", .path.display()
    )]
    TwoSeeds { path: PathBuf, given: String, kept: String },
    #[error(
        "there is no seed in {}: create one with `dip seed new`, import that of another device with `dip seed import`, \
         or set DIP_SEED", .path.display()
    )]
    None { path: PathBuf },
    #[error(
        "{} was made with a DIP_SEED: set it again, import it with `dip seed import`, or choose another directory \
         with --data", .path.display()
    )]
    Missing { path: PathBuf },
    #[error(
        "{} holds a seed already (fingerprint: {fingerprint}), which stays as it is: \
         choose another directory with --data for another account", .path.display()
    )]
    Exists { path: PathBuf, fingerprint: String },
    #[error("DIP_SEED is set: unset it to create a new seed, or import it with `dip seed import`")]
    GivenAlready,
    #[error(transparent)]
    Typed(#[from] SeedTextError),
    #[error("the input cannot be read")]
    Input(#[source] io::Error),
    #[error("this is a seed (fingerprint: {given}), but not that of this device (fingerprint: {kept})")]
    AnotherSeed { given: String, kept: String },
}

impl AccountError {
    /// Returns whether the file of the seed is there, but no seed can be read from it.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Kept {
                source: KeptError::NotASeed | KeptError::Sealed(SealedError::Line { .. } | SealedError::Cost),
                ..
            }
        )
    }

    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::NoHome | Self::Directory { .. } | Self::File { .. } | Self::Exists { .. } | Self::Input(_) => {
                Exit::Failed
            }
            _ => Exit::Seed,
        }
    }
}

/// Why the stored seed cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptError {
    #[error("the file holds no seed: copy it again from an intact one, or import the seed with `dip seed import`")]
    NotASeed,
    #[error("{0} is from a newer version: update this program")]
    Newer(String),
    #[error(transparent)]
    Sealed(#[from] SealedError),
    #[error("the keyring holds another seed than the one stored there before")]
    KeyringChanged,
}
