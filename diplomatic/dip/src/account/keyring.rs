//! Seeds in the system's keyring: Secret Service, macOS Keychain or Windows Credential Manager.

use diplomatic::Seed;

/// Why the keyring cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    #[cfg(not(feature = "keyring"))]
    #[error("this build of dip has no keyring support: install it with `--features keyring`, or leave out --keyring")]
    NotBuilt,
    #[cfg(feature = "keyring")]
    #[error("the system's keyring cannot be used: unlock it, or store the seed in a file")]
    Unusable(#[source] keyring::Error),
    #[cfg(feature = "keyring")]
    #[error("the system's keyring no longer has a seed with this fingerprint: import it with `dip seed import`")]
    Gone,
    #[cfg(feature = "keyring")]
    #[error("the entry in the system's keyring is not a seed")]
    NotASeed,
}

#[cfg(feature = "keyring")]
mod system {
    use keyring::{Entry, Error};
    use zeroize::Zeroizing;

    use super::{KeyringError, Seed};

    /// The name under which the keyring lists the seeds.
    const SERVICE: &str = "diplomatic";

    pub(crate) fn get(fingerprint: &str) -> Result<Seed, KeyringError> {
        let secret = entry(fingerprint)?.get_password().map(Zeroizing::new).map_err(|error| match error {
            Error::NoEntry => KeyringError::Gone,
            error => KeyringError::Unusable(error),
        })?;
        secret.parse().map_err(|_| KeyringError::NotASeed)
    }

    pub(crate) fn put(fingerprint: &str, seed: &Seed) -> Result<(), KeyringError> {
        entry(fingerprint)?.set_password(&seed.expose_hex()).map_err(KeyringError::Unusable)
    }

    fn entry(fingerprint: &str) -> Result<Entry, KeyringError> {
        Entry::new(SERVICE, fingerprint).map_err(KeyringError::Unusable)
    }
}

#[cfg(not(feature = "keyring"))]
mod system {
    use super::{KeyringError, Seed};

    pub(crate) const fn get(_: &str) -> Result<Seed, KeyringError> {
        Err(KeyringError::NotBuilt)
    }

    pub(crate) const fn put(_: &str, _: &Seed) -> Result<(), KeyringError> {
        Err(KeyringError::NotBuilt)
    }
}

pub(super) use system::{get, put};
