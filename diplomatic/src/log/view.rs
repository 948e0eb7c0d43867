//! A view of the log at one moment.

use std::fmt;
use std::sync::Arc;

use redb::ReadTransaction;

use super::backing::survive_damage;
use super::format::is_of;
use super::vault::Vault;
use super::{Log, LogError, LogReader, Pieces};
use crate::standard::Seed;

/// A view of the log at one moment. Other threads can read it while the log changes.
pub(crate) struct LogView {
    transaction: ReadTransaction,
    vault: Arc<Vault>,
}

impl LogView {
    pub(crate) fn read<T, E: From<LogError>>(&self, act: impl FnOnce(&LogReader<'_>) -> Result<T, E>) -> Result<T, E> {
        let (mut act, mut outcome) = (Some(act), None);
        self.try_read(&mut |reader| outcome = act.take().map(|act| act(reader)))?;
        outcome.unwrap_or_else(|| Err(LogError::Damaged.into()))
    }

    fn try_read(&self, act: &mut dyn FnMut(&LogReader<'_>)) -> Result<(), LogError> {
        survive_damage(|| {
            act(&LogReader::new(&self.transaction, &self.vault)?);
            Ok(())
        })
    }

    /// Cuts a state into pieces of a snapshot.
    pub(crate) fn cut(&self, state: Vec<u8>) -> Pieces {
        Pieces::cut(&self.vault, state)
    }
}

impl fmt::Debug for LogView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogView(..)")
    }
}

impl Log {
    /// Returns a view of the log as it is now.
    pub(crate) fn view(&self) -> Result<LogView, LogError> {
        let transaction = self.with_handle(|handle| handle.begin_read())?;
        Ok(LogView { transaction, vault: self.vault.clone() })
    }

    /// Cuts a state into pieces of a snapshot.
    pub(crate) fn cut(&self, state: Vec<u8>) -> Pieces {
        Pieces::cut(&self.vault, state)
    }

    /// Returns whether this is the log of the seed's account.
    pub(crate) fn is_of(&self, seed: &Seed) -> Result<bool, LogError> {
        self.with_handle(|handle| is_of(&handle.begin_read()?, seed))
    }
}
