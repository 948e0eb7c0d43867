//! Messages whose rows are sealed by other threads than the one that writes them: to seal a short message takes about as
//! long as to write it.

use std::sync::Arc;

use redb::TableHandle;

use super::rows::{encode_message, encode_winner};
use super::vault::{NONCE, Vault};
use super::{Log, StoredMessage, tables};
use crate::attachment::ChunkName;
use crate::order::Position;
use crate::standard::{Content, Message};

/// Seals the rows of messages from one origin.
pub(crate) struct RowSealer {
    vault: Arc<Vault>,
    origin: u32,
    /// What the nonces are made of. Every sealer has its own.
    random: [u8; 32],
}

/// A message that is to be stored, with its rows.
#[derive(Debug)]
pub(crate) struct SealedMessage {
    pub(super) stored: StoredMessage,
    pub(super) rows: SealedRows,
}

/// The rows of a message, as far as they are sealed already.
#[derive(Debug, Default)]
pub(super) struct SealedRows {
    pub(super) message: Option<Vec<u8>>,
    /// The row of its entity, if it is the message that counts.
    pub(super) winner: Option<Vec<u8>>,
}

impl Log {
    /// Returns what seals messages from an origin for this log.
    pub(crate) fn row_sealer(&mut self, origin: u32) -> RowSealer {
        RowSealer { random: self.random(), vault: self.vault.clone(), origin }
    }
}

impl RowSealer {
    pub(crate) fn seal(&self, message: Message) -> SealedMessage {
        let position = Position::of(message.head());
        if ChunkName::of(message.head()).is_some() {
            // It has rows of its own, and mostly is long.
            let stored = StoredMessage { position, message, origin: self.origin };
            return SealedMessage { stored, rows: SealedRows::default() };
        }
        let key = position.to_bytes();
        let mut nonces = [[0; NONCE]; 2];
        blake3::Hasher::new_keyed(&self.random).update(&key).finalize_xof().fill(nonces.as_flattened_mut());
        let [first, second] = nonces;
        let entity_key = self.vault.entity_key(message.head().entity());
        let winner = encode_winner(&position, Content::of(&message).type_name());
        let rows = SealedRows {
            message: Some(self.vault.seal_with(
                first,
                tables::MESSAGES.name(),
                &key,
                &encode_message(self.origin, &message),
            )),
            winner: Some(self.vault.seal_with(second, tables::ENTITIES.name(), &entity_key, &winner)),
        };
        SealedMessage { stored: StoredMessage { position, message, origin: self.origin }, rows }
    }
}
