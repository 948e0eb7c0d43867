//! From each format of the file to the next.
//!
//! A file goes through all the migrations that it needs in one transaction, so that it never has a format in between.
//!
//! To change the format: add a table to [`tables`], raise [`FORMAT`](super::format::FORMAT), add a migration here, and
//! commit a file of the old format as a fixture of `tests/device/format.rs`.

use redb::{Database, WriteTransaction};

use super::error::LogError;
use super::format::{FORMAT, put_format};
use super::tables;

/// Brings a log from an older format to the newest.
pub(super) fn migrate(database: &Database, from: u32) -> Result<(), LogError> {
    if from == FORMAT {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    if from < 2 {
        migration_001_remember_what_was_dropped(&transaction)?;
    }
    put_format(&transaction)?;
    Ok(transaction.commit()?)
}

/// Creates the tables that came after format 1, in a new file as in an old one.
pub(super) fn create_new_tables(transaction: &WriteTransaction) -> Result<(), LogError> {
    transaction.open_table(tables::DROPPED)?;
    transaction.open_table(tables::UNAPPLIED)?;
    Ok(())
}

/// Format 2 remembers the positions that compaction dropped, and the messages that the app's fold could not apply.
fn migration_001_remember_what_was_dropped(transaction: &WriteTransaction) -> Result<(), LogError> {
    create_new_tables(transaction)
}
