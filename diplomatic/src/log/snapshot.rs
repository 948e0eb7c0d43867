//! The log as of one moment, to be read while the log goes on.

use std::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;
use redb::ReadTransaction;

use super::backing::survive_damage;
use super::format::is_of;
use super::vault::Vault;
use super::{Log, LogError, LogReader};
use crate::standard::Seed;

/// The log as of one moment: it can be read on another thread while the log goes on.
pub(crate) struct LogSnapshot {
    transaction: ReadTransaction,
    vault: Arc<Vault>,
}

impl LogSnapshot {
    pub(crate) fn read<T, E: From<LogError>>(&self, act: impl FnOnce(&LogReader<'_>) -> Result<T, E>) -> Result<T, E> {
        survive_damage(|| act(&LogReader::new(&self.transaction, &self.vault)?))
    }
}

impl fmt::Debug for LogSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogSnapshot(..)")
    }
}

impl Log {
    /// Takes the log as of now.
    pub(crate) fn snapshot(&self) -> Result<LogSnapshot, LogError> {
        let transaction = self.with_handle(|handle| handle.begin_read())?;
        Ok(LogSnapshot { transaction, vault: self.vault.clone() })
    }

    /// Tells whether this is the log of the seed's account.
    pub(crate) fn is_of(&self, seed: &Seed) -> Result<bool, LogError> {
        self.with_handle(|handle| is_of(&handle.begin_read()?, seed))
    }

    pub(crate) fn rng(&mut self) -> &mut dyn CryptoRng {
        &mut *self.rng
    }
}
