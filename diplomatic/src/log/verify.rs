//! Checks of a log, table by table.

use std::collections::HashMap;
use std::fmt;

use redb::{DatabaseError, ReadableTable, ReadableTableMetadata, StorageError as RedbError, TableDefinition};
use serde::{Deserialize, Serialize};

use super::error::LogError;
use super::index::rows;
use super::read::LogReader;
use super::rows::{Link, decode_winner, overwritten_key};
use super::vault::EntityKey;
use super::{Log, tables};
use crate::order::Position;
use crate::standard::{Content, Decode, EntityId};
use crate::witness::kind;

/// The result of checking every value of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreReport {
    /// The number of messages in the store.
    pub messages: u64,
    /// The number of their entities.
    pub entities: u64,
    /// The number of parts of attachments that are known. Not all of them need to be here.
    pub parts: u64,
    /// The number of messages that wait to be sent, counted for each host, parts of attachments included.
    pub waiting: u64,
    /// Whether the pages of the file were checked, too. This is impossible while an export is being written.
    pub is_file_checked: bool,
    /// The problems found; none if all is well.
    pub problems: Vec<StoreProblem>,
}

/// A problem in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreProblem {
    /// The table.
    pub table: String,
    /// The key of the row, in hex.
    pub key: String,
    /// What is wrong.
    pub kind: StoreProblemKind,
}

/// What is wrong with a row of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreProblemKind {
    /// The value cannot be decrypted, does not belong into the table, or does not match its hash.
    #[error("the value is damaged")]
    Unreadable,
    /// A message is at another place than its head says.
    #[error("the message is at another place than its head says")]
    Misplaced,
    /// The index does not hold the latest message of an entity, or has another type for it.
    #[error("the index does not hold the latest message of its entity")]
    WrongWinner,
    /// The row is missing.
    #[error("the row is missing")]
    Missing,
    /// The row refers to something that does not exist.
    #[error("the row refers to something that does not exist")]
    Stray,
}

impl fmt::Display for StoreProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, kind } = self;
        write!(f, "{table}, row {key}: {kind}")
    }
}

/// The result of the database's check of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileCheck {
    Sound,
    /// It found damage and repaired it.
    Mended,
    /// It cannot check while somebody reads an earlier state of the log.
    Busy,
}

