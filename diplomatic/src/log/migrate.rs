//! From each format of the file to the next.
//!
//! Format 2 remembers the positions that compaction dropped, and the messages that the app's fold could not apply. Format
//! 3 has what the witnesses of devices say. Format 4 remembers what was written together. Format 5 knows in which order
//! messages arrived, and has registers under every parent that they ever had. Format 6 keeps the chunks of attachments, whose
//! bodies need not be here. Format 7 knows how much of them is here, and when it was opened.
//!
//! A file goes through all the migrations that it needs in one transaction, so that it never has a format in between.
//!
//! To change the format: add a table to [`tables`], raise [`FORMAT`](super::format::FORMAT), add a migration here, and
//! commit a file of the old format as a fixture of `tests/device/format.rs`.

use rand_core::CryptoRng;
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use super::database::begin_write;
use super::error::LogError;
use super::format::{FORMAT, create_new_tables, put_format};
use super::tables;
use super::vault::Vault;
use super::write::LogWriter;
use crate::order::Position;

/// Brings a log from an older format to the newest.
pub(super) fn migrate(database: &Database, from: u32, vault: &Vault, rng: &mut dyn CryptoRng) -> Result<(), LogError> {
    if from == FORMAT {
        return Ok(());
    }
    let transaction = begin_write(database)?;
    create_new_tables(&transaction)?;
    if from < 3 {
        migration_002_cut_snapshots_into_pieces(&transaction)?;
    }
    if from < 4 {
        migration_003_remember_transactions(&transaction, vault, rng)?;
    }
    if from < 5 {
        migration_004_number_what_is_there(&transaction, vault, rng)?;
    }
    if from < 7 {
        migration_006_count_what_is_kept(&transaction, vault, rng)?;
    }
    put_format(&transaction)?;
    Ok(transaction.commit()?)
}

/// Format 3 has snapshots in pieces. Those that are there are of no use: they are made again.
fn migration_002_cut_snapshots_into_pieces(transaction: &WriteTransaction) -> Result<(), LogError> {
    transaction.open_table(tables::SNAPSHOTS)?.retain(|_, _| false)?;
    Ok(())
}

/// Until format 3, events of this device that were undone, and those that did it. Key: position.
const UNDONE: TableDefinition<'_, &[u8; 48], ()> = TableDefinition::new("undone-1");

/// Until format 3, the last events that this device emitted. Key: a number that counts up. Value: position.
const UNDOABLE: TableDefinition<'_, u64, &[u8; 48]> = TableDefinition::new("undoable-1");

/// Format 4 has whole transactions, and not single events that can be undone. Which of those were written together is not
/// known; only the tombstones of registers belong to that of their entity.
fn migration_003_remember_transactions(
    transaction: &WriteTransaction,
    vault: &Vault,
    rng: &mut dyn CryptoRng,
) -> Result<(), LogError> {
    let mut positions = Vec::new();
    {
        let (undone, undoable) = (transaction.open_table(UNDONE)?, transaction.open_table(UNDOABLE)?);
        for row in undoable.iter()? {
            let key = *row?.1.value();
            if undone.get(&key)?.is_none() {
                positions.push(Position::from_bytes(&key));
            }
        }
    }
    let mut writer = LogWriter::new(transaction, vault, rng, &[], false)?;
    let mut last: Vec<Position> = Vec::new();
    for position in positions {
        let Some(message) = writer.message(&position)? else { continue };
        let is_part = message.head().is_delete() && message.head().entity().is_derived();
        if !is_part {
            writer.note_transaction(&std::mem::take(&mut last))?;
        }
        last.push(position);
    }
    writer.note_transaction(&last)?;
    drop(writer);
    transaction.delete_table(UNDONE)?;
    transaction.delete_table(UNDOABLE)?;
    Ok(())
}

/// Format 5 has every message in the order of arrival, and registers under every parent that they ever had, which
/// format 1 had under their first and later ones under their last.
fn migration_004_number_what_is_there(
    transaction: &WriteTransaction,
    vault: &Vault,
    rng: &mut dyn CryptoRng,
) -> Result<(), LogError> {
    LogWriter::new(transaction, vault, rng, &[], false)?.number_all()
}

