//! A store in the SQLite of an object.
//!
//! Everything is carried out on the spot, so that a call's writes are one transaction: the platform commits what was written
//! before anybody could wait, and lets no answer and no frame out before that. An object has one user in its tables, and
//! the registry those who have an account; the tables could hold many with all their bags.

mod append;
mod reads;
mod tables;

use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{PublicKey, SealedBody, Seq, Signature, VerifiedBag};
use diplomatic_host::{Appended, BagStore, Change, Changes, Feed, StoreError, StoreFuture, Usage};
use worker::SqlStorage;

use self::tables::Known;
use crate::sql::{Sql, SqlError, Value, blob, number};

/// A store in the SQLite of an object.
#[derive(Debug)]
pub(crate) struct SqlStore {
    pub(crate) sql: Sql,
    known: Mutex<Known>,
    feed: Feed,
}

impl SqlStore {
    pub(crate) fn new(storage: SqlStorage) -> Self {
        Self { sql: Sql::new(storage), known: Mutex::default(), feed: Feed::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a write. After a failure nothing that was known is relied on.
    fn writing<T>(&self, act: impl FnOnce(&mut Known) -> Result<T, SqlError>) -> Result<T, StoreError> {
        let mut known = self.known();
        act(&mut known).map_err(|error| {
            *known = Known::default();
            write(error)
        })
    }

    /// Reads something of a user, or of nobody.
    fn of_user<T>(
        &self,
        user: PublicKey,
        act: impl FnOnce(&tables::Account) -> Result<T, SqlError>,
    ) -> Result<Option<T>, StoreError> {
        let account = self.account(&mut self.known(), user).map_err(read)?;
        account.map(|account| act(&account)).transpose().map_err(read)
    }

    fn append_now(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> Appended {
        let mut placed = Vec::with_capacity(bags.len());
        let mut known = self.known();
        let outcome = self.store_each(&mut known, user, bags, &mut placed);
        if let Some(last) = placed.iter().rev().find(|placed| placed.is_new()).map(|placed| placed.seq()) {
            self.feed.report(Change::Appended { user, last });
        }
        match outcome {
            Ok(()) => Appended::whole(placed),
            Err(error) => {
                *known = Known::default();
                Appended { placed, cut: Some(error) }
            }
        }
    }

    fn delete_now(&self, known: &mut Known, user: PublicKey) -> Result<bool, SqlError> {
        let Some(account) = self.account(known, user)? else { return Ok(false) };
        for statement in ["DELETE FROM part WHERE user = ?", "DELETE FROM bag WHERE user = ?"] {
            self.sql.run(statement, vec![number(account.id)])?;
        }
        self.sql.run("DELETE FROM account WHERE id = ?", vec![number(account.id)])?;
        known.accounts.remove(&user);
        self.feed.report(Change::Deleted { user });
        Ok(true)
    }

    fn accounts_now(&self, after: Option<PublicKey>, count: usize) -> Result<Vec<PublicKey>, SqlError> {
        if !self.has_tables(&mut self.known())? {
            return Ok(Vec::new());
        }
        let after = after.map_or(blob(&[]), |after| blob(after.as_bytes()));
        let rows = self.sql.query(
            "SELECT key FROM account WHERE key > ? ORDER BY key LIMIT ?",
            vec![after, number(u64::try_from(count).unwrap_or(u64::MAX))],
        )?;
        rows.map(|row| Ok(PublicKey::from_bytes(row?.array()?))).collect()
    }

    fn notes_now(&self, prefix: &str) -> Result<Vec<(String, String)>, SqlError> {
        let mut notes = Vec::new();
        if !self.has_tables(&mut self.known())? {
            return Ok(notes);
        }
        let query = "SELECT name, value FROM note WHERE name >= ? ORDER BY name";
        for row in self.sql.query(query, vec![prefix.into()])? {
            let mut row = row?;
            let note = (row.text()?, row.text()?);
            if !note.0.starts_with(prefix) {
                break;
            }
            notes.push(note);
        }
        Ok(notes)
    }

    fn swap_now(
        &self,
        known: &mut Known,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> Result<bool, SqlError> {
        let name = Value::from(name);
        let note = match self.has_tables(known)? {
            true => self.sql.row("SELECT value FROM note WHERE name = ?", vec![name.clone()])?,
            false => None,
        };
        if note.map(|mut row| row.text()).transpose()? != old {
            return Ok(false);
        }
        match new {
            Some(new) => {
                self.make_tables(known)?;
                let values = vec![name, new.into()];
                self.sql.run("INSERT OR REPLACE INTO note (name, value) VALUES (?, ?)", values)?;
            }
            None if old.is_some() => self.sql.run("DELETE FROM note WHERE name = ?", vec![name])?,
            None => {}
        }
        Ok(true)
    }
}

impl BagStore for SqlStore {
    fn register(&self, user: PublicKey) -> StoreFuture<'_, Result<(), StoreError>> {
        done(self.writing(|known| self.registered(known, user).map(drop)))
    }

    fn append(&self, user: PublicKey, bags: Vec<VerifiedBag>) -> StoreFuture<'_, Appended> {
        done(self.append_now(user, bags))
    }

    fn last(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Seq>, StoreError>> {
        done(self.of_user(user, |account| Ok(account.last)))
    }

    fn heads(
        &self,
        user: PublicKey,
        after: Seq,
        last: Seq,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<PeekItem>, StoreError>> {
        let heads = self.of_user(user, |account| self.read_heads(account.id, after, last, budget));
        done(heads.map(Option::unwrap_or_default))
    }

    fn bodies(
        &self,
        user: PublicKey,
        seqs: Vec<Seq>,
        budget: usize,
    ) -> StoreFuture<'_, Result<Vec<Option<SealedBody>>, StoreError>> {
        let bodies = self.of_user(user, |account| self.read_bodies(account.id, &seqs, budget));
        done(bodies.map(|bodies| bodies.unwrap_or_else(|| vec![None; seqs.len()])))
    }

    fn usage(&self, user: PublicKey) -> StoreFuture<'_, Result<Option<Usage>, StoreError>> {
        done(self.of_user(user, |account| Ok(Usage { bags: account.last.number(), bytes: account.bytes() })))
    }

    fn sizes(
        &self,
        user: PublicKey,
        signatures: Vec<Signature>,
    ) -> StoreFuture<'_, Result<Vec<Option<u64>>, StoreError>> {
        let sizes = self.of_user(user, |account| {
            let size = |signature| Ok(self.find(account.id, signature)?.map(|(_, size)| size));
            signatures.iter().map(size).collect::<Result<Vec<_>, SqlError>>()
        });
        done(sizes.map(|sizes| sizes.unwrap_or_else(|| vec![None; signatures.len()])))
    }

    fn delete(&self, user: PublicKey) -> StoreFuture<'_, Result<bool, StoreError>> {
        done(self.writing(|known| self.delete_now(known, user)))
    }

    fn accounts(&self, after: Option<PublicKey>, count: usize) -> StoreFuture<'_, Result<Vec<PublicKey>, StoreError>> {
        done(self.accounts_now(after, count).map_err(read))
    }

    fn notes(&self, prefix: String) -> StoreFuture<'_, Result<Vec<(String, String)>, StoreError>> {
        done(self.notes_now(&prefix).map_err(read))
    }

    fn swap_note(
        &self,
        name: String,
        old: Option<String>,
        new: Option<String>,
    ) -> StoreFuture<'_, Result<bool, StoreError>> {
        done(self.writing(|known| self.swap_now(known, name, old, new)))
    }

    fn changes(&self) -> Changes {
        self.feed.watch()
    }
}

fn done<'a, T: Send + 'a>(outcome: T) -> StoreFuture<'a, T> {
    Box::pin(ready(outcome))
}

fn read(error: SqlError) -> StoreError {
    worker::console_error!("the store could not read: {error}");
    StoreError::Read(error.into())
}

fn write(error: SqlError) -> StoreError {
    worker::console_error!("the store could not write: {error}");
    StoreError::Write(error.into())
}
