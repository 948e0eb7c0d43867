//! The file `seed` in the data directory: plain hex digits, a seed sealed with a passphrase, or a note that the seed is
//! in the keyring.

use std::path::Path;

use diplomatic::Seed;
use zeroize::Zeroizing;

use super::directory::Directory;
use super::error::{AccountError, KeptError};
use super::sealed::{Sealed, SealedError};
use super::text::read_seed;
use super::{keyring, passphrase};
use crate::shown::Shown;
use crate::text::nfc;

/// The first line of a file whose seed is in the keyring.
const IN_KEYRING: &str = "diplomatic seed in the system's keyring 1";

/// How the seed is stored on this device.
#[derive(Debug)]
pub(crate) enum Kept {
    /// In plain text, as the example apps store it: 64 hex digits.
    Plain(Seed),
    /// Sealed with a passphrase.
    Sealed(Box<Sealed>),
    /// In the system's keyring, under its fingerprint.
    Keyring { fingerprint: String },
}

impl Kept {
    /// Reads the file; `None` if it does not exist.
    pub(crate) fn read(directory: &Directory) -> Result<Option<Self>, AccountError> {
        let path = directory.seed();
        let Some(text) = Directory::read(&path)?.map(Zeroizing::new) else { return Ok(None) };
        Self::parse(&text).map(Some).map_err(|source| AccountError::Kept { path, source })
    }

    fn parse(text: &str) -> Result<Self, KeptError> {
        let first = text.lines().next().unwrap_or_default();
        if let Some(sealed) = Sealed::parse(text)? {
            Ok(Self::Sealed(Box::new(sealed)))
        } else if first == IN_KEYRING {
            let line = text.lines().nth(1).and_then(|line| line.strip_prefix("fingerprint: "));
            Ok(Self::Keyring { fingerprint: line.ok_or(KeptError::NotASeed)?.to_owned() })
        } else if first.starts_with("diplomatic ") {
            Err(KeptError::Newer(Shown(first).to_string()))
        } else {
            read_seed(text).map(Self::Plain).map_err(|_| KeptError::NotASeed)
        }
    }

    /// Returns the fingerprint, which needs no passphrase.
    pub(crate) fn fingerprint(&self) -> String {
        match self {
            Self::Plain(seed) => seed.fingerprint().to_string(),
            Self::Sealed(sealed) => sealed.fingerprint().to_owned(),
            Self::Keyring { fingerprint } => fingerprint.clone(),
        }
    }

    /// Returns the seed. This may ask for the passphrase.
    pub(crate) fn open(self, path: &Path) -> Result<Seed, AccountError> {
        let problem = |source| AccountError::Kept { path: path.to_owned(), source };
        let fingerprint = self.fingerprint();
        let seed = match self {
            Self::Plain(seed) => return Ok(seed),
            Self::Sealed(sealed) => {
                let typed = passphrase::ask(path)?;
                let passphrase = Zeroizing::new(nfc(&typed));
                // What was sealed before passphrases had one form was sealed with the bytes as they were typed.
                let opened = match sealed.open(&passphrase) {
                    Err(SealedError::Passphrase) if *passphrase != *typed => sealed.open(&typed),
                    opened => opened,
                };
                return opened.map_err(|error| problem(error.into()));
            }
            Self::Keyring { .. } => keyring::get(&fingerprint)?,
        };
        if seed.fingerprint().to_string() == fingerprint { Ok(seed) } else { Err(problem(KeptError::KeyringChanged)) }
    }

    /// Stores a new seed in the keyring, or sealed with a passphrase for which it asks. Never replaces another seed.
    pub(crate) fn keep(directory: &Directory, seed: &Seed, in_keyring: bool) -> Result<(), AccountError> {
        let path = directory.seed();
        if let Some(kept) = Self::read(directory)? {
            return Err(AccountError::Exists { path, fingerprint: kept.fingerprint() });
        }
        let fingerprint = seed.fingerprint().to_string();
        let text = if in_keyring {
            keyring::put(&fingerprint, seed)?;
            format!("{IN_KEYRING}\nfingerprint: {fingerprint}\n")
        } else {
            Sealed::seal(seed, &Zeroizing::new(nfc(&passphrase::choose(&path)?))).to_text()
        };
        directory.write(&path, &text, true)
    }
}
