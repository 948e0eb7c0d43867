//! Rows and words of all notes in SQLite, which follow the log.
//!
//! The index holds what the notes say in the clear, unlike the log. It can be deleted at any time: it is made again from the
//! log.

mod search;

use std::path::Path;
use std::time::Duration;

use diplomatic::EntityId;
use diplomatic::projection::{Mark, Page};
use diplomatic::standard::{Decode, Encode};
use diplomatic::{Projection, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::note::Note;
pub use search::{Found, Search};

/// How long to wait while another thread or program writes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bits of a row's place below its time, so that notes of one millisecond have different places.
const PLACE_BITS: u32 = 11;

/// The tables. A row's place grows with the time of its last change, so the newest notes are the last rows of every table,
/// and the search returns them without sorting.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, mark TEXT);
    CREATE TABLE IF NOT EXISTS notes (
        place INTEGER PRIMARY KEY, account INTEGER NOT NULL, id BLOB NOT NULL, title TEXT NOT NULL, folder BLOB
    );
    CREATE UNIQUE INDEX IF NOT EXISTS notes_by_id ON notes (account, id);
    CREATE INDEX IF NOT EXISTS notes_by_folder ON notes (account, folder, place);
    CREATE TABLE IF NOT EXISTS tags (
        account INTEGER NOT NULL, tag TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (account, tag, place)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS tags_by_place ON tags (place);
    CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
        title, text, tags, content = '', contentless_delete = 1, prefix = '1 2 3', tokenize = 'unicode61 remove_diacritics 2'
    );
";

/// The rows of one account.
#[derive(Debug)]
pub struct Index {
    database: Connection,
    account: i64,
    /// Called after rows were saved.
    saved: Saved,
}

struct Saved(Box<dyn FnMut() + Send>);

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Saved(..)")
    }
}

impl Index {
    /// Opens the rows of an account, which may be new, in a database, which may be new.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn open(path: &Path, account: &str) -> rusqlite::Result<Self> {
        let mut database = Connection::open(path)?;
        database.busy_timeout(PATIENCE)?;
        // A power cut may lose the last pages, but not break the file, and they come again from the log.
        database.pragma_update(None, "journal_mode", "wal")?;
        database.pragma_update(None, "synchronous", "normal")?;
        let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.execute("INSERT INTO accounts (name) VALUES (?1) ON CONFLICT DO NOTHING", [account])?;
        let id = transaction.query_row("SELECT id FROM accounts WHERE name = ?1", [account], |row| row.get(0))?;
        transaction.commit()?;
        Ok(Self { database, account: id, saved: Saved(Box::new(|| ())) })
    }

    /// Calls `saved` whenever rows were saved.
    #[must_use]
    pub fn on_save(self, saved: impl FnMut() + Send + 'static) -> Self {
        Self { saved: Saved(Box::new(saved)), ..self }
    }

    /// Returns how many notes there are.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn len(&self) -> rusqlite::Result<u64> {
        let count = "SELECT count(*) FROM notes WHERE account = ?1";
        self.database.query_row(count, [self.account], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    }

    /// Returns whether there are no notes.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn is_empty(&self) -> rusqlite::Result<bool> {
        Ok(self.len()? == 0)
    }
}

impl Projection for Index {
    type Aggregate = Note;
    type Error = rusqlite::Error;

    const VERSION: u32 = 1;

    fn mark(&mut self) -> rusqlite::Result<Option<Mark>> {
        let mark: Option<String> =
            self.database.query_row("SELECT mark FROM accounts WHERE id = ?1", [self.account], |row| row.get(0))?;
        Ok(mark.and_then(|mark| mark.parse().ok()))
    }

    fn save(&mut self, page: Page<Note>) -> rusqlite::Result<()> {
        let account = self.account;
        let transaction = self.database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        if page.is_anew {
            let all = "SELECT place FROM notes WHERE account = ?1";
            transaction.execute(&format!("DELETE FROM words WHERE rowid IN ({all})"), [account])?;
            transaction.execute("DELETE FROM tags WHERE account = ?1", [account])?;
            transaction.execute("DELETE FROM notes WHERE account = ?1", [account])?;
        }
        for (id, note) in &page.rows {
            if !page.is_anew {
                remove(&transaction, account, id)?;
            }
            if let Some(note) = note {
                insert(&transaction, account, id, note)?;
            }
        }
        transaction.execute("UPDATE accounts SET mark = ?2 WHERE id = ?1", params![account, page.mark.to_string()])?;
        transaction.commit()?;
        (self.saved.0)();
        Ok(())
    }
}

fn remove(transaction: &Transaction<'_>, account: i64, id: &EntityId) -> rusqlite::Result<()> {
    let mut found = transaction.prepare_cached("DELETE FROM notes WHERE account = ?1 AND id = ?2 RETURNING place")?;
    let place: Option<i64> = found.query_row(params![account, id.to_bytes()], |row| row.get(0)).optional()?;
    if let Some(place) = place {
        transaction.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([place])?;
        transaction.prepare_cached("DELETE FROM tags WHERE place = ?1")?.execute([place])?;
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, account: i64, id: &EntityId, note: &Note) -> rusqlite::Result<()> {
    let place = free_place(transaction, note.changed)?;
    let folder = note.folder.as_ref().map(|folder| EntityId::from(folder.clone()).to_bytes());
    let mut insert = transaction
        .prepare_cached("INSERT INTO notes (place, account, id, title, folder) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    insert.execute(params![place, account, id.to_bytes(), note.title, folder])?;
    let tags: Vec<&str> = note.tags.iter().map(String::as_str).collect();
    let mut words =
        transaction.prepare_cached("INSERT INTO words (rowid, title, text, tags) VALUES (?1, ?2, ?3, ?4)")?;
    words.execute(params![place, note.title, note.text, tags.join(" ")])?;
    for tag in tags {
        let mut insert = transaction.prepare_cached("INSERT INTO tags (account, tag, place) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![account, tag.to_lowercase(), place])?;
    }
    Ok(())
}

/// Returns the place of a note that was changed at this time: after those of earlier times, and of this time as well.
fn free_place(transaction: &Transaction<'_>, changed: Timestamp) -> rusqlite::Result<i64> {
    let first =
        i64::try_from(changed.as_millis()).unwrap_or(i64::MAX >> PLACE_BITS).min(i64::MAX >> PLACE_BITS) << PLACE_BITS;
    let mut last = transaction.prepare_cached("SELECT max(place) FROM notes WHERE place >= ?1 AND place <= ?2")?;
    let last: Option<i64> = last.query_row([first, first | ((1 << PLACE_BITS) - 1)], |row| row.get(0))?;
    let mut place = last.map_or(first, |last| last.saturating_add(1));
    // More notes of one millisecond than there are places go wherever the next one is free.
    let mut is_taken = transaction.prepare_cached("SELECT EXISTS (SELECT 1 FROM notes WHERE place = ?1)")?;
    while is_taken.query_row([place], |row| row.get(0))? {
        place = place.saturating_add(1);
    }
    Ok(place)
}

fn id_of(bytes: &[u8]) -> Option<EntityId> {
    EntityId::decode(bytes).ok()
}
