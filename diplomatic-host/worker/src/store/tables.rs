//! The tables, and who is in them.

use std::collections::HashMap;

use diplomatic::standard::{PublicKey, Seq};

use super::SqlStore;
use crate::sql::{Sql, SqlError, blob, number};

/// The format of the tables. A later one has a way here from each earlier one.
const FORMAT: u64 = 1;

/// `bag.total` is the size of a bag and of all before it when it came, so that a bag costs no second row for the account.
/// Bags that were replaced by others of another size are settled in `account.healed`. `bag.parts` counts the rows that a
/// large body takes elsewhere; the body comes last, since a list of heads reads no further than it must.
const TABLES: [&str; 5] = [
    "CREATE TABLE format (number INTEGER NOT NULL)",
    "CREATE TABLE account (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, healed INTEGER NOT NULL)",
    "CREATE TABLE bag (user INTEGER NOT NULL, seq INTEGER NOT NULL, signature BLOB NOT NULL, kdm BLOB NOT NULL, \
     head BLOB NOT NULL, size INTEGER NOT NULL, total INTEGER NOT NULL, parts INTEGER NOT NULL, body BLOB NOT NULL, \
     PRIMARY KEY (user, seq), UNIQUE (user, signature)) WITHOUT ROWID",
    "CREATE TABLE part (user INTEGER NOT NULL, seq INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL, \
     PRIMARY KEY (user, seq, number)) WITHOUT ROWID",
    "CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
];

/// What was read of the tables. Nobody else writes to them, so that it holds for as long as the object is awake.
#[derive(Debug, Default)]
pub(super) struct Known {
    tables: bool,
    pub(super) accounts: HashMap<PublicKey, Account>,
}

/// A registered user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) id: u64,
    pub(super) last: Seq,
    /// The size of all bags when they came.
    pub(super) total: u64,
    /// How much they have grown since.
    pub(super) healed: i64,
}

impl Account {
    pub(super) const fn bytes(&self) -> u64 {
        self.total.saturating_add_signed(self.healed)
    }
}

impl SqlStore {
    /// Tells whether there are tables. An object has none until somebody registers: a stranger leaves nothing behind.
    pub(super) fn has_tables(&self, known: &mut Known) -> Result<bool, SqlError> {
        if !known.tables {
            let named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'format'";
            if self.sql.row(named, Vec::new())?.is_none() {
                return Ok(false);
            }
            let row = self.sql.row("SELECT number FROM format", Vec::new())?;
            match row.map(|mut row| row.number()).transpose()? {
                Some(FORMAT) => known.tables = true,
                found => {
                    let found = found.map_or("none".to_owned(), |found| found.to_string());
                    return Err(SqlError::new(format!(
                        "the tables have format {found} and this version reads format {FORMAT}: deploy a newer version"
                    )));
                }
            }
        }
        Ok(true)
    }

    /// Makes the tables unless they are there.
    pub(super) fn make_tables(&self, known: &mut Known) -> Result<(), SqlError> {
        if !self.has_tables(known)? {
            make(&self.sql)?;
            known.tables = true;
        }
        Ok(())
    }

    pub(super) fn account(&self, known: &mut Known, user: PublicKey) -> Result<Option<Account>, SqlError> {
        if let Some(account) = known.accounts.get(&user) {
            return Ok(Some(*account));
        }
        if !self.has_tables(known)? {
            return Ok(None);
        }
        let found = self.sql.row("SELECT id, healed FROM account WHERE key = ?", vec![blob(user.as_bytes())])?;
        let Some(mut found) = found else { return Ok(None) };
        let (id, healed) = (found.number()?, found.signed()?);
        let last = "SELECT seq, total FROM bag WHERE user = ? ORDER BY seq DESC LIMIT 1";
        let (last, total) = match self.sql.row(last, vec![number(id)])? {
            Some(mut row) => (seq(row.number()?)?, row.number()?),
            None => (Seq::ZERO, 0),
        };
        let account = Account { id, last, total, healed };
        known.accounts.insert(user, account);
        Ok(Some(account))
    }

    /// Returns a user, who is registered if need be.
    pub(super) fn registered(&self, known: &mut Known, user: PublicKey) -> Result<Account, SqlError> {
        if let Some(account) = self.account(known, user)? {
            return Ok(account);
        }
        self.make_tables(known)?;
        self.sql.run("INSERT INTO account (key, healed) VALUES (?, 0)", vec![blob(user.as_bytes())])?;
        self.account(known, user)?.ok_or_else(|| SqlError::new("a row is gone that was written a moment ago"))
    }
}

/// The number of the format comes last: tables without it are made again.
fn make(sql: &Sql) -> Result<(), SqlError> {
    for table in TABLES {
        sql.run(&table.replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1), Vec::new())?;
    }
    sql.run("INSERT INTO format (number) VALUES (?)", vec![number(FORMAT)])
}

pub(super) fn seq(number: u64) -> Result<Seq, SqlError> {
    Seq::new(number).ok_or_else(|| SqlError::new(format!("{number} is no seq: the object's tables are damaged")))
}