/// Format 7 has a row for each body of a chunk that could be left at a host.
fn migration_006_count_what_is_kept(
    transaction: &WriteTransaction,
    vault: &Vault,
    rng: &mut dyn CryptoRng,
) -> Result<(), LogError> {
    LogWriter::new(transaction, vault, rng, &[], false)?.keep_all()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use redb::ReadableDatabase;

    use super::*;
    use crate::log::format::{Identity, identify, initialize};
    use crate::log::rows::register_key;
    use crate::log::{LogReader, THIS_DEVICE};
    use crate::standard::{Body, Encode, EntityBody, EntityId, Message, Seed, Timestamp};

    /// Adds the tables that format 3 had for undo.
    fn add_old_tables(database: &Database, undoable: &[(u64, Position)]) {
        let transaction = database.begin_write().expect("memory does not fail");
        {
            let mut table = transaction.open_table(UNDOABLE).expect("it is new");
            for (number, position) in undoable {
                table.insert(number, &position.to_bytes()).expect("memory does not fail");
            }
            transaction.open_table(UNDONE).expect("it is new");
        }
        transaction.commit().expect("memory does not fail");
    }

    #[test]
    fn what_could_be_undone_in_format_3_can_be_still_and_a_delete_with_its_registers() {
        let (seed, mut rng) = (Seed::from_bytes([7; 32]), StdRng::seed_from_u64(1));
        let database = Database::builder()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .expect("memory does not fail");
        let vault = initialize(&database, &seed, &mut rng).expect("memory does not fail");
        let item = EntityId::from_uuid([1; 16]);
        let register = EntityId::register("renamed", &[0x91, 0x01]);
        let body = |millis| Body::new(EntityBody::new("any", &[millis]).to_bytes());
        let messages = [(&item, 1, body(1)), (&register, 2, body(2)), (&item, 3, None), (&register, 4, None)];
        let messages = messages.map(|(entity, millis, body)| {
            Message::new(entity.clone(), Timestamp::from_millis(millis), 0, body).expect("small numbers")
        });
        let positions: Vec<_> = messages.iter().map(|message| Position::of(message.head())).collect();
        let transaction = database.begin_write().expect("memory does not fail");
        {
            let mut writer = LogWriter::new(&transaction, &vault, &mut rng, &[], false).expect("the tables are there");
            for message in messages {
                writer.insert(message, THIS_DEVICE).expect("memory does not fail");
            }
        }
        transaction.commit().expect("memory does not fail");
        add_old_tables(&database, &(1..).zip(positions.iter().copied()).collect::<Vec<_>>());

        migrate(&database, 3, &vault, &mut rng).expect("the file is whole");
        let reading = database.begin_read().expect("memory does not fail");
        let vault = std::sync::Arc::new(vault);
        let reader = LogReader::new(&reading, &vault).expect("the tables are there");
        let (mut found, mut before) = (Vec::new(), None);
        while let Some(transaction) = reader.transaction_before(before).expect("memory does not fail") {
            before = Some(transaction.number);
            found.push(transaction.wrote);
        }
        assert_eq!(found, [&positions[2..], &positions[1..2], &positions[..1]]);
    }

    #[test]
    fn a_register_that_moved_in_format_1_is_under_every_parent_and_counts_for_its_current_one() {
        let (seed, mut rng) = (Seed::from_bytes([7; 32]), StdRng::seed_from_u64(1));
        let database = Database::builder()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .expect("memory does not fail");
        let vault = initialize(&database, &seed, &mut rng).expect("memory does not fail");
        let (old, new) = (EntityId::from_uuid([1; 16]), EntityId::from_uuid([2; 16]));
        let register = EntityId::register("placed", &[0x91, 0x01]);
        let placed = |parent: &EntityId, millis| {
            let body = EntityBody { parent: Some(parent.clone()), ..EntityBody::new("placed", EntityBody::NIL) };
            let body = Body::new(body.to_bytes());
            Message::new(register.clone(), Timestamp::from_millis(millis), 0, body).expect("small numbers")
        };
        let key = |parent: &EntityId| register_key(&vault.entity_key(parent), &vault.entity_key(&register));
        let transaction = database.begin_write().expect("memory does not fail");
        {
            let mut writer = LogWriter::new(&transaction, &vault, &mut rng, &[], false).expect("the tables are there");
            for message in [placed(&old, 1), placed(&new, 2)] {
                writer.insert(message, THIS_DEVICE).expect("memory does not fail");
            }
        }
        {
            // As format 1 left it.
            let mut registers = transaction.open_table(tables::REGISTERS).expect("it is there");
            registers.remove(&key(&new)).expect("memory does not fail");
            let value = vault.seal("registers-1", &key(&old), &register.to_bytes(), &mut rng);
            registers.insert(&key(&old), value.as_slice()).expect("memory does not fail");
        }
        transaction.commit().expect("memory does not fail");

        migrate(&database, 1, &vault, &mut rng).expect("the file is whole");
        let is_current =
            identify(&database.begin_read().expect("memory does not fail"), &seed).expect("memory does not fail");
        assert!(matches!(is_current, Identity::Log { format: FORMAT, .. }));
        let transaction = database.begin_write().expect("memory does not fail");
        let writer = LogWriter::new(&transaction, &vault, &mut rng, &[], false).expect("the tables are there");
        let of = |parent| writer.registers_of(parent).expect("memory does not fail").len();
        assert_eq!((of(&old), of(&new)), (0, 1));
    }
}
