//! What a log's file says of itself: that it is a log, of which format, and of which seed.

use rand_core::CryptoRng;
use redb::{Database, ReadTransaction, WriteTransaction};

use super::database::begin_write;
use super::error::LogError;
use super::tables;
use super::vault::Vault;
use crate::standard::Seed;

/// The format of the files that this version writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 7;

/// What a `check` value holds: that it opens shows that the seed is the right one.
const CHECK: &[u8] = b"diplomatic log";

/// What a file turned out to be.
pub(super) enum Identity {
    /// A log of this seed, of a format that this version reads.
    Log { vault: Vault, format: u32 },
    /// A new database.
    Empty,
    /// A database of another program.
    Foreign,
    /// A log of a newer format.
    Newer { format: u32 },
    /// A log that lacks what every log has.
    Damaged,
    /// A log of another seed.
    WrongSeed,
}

/// Finds out what a file is.
pub(super) fn identify(reading: &ReadTransaction, seed: &Seed) -> Result<Identity, LogError> {
    let Meta { is_empty, format, salt, check } = read_meta(reading)?;
    Ok(match (format, salt, check) {
        (None, ..) if is_empty => Identity::Empty,
        (None, ..) => Identity::Foreign,
        (Some(format), ..) if format > FORMAT => Identity::Newer { format },
        (Some(format), Some(salt), Some(check)) => {
            let vault = Vault::new(seed, &salt);
            match vault.open("meta-1", b"check", &check) {
                Ok(value) if value == CHECK => Identity::Log { vault, format },
                _ => Identity::WrongSeed,
            }
        }
        _ => Identity::Damaged,
    })
}

/// Tells whether the log is of this seed.
pub(super) fn is_of(reading: &ReadTransaction, seed: &Seed) -> Result<bool, LogError> {
    Ok(matches!(identify(reading, seed)?, Identity::Log { .. }))
}

/// Makes an empty database a log.
pub(super) fn initialize(database: &Database, seed: &Seed, rng: &mut dyn CryptoRng) -> Result<Vault, LogError> {
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    let vault = Vault::new(seed, &salt);
    let transaction = begin_write(database)?;
    {
        let mut meta = transaction.open_table(tables::META)?;
        meta.insert("salt", salt.as_slice())?;
        meta.insert("check", vault.seal("meta-1", b"check", CHECK, rng).as_slice())?;
    }
    // Every table exists from the start, so that readers find them.
    transaction.open_table(tables::MESSAGES)?;
    transaction.open_table(tables::ENTITIES)?;
    transaction.open_table(tables::SUPERSEDED)?;
    transaction.open_table(tables::OVERWRITTEN)?;
    transaction.open_table(tables::INDEX)?;
    transaction.open_table(tables::REGISTERS)?;
    transaction.open_table(tables::LINKS)?;
    transaction.open_table(tables::SKIPPED)?;
    transaction.open_table(tables::SNAPSHOTS)?;
    create_new_tables(&transaction)?;
    put_format(&transaction)?;
    transaction.commit()?;
    Ok(vault)
}

/// Creates the tables that are new since format 1, in a new file or an old one.
pub(super) fn create_new_tables(transaction: &WriteTransaction) -> Result<(), LogError> {
    transaction.open_table(tables::DROPPED)?;
    transaction.open_table(tables::UNAPPLIED)?;
    transaction.open_table(tables::OWN_KIND)?;
    transaction.open_table(tables::EMITTED)?;
    transaction.open_table(tables::HELD)?;
    transaction.open_table(tables::PEERS)?;
    transaction.open_table(tables::WITNESSES)?;
    transaction.open_table(tables::WITNESSED_AT)?;
    transaction.open_table(tables::ABSENT)?;
    transaction.open_table(tables::PIECES)?;
    transaction.open_table(tables::WANTS)?;
    transaction.open_table(tables::TRANSACTIONS)?;
    transaction.open_table(tables::RESTORED)?;
    transaction.open_table(tables::ARRIVALS)?;
    transaction.open_table(tables::CHANGED_AT)?;
    transaction.open_table(tables::CHANGED_BY_DROPPED)?;
    transaction.open_table(tables::HUNG_ON)?;
    transaction.open_table(tables::CHUNKS)?;
    transaction.open_table(tables::CHUNK_BODIES)?;
    transaction.open_table(tables::CHUNK_LATEST)?;
    transaction.open_table(tables::CHUNK_QUEUE)?;
    transaction.open_table(tables::CHUNK_PLACES)?;
    transaction.open_table(tables::CHUNK_WANTED)?;
    transaction.open_table(tables::CHUNK_UNUSED)?;
    transaction.open_table(tables::CHUNK_KEPT)?;
    Ok(())
}

/// Records that the file has the newest format.
pub(super) fn put_format(transaction: &WriteTransaction) -> Result<(), LogError> {
    transaction.open_table(tables::META)?.insert("format", FORMAT.to_be_bytes().as_slice())?;
    Ok(())
}

struct Meta {
    is_empty: bool,
    format: Option<u32>,
    salt: Option<Vec<u8>>,
    check: Option<Vec<u8>>,
}

fn read_meta(transaction: &ReadTransaction) -> Result<Meta, LogError> {
    let is_empty = transaction.list_tables()?.next().is_none() && transaction.list_multimap_tables()?.next().is_none();
    let table = match transaction.open_table(tables::META) {
        Ok(table) => table,
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(Meta { is_empty, format: None, salt: None, check: None }),
    };
    let value = |name| Ok::<_, LogError>(table.get(name)?.map(|value| value.value().to_vec()));
    let format = value("format")?.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    Ok(Meta { is_empty, format, salt: value("salt")?, check: value("check")? })
}