impl Log {
    /// Makes the database check its pages.
    pub(crate) fn check_file(&self) -> Result<FileCheck, LogError> {
        self.with_handle(|handle| {
            let Ok(database) = handle.writable() else { return Ok(FileCheck::Busy) };
            match database.check_integrity() {
                Ok(true) => Ok(FileCheck::Sound),
                Ok(false) => Ok(FileCheck::Mended),
                Err(DatabaseError::TransactionInProgress) => Ok(FileCheck::Busy),
                Err(DatabaseError::Storage(RedbError::Corrupted(_)) | DatabaseError::RepairAborted) => {
                    Err(LogError::Damaged)
                }
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl LogReader<'_> {
    /// Looks at every value. `watch` is told how many messages were looked at.
    pub(crate) fn verify(&self, mut watch: impl FnMut(u64, u64)) -> Result<StoreReport, LogError> {
        let mut report = StoreReport::default();
        let winners = self.verify_messages(&mut report, &mut watch)?;
        self.verify_marks(&mut report, &winners)?;
        self.verify_entities(&mut report, &winners)?;
        self.verify_registers(&mut report)?;
        for link in self.verify_links(&mut report)?.into_iter().filter(|link| link.is_linked) {
            self.verify_queue(&mut report, &link)?;
        }
        self.verify_snapshots(&mut report)?;
        self.verify_dropped(&mut report)?;
        self.verify_witnesses(&mut report)?;
        self.verify_arrivals(&mut report)?;
        self.verify_chunks(&mut report)?;
        Ok(report)
    }

    /// Returns the last message of each entity.
    fn verify_messages(
        &self,
        report: &mut StoreReport,
        watch: &mut impl FnMut(u64, u64),
    ) -> Result<HashMap<EntityKey, Position>, LogError> {
        let mut winners: HashMap<EntityKey, Position> = HashMap::new();
        let total = self.messages.len()?;
        for row in self.messages.iter()? {
            let (key, sealed) = row?;
            report.messages += 1;
            match self.open_message(key.value(), sealed.value()) {
                Ok(stored) => {
                    let head = stored.message.head();
                    if Position::of(head) != stored.position {
                        report.add("messages-1", key.value(), StoreProblemKind::Misplaced);
                    }
                    let winner = winners.entry(self.vault.entity_key(head.entity())).or_insert(stored.position);
                    *winner = (*winner).max(stored.position);
                }
                Err(_) => report.add("messages-1", key.value(), StoreProblemKind::Unreadable),
            }
            watch(report.messages, total);
        }
        report.entities = winners.len() as u64;
        Ok(winners)
    }

    /// Checks that just the messages that do not count are marked so.
    fn verify_marks(&self, report: &mut StoreReport, winners: &HashMap<EntityKey, Position>) -> Result<(), LogError> {
        let superseded = self.transaction.open_table(tables::SUPERSEDED)?;
        let overwritten = self.transaction.open_table(tables::OVERWRITTEN)?;
        let mut losers = 0;
        for row in self.messages.iter()? {
            let (key, sealed) = row?;
            let Ok(stored) = self.open_message(key.value(), sealed.value()) else { continue };
            let entity = self.vault.entity_key(stored.message.head().entity());
            if winners.get(&entity) == Some(&stored.position) {
                continue;
            }
            losers += 1;
            if superseded.get(key.value())?.is_none() {
                report.add("superseded-1", key.value(), StoreProblemKind::Missing);
            }
            let mark = overwritten_key(&entity, key.value());
            if overwritten.get(&mark)?.is_none() {
                report.add("overwritten-1", &mark, StoreProblemKind::Missing);
            }
        }
        // A look for marks of nothing is worth the time only if there are more than there should be.
        if superseded.len()? > losers {
            for row in superseded.iter()? {
                let (key, ()) = (row?.0, ());
                let stored = self.message(&Position::from_bytes(key.value())).ok().flatten();
                let is_due = stored.is_some_and(|stored| {
                    winners.get(&self.vault.entity_key(stored.message.head().entity())) != Some(&stored.position)
                });
                if !is_due {
                    report.add("superseded-1", key.value(), StoreProblemKind::Stray);
                }
            }
        }
        if overwritten.len()? > losers {
            for row in overwritten.iter()? {
                let key = row?.0;
                let (_, position) = key.value().split_last_chunk::<48>().expect("a key of this table has 80 bytes");
                if superseded.get(position)?.is_none() {
                    report.add("overwritten-1", key.value(), StoreProblemKind::Stray);
                }
            }
        }
        Ok(())
    }

    /// Checks which message counts for each entity, and the lists of them.
    fn verify_entities(
        &self,
        report: &mut StoreReport,
        winners: &HashMap<EntityKey, Position>,
    ) -> Result<(), LogError> {
        let entities = self.transaction.open_table(tables::ENTITIES)?;
        let index = self.transaction.open_table(tables::INDEX)?;
        let has_index = self.has_index()?;
        let mut listed = 0;
        for (key, position) in winners {
            // One that does not open was told of already.
            let Ok(Some(stored)) = self.message(position) else { continue };
            if has_index {
                for row in rows(self.vault, &stored.message) {
                    listed += 1;
                    if index.get(&row)?.is_none() {
                        report.add("index-1", &row, StoreProblemKind::Missing);
                    }
                }
            }
            let Some(sealed) = entities.get(key)? else {
                report.add("entities-1", key, StoreProblemKind::Missing);
                continue;
            };
            let noted = self.vault.open("entities-1", key, sealed.value()).and_then(|value| decode_winner(&value));
            let content = Content::of(&stored.message);
            match noted {
                Ok(noted) if noted.position == *position && noted.type_name.as_deref() == content.type_name() => {}
                Ok(_) => report.add("entities-1", key, StoreProblemKind::WrongWinner),
                Err(_) => report.add("entities-1", key, StoreProblemKind::Unreadable),
            }
        }
        if entities.len()? > winners.len() as u64 {
            for row in entities.iter()? {
                let key = row?.0;
                if !winners.contains_key(key.value()) {
                    report.add("entities-1", key.value(), StoreProblemKind::Stray);
                }
            }
        }
        if index.len()? > listed && has_index {
            report.add("index-1", &[], StoreProblemKind::Stray);
        }
        Ok(())
    }

    fn verify_registers(&self, report: &mut StoreReport) -> Result<(), LogError> {
        for row in self.transaction.open_table(tables::REGISTERS)?.iter()? {
            let (key, sealed) = row?;
            let register = self.vault.open("registers-1", key.value(), sealed.value()).ok();
            let register = register.and_then(|bytes| EntityId::decode(&bytes).ok());
            match register.map(|register| self.vault.entity_key(&register)) {
                Some(entity) if key.value().ends_with(&entity) => {}
                Some(_) => report.add("registers-1", key.value(), StoreProblemKind::Stray),
                None => report.add("registers-1", key.value(), StoreProblemKind::Unreadable),
            }
        }
        Ok(())
    }

    /// Returns the links that can be read.
    fn verify_links(&self, report: &mut StoreReport) -> Result<Vec<Link>, LogError> {
        let mut links = Vec::new();
        for row in self.transaction.open_table(tables::LINKS)?.iter()? {
            let (key, sealed) = row?;
            match self.open_link(key.value(), sealed.value()) {
                Ok(link) => links.push(link),
                Err(_) => report.add("links-1", key.value(), StoreProblemKind::Unreadable),
            }
        }
        for row in self.transaction.open_table(tables::SKIPPED)?.iter()? {
            let (key, sealed) = row?;
            if self.vault.open("skipped-1", key.value(), sealed.value()).is_err() {
                report.add("skipped-1", key.value(), StoreProblemKind::Unreadable);
            }
        }
        Ok(links)
    }

    /// Checks that what waits for a host is there.
    fn verify_queue(&self, report: &mut StoreReport, link: &Link) -> Result<(), LogError> {
        let table = tables::queue_name(link.number);
        for row in self.queue(link.number)?.iter()? {
            let key = row?.0;
            let position = Position::from_bytes(key.value());
            if !self.contains(&position)? {
                report.add(&table, key.value(), StoreProblemKind::Stray);
            }
            report.waiting += 1;
        }
        Ok(())
    }

    /// Checks that what was dropped is gone, and that what could not be applied is there.
    fn verify_dropped(&self, report: &mut StoreReport) -> Result<(), LogError> {
        for row in self.transaction.open_table(tables::DROPPED)?.iter()? {
            let key = row?.0;
            if self.messages.get(key.value())?.is_some() {
                report.add("dropped-1", key.value(), StoreProblemKind::Stray);
            }
        }
        for row in self.transaction.open_table(tables::UNAPPLIED)?.iter()? {
            let (key, sealed) = row?;
            if self.messages.get(key.value())?.is_none() {
                report.add("unapplied-1", key.value(), StoreProblemKind::Stray);
            } else if self.vault.open("unapplied-1", key.value(), sealed.value()).is_err() {
                report.add("unapplied-1", key.value(), StoreProblemKind::Unreadable);
            }
        }
        Ok(())
    }

    /// Checks that every value of a table opens.
    pub(super) fn verify_sealed<const N: usize>(
        &self,
        report: &mut StoreReport,
        name: &'static str,
        table: TableDefinition<'_, &'static [u8; N], &'static [u8]>,
    ) -> Result<(), LogError> {
        for row in self.transaction.open_table(table)?.iter()? {
            let (key, sealed) = row?;
            if self.vault.open(name, key.value(), sealed.value()).is_err() {
                report.add(name, key.value(), StoreProblemKind::Unreadable);
            }
        }
        Ok(())
    }

    /// Checks what devices say of each other: that each message of the framework's own is there, and that what is absent is.
    fn verify_witnesses(&self, report: &mut StoreReport) -> Result<(), LogError> {
        for row in self.transaction.open_table(tables::OWN_KIND)?.iter()? {
            let key = row?.0;
            let stored = self.message(&Position::from_bytes(key.value())).ok().flatten();
            if stored.is_none_or(|stored| kind(&stored.message).is_none()) {
                report.add("own-kind-1", key.value(), StoreProblemKind::Stray);
            }
        }
        for row in self.transaction.open_table(tables::HELD)?.iter()? {
            let key = row?.0;
            let (_, position) = key.value().split_last_chunk::<48>().expect("a key of this table has 52 bytes");
            if self.messages.get(position)?.is_none() {
                report.add("held-1", key.value(), StoreProblemKind::Stray);
            }
        }
        self.verify_sealed(report, "peers-1", tables::PEERS)?;
        self.verify_sealed(report, "wants-1", tables::WANTS)?;
        self.verify_sealed(report, "witnesses-1", tables::WITNESSES)?;
        for row in self.transaction.open_table(tables::ABSENT)?.iter()? {
            let (key, sealed) = row?;
            if self.messages.get(key.value())?.is_some() {
                report.add("absent-1", key.value(), StoreProblemKind::Stray);
            } else if self.vault.open("absent-1", key.value(), sealed.value()).is_err() {
                report.add("absent-1", key.value(), StoreProblemKind::Unreadable);
            }
        }
        Ok(())
    }

    fn verify_snapshots(&self, report: &mut StoreReport) -> Result<(), LogError> {
        self.verify_sealed(report, "snapshots-1", tables::SNAPSHOTS)?;
        self.verify_sealed(report, "pieces-1", tables::PIECES)
    }
}

impl StoreReport {
    pub(super) fn add(&mut self, table: &str, key: &[u8], kind: StoreProblemKind) {
        let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
        self.problems.push(StoreProblem { table: table.to_owned(), key, kind });
    }

    /// Notes what the database said of its own pages.
    pub(crate) fn note_file(&mut self, check: FileCheck) {
        self.is_file_checked = check != FileCheck::Busy;
        if check == FileCheck::Mended {
            self.add("the file", &[], StoreProblemKind::Unreadable);
        }
    }
}

crate::standard::never_retryable::never_retryable!(StoreProblemKind);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use redb::{TableDefinition, WriteTransaction};

    use super::super::rows::SnapshotNote;
    use super::*;
    use crate::log::{Access, AccessKind, Backing, Change, THIS_DEVICE};
    use crate::standard::{Body, EntityBody, Label, Message, Seed, Timestamp};

    const AT: Timestamp = Timestamp::from_millis(1_764_000_000_000);

    fn message(entity: &EntityId, type_name: &str, counter: u64) -> Message {
        let parent = entity.is_derived().then(|| EntityId::new(b"parent", AT));
        let body = EntityBody { type_name, payload: &[0x01], group: Some("home"), parent }.to_bytes();
        Message::new(entity.clone(), AT.max(entity.created()), counter, Body::new(body)).unwrap()
    }

    fn seed() -> Seed {
        Seed::from_bytes([5; 32])
    }

    /// A log with a bit of everything.
    fn log() -> Log {
        let access = Access { kind: AccessKind::Write, wait: Duration::ZERO };
        let mut log = Log::open(Backing::memory(), access, &seed(), Box::new(StdRng::seed_from_u64(1))).unwrap();
        log.link_host(&Label::default()).unwrap();
        let todo = EntityId::new(b"todo", AT);
        let register = EntityId::register("renamed", &[0x91, 0x01]);
        let messages = [
            message(&todo, "added", 0),
            message(&todo, "added", 1),
            message(&register, "renamed", 2),
            message(&register, "renamed", 3),
            Message::new(EntityId::new(b"gone", AT), AT, 4, None).unwrap(),
        ];
        log.write(|writer| writer.build_index()).unwrap();
        let pieces = log.cut(b"state".to_vec());
        log.write(|writer| {
            let inserted = messages.into_iter().map(|message| writer.insert(message, THIS_DEVICE));
            let changes: Vec<Option<Change>> = inserted.collect::<Result<_, _>>()?;
            let at = changes[0].as_ref().map(|change| change.position).unwrap();
            writer.put_pieces(&pieces, 0, usize::MAX)?;
            let note = SnapshotNote { is_tidy: true, is_whole: true, folded: 0, len: 5 };
            writer.put_snapshot((&at, 1), &[0; 32], note, &pieces)
        })
        .unwrap();
        log
    }

    fn verify(log: &Log) -> StoreReport {
        log.read(|reader| reader.verify(|_, _| ())).unwrap()
    }

    /// Spoils a log, and returns the tables and kinds of what is found.
    fn found(spoil: impl FnOnce(&WriteTransaction)) -> Vec<(String, StoreProblemKind)> {
        let log = log();
        {
            let mut handle = log.database.borrow_mut();
            let transaction = handle.as_mut().unwrap().writable().unwrap().begin_write().unwrap();
            spoil(&transaction);
            transaction.commit().unwrap();
        }
        verify(&log).problems.into_iter().map(|problem| (problem.table, problem.kind)).collect()
    }

    /// Flips a bit in the last byte of the first value of a table.
    fn flip<const N: usize>(name: &str) -> impl FnOnce(&WriteTransaction) {
        move |transaction| {
            let table: TableDefinition<'_, &'static [u8; N], &'static [u8]> = TableDefinition::new(name);
            let mut table = transaction.open_table(table).unwrap();
            let (key, mut value) = {
                let (key, value) = table.first().unwrap().expect("the table has a row");
                (*key.value(), value.value().to_vec())
            };
            *value.last_mut().unwrap() ^= 1;
            table.insert(&key, value.as_slice()).unwrap();
        }
    }

    #[test]
    fn a_good_log_has_no_problems() {
        let report = verify(&log());
        assert_eq!((report.messages, report.entities, report.waiting), (5, 3, 5));
        assert_eq!(report.problems, []);
        assert_eq!(log().check_file().unwrap(), FileCheck::Sound);
    }

    #[test]
    fn a_flipped_bit_is_found_in_every_table_of_values() {
        use StoreProblemKind::Unreadable;
        for (found, table) in [
            (found(flip::<48>("messages-1")), "messages-1"),
            (found(flip::<32>("entities-1")), "entities-1"),
            (found(flip::<64>("registers-1")), "registers-1"),
            (found(flip::<56>("snapshots-1")), "snapshots-1"),
            (found(flip::<32>("pieces-1")), "pieces-1"),
            (found(flip::<4>("links-1")), "links-1"),
        ] {
            assert!(found.contains(&(table.to_owned(), Unreadable)), "{table}: {found:?}");
        }
    }

    #[test]
    fn a_missing_mark_is_found() {
        use StoreProblemKind::Missing;
        let no_marks = found(|transaction| {
            transaction.open_table(tables::SUPERSEDED).unwrap().retain(|_, ()| false).unwrap();
        });
        assert_eq!(no_marks, vec![("superseded-1".to_owned(), Missing); 2]);
        let no_list = found(|transaction| {
            transaction.open_table(tables::OVERWRITTEN).unwrap().retain(|_, ()| false).unwrap();
        });
        assert_eq!(no_list, vec![("overwritten-1".to_owned(), Missing); 2]);
        let no_entities = found(|transaction| {
            transaction.open_table(tables::ENTITIES).unwrap().retain(|_, _| false).unwrap();
        });
        assert_eq!(no_entities, vec![("entities-1".to_owned(), Missing); 3]);
        let no_index = found(|transaction| {
            transaction.open_table(tables::INDEX).unwrap().retain(|_, ()| false).unwrap();
        });
        // The todo by type and group, the register by its parent too, each by two times.
        assert_eq!(no_index, vec![("index-1".to_owned(), Missing); 10]);
        let no_arrivals = found(|transaction| {
            transaction.open_table(tables::ARRIVALS).unwrap().retain(|_, _| false).unwrap();
            transaction.open_table(tables::CHANGED_AT).unwrap().retain(|_, _| false).unwrap();
        });
        assert_eq!(no_arrivals, vec![("arrivals-1".to_owned(), Missing); 5]);
    }

    #[test]
    fn a_row_about_nothing_is_found() {
        use StoreProblemKind::Stray;
        let stray = found(|transaction| {
            transaction.open_table(tables::SUPERSEDED).unwrap().insert(&[9; 48], ()).unwrap();
            transaction.open_table(tables::OVERWRITTEN).unwrap().insert(&[8; 80], ()).unwrap();
            transaction.open_table(tables::INDEX).unwrap().insert(&[9; 57], ()).unwrap();
            transaction.open_table(tables::CHANGED_AT).unwrap().insert(&[9; 32], 6).unwrap();
            transaction
                .open_table(tables::queue(&tables::queue_name(1)))
                .unwrap()
                .insert(&[9; 48], [].as_slice())
                .unwrap();
        });
        let tables = ["superseded-1", "overwritten-1", "index-1", "queue-1-1", "changed-at-1"];
        assert_eq!(stray, tables.map(|table| (table.to_owned(), Stray)));
    }

    #[test]
    fn a_message_that_was_lost_shows_wherever_it_is_referred_to() {
        let lost = found(|transaction| {
            let mut messages = transaction.open_table(tables::MESSAGES).unwrap();
            let key = *messages.last().unwrap().unwrap().0.value();
            messages.remove(&key).unwrap();
        });
        assert!(lost.iter().any(|(table, _)| table == "queue-1-1"), "{lost:?}");
        assert!(lost.iter().any(|(table, _)| table == "entities-1"), "{lost:?}");
    }

    #[test]
    fn the_wrong_message_noted_for_an_entity_is_found() {
        let mut log = log();
        let todo = EntityId::new(b"todo", AT);
        let first = Position::of(message(&todo, "added", 0).head());
        log.write(|writer| {
            let key = writer.vault.entity_key(&todo);
            let value = crate::log::rows::encode_winner(&first, Some("added"));
            let sealed = writer.vault.seal("entities-1", &key, &value, &mut StdRng::seed_from_u64(3));
            writer.entities.insert(&key, sealed.as_slice())?;
            Ok::<_, LogError>(())
        })
        .unwrap();
        let report = verify(&log);
        assert_eq!(
            report.problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(),
            [StoreProblemKind::WrongWinner]
        );
        assert!(report.problems[0].to_string().starts_with("entities-1, row "), "{}", report.problems[0]);
    }
}
