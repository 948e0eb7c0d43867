//! The messages that count, page by page. While one page is looked at, other threads open those after it.

use std::ops::{Bound, Range};
use std::sync::Arc;

use redb::{Range as Rows, ReadOnlyTable};

use super::error::LogError;
use super::read::{LogReader, StoredMessage, check_order};
use super::rows::{decode_shared_message, decode_winner, overwritten_key, split_overwritten_key};
use super::tables;
use super::vault::Vault;
use crate::order::Position;
use crate::parallel::{Ahead, usual_threads};
use crate::standard::EntityId;

/// How many messages make a page, unless they are large.
const MESSAGES: usize = 512;

/// How many bytes the messages of a page have; one more may begin below that.
const BYTES: usize = 512 << 10;

/// The messages that count, in total order: those of which no later version of their entity is in the log, or in the part
/// of it that is read.
pub(crate) struct LatestMessages {
    rows: Rows<'static, &'static [u8; 48], &'static [u8]>,
    superseded: Rows<'static, &'static [u8; 48], ()>,
    /// The next of those that do not count.
    passed: Option<[u8; 48]>,
    /// The last message that was read.
    last: Option<Position>,
    is_at_end: bool,
    past: Option<Past>,
    vault: Arc<Vault>,
    /// What opens pages; from the second one on.
    ahead: Option<Ahead<Page, Page>>,
}

/// The part of the log before a position, and what tells which versions are in it.
struct Past {
    before: Position,
    overwritten: ReadOnlyTable<&'static [u8; 80], ()>,
    entities: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
}

/// Some messages, which are sealed until they are opened in place.
struct Page {
    rows: Vec<Row>,
    values: Vec<u8>,
}

struct Row {
    key: [u8; 48],
    /// Where the sealed value stands, and then the value.
    place: Range<usize>,
    /// Whether a later version is somewhere in the log.
    is_superseded: bool,
    is_damaged: bool,
}

impl LogReader<'_> {
    /// Returns the messages after `after` that count if the log ends before `before`.
    pub(crate) fn latest(
        &self,
        after: Option<&Position>,
        before: Option<&Position>,
    ) -> Result<LatestMessages, LogError> {
        // A range that ends before it begins is none to the database.
        let is_at_end = after.zip(before).is_some_and(|(after, before)| after >= before);
        let start = after.filter(|_| !is_at_end).map(|after| after.to_bytes());
        let end = before.filter(|_| !is_at_end).map(|before| before.to_bytes());
        let start = start.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let end = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut superseded = self.transaction.open_table(tables::SUPERSEDED)?.range::<&[u8; 48]>((start, end))?;
        let past = before.map(|before| {
            let overwritten = self.transaction.open_table(tables::OVERWRITTEN)?;
            let entities = self.transaction.open_table(tables::ENTITIES)?;
            Ok::<_, LogError>(Past { before: *before, overwritten, entities })
        });
        Ok(LatestMessages {
            rows: self.messages.range::<&[u8; 48]>((start, end))?,
            passed: next_key(&mut superseded)?,
            superseded,
            last: after.copied(),
            is_at_end,
            past: past.transpose()?,
            vault: self.vault.clone(),
            ahead: None,
        })
    }
}

impl LatestMessages {
    /// Returns the next messages; none at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<StoredMessage>, LogError> {
        while let Some(page) = self.next_page()? {
            let Page { rows, values } = page;
            let (values, mut messages) = (Arc::new(values), Vec::with_capacity(rows.len()));
            for row in rows {
                let stored = row.decode(&values)?;
                if !row.is_superseded || self.counts_in_past(&stored)? {
                    messages.push(stored);
                }
            }
            if !messages.is_empty() {
                return Ok(messages);
            }
        }
        Ok(Vec::new())
    }

    /// Returns the next page, opened.
    fn next_page(&mut self) -> Result<Option<Page>, LogError> {
        let mut ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => {
                let Some(first) = self.read()? else { return Ok(None) };
                // One page alone is not worth a thread.
                let Some(second) = self.read()? else { return Ok(Some(first.opened(&self.vault))) };
                let vault = self.vault.clone();
                // The one that takes the pages is at work as well.
                let mut ahead = Ahead::start(usual_threads().get() - 1, move |page: Page| page.opened(&vault));
                ahead.send(first);
                ahead.send(second);
                ahead
            }
        };
        while ahead.has_room() {
            let Some(page) = self.read()? else { break };
            ahead.send(page);
        }
        let page = ahead.next();
        self.ahead = Some(ahead);
        Ok(page)
    }

    /// Reads the next page, sealed; `None` at the end.
    fn read(&mut self) -> Result<Option<Page>, LogError> {
        let mut page = Page { rows: Vec::with_capacity(MESSAGES), values: Vec::new() };
        while !self.is_at_end && page.rows.len() < MESSAGES && page.values.len() < BYTES {
            let Some(row) = self.rows.next() else {
                self.is_at_end = true;
                break;
            };
            let (key, sealed) = row?;
            let key = *key.value();
            check_order(self.last.as_ref(), &key)?;
            self.last = Some(Position::from_bytes(&key));
            // Both tables are in the same order, so that one pass over each tells which messages are superseded.
            while self.passed.is_some_and(|passed| passed < key) {
                self.passed = next_key(&mut self.superseded)?;
            }
            let is_superseded = self.passed == Some(key);
            if is_superseded && self.past.is_none() {
                continue;
            }
            let start = page.values.len();
            page.values.extend_from_slice(sealed.value());
            page.rows.push(Row { key, place: start..page.values.len(), is_superseded, is_damaged: false });
        }
        Ok((!page.rows.is_empty()).then_some(page))
    }

    /// Tells whether no later version of its entity is in the part of the log that is read.
    fn counts_in_past(&self, stored: &StoredMessage) -> Result<bool, LogError> {
        let Some(past) = &self.past else { return Ok(false) };
        let later = past.next_version(&self.vault, stored.message.head().entity(), &stored.position)?;
        Ok(later.is_none_or(|later| later >= past.before))
    }
}

fn next_key(rows: &mut Rows<'static, &'static [u8; 48], ()>) -> Result<Option<[u8; 48]>, LogError> {
    Ok(rows.next().transpose()?.map(|(key, _)| *key.value()))
}

impl Past {
    /// Returns where the version of an entity is that comes right after a position.
    fn next_version(
        &self,
        vault: &Vault,
        entity: &EntityId,
        position: &Position,
    ) -> Result<Option<Position>, LogError> {
        let key = vault.entity_key(entity);
        let (start, last) = (overwritten_key(&key, &position.to_bytes()), overwritten_key(&key, &[0xff; 48]));
        let range = (Bound::Excluded(&start), Bound::Included(&last));
        if let Some((row, _)) = self.overwritten.range::<&[u8; 80]>(range)?.next().transpose()? {
            return Ok(Some(split_overwritten_key(row.value())));
        }
        let Some(sealed) = self.entities.get(&key)? else { return Ok(None) };
        let winner = decode_winner(&vault.open("entities-1", &key, sealed.value())?)?;
        Ok((winner.position > *position).then_some(winner.position))
    }
}

impl Page {
    fn opened(mut self, vault: &Vault) -> Self {
        for row in &mut self.rows {
            let Range { start, .. } = row.place;
            match vault.open_in_place("messages-1", &row.key, &mut self.values[row.place.clone()]) {
                Ok(Range { start: from, end }) => row.place = start + from..start + end,
                Err(_) => row.is_damaged = true,
            }
        }
        self
    }
}

impl Row {
    fn decode(&self, values: &Arc<Vec<u8>>) -> Result<StoredMessage, LogError> {
        if self.is_damaged {
            return Err(LogError::DamagedValue { table: "messages-1" });
        }
        let (origin, message) = decode_shared_message(values, self.place.clone())?;
        Ok(StoredMessage { position: Position::from_bytes(&self.key), message, origin })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use redb::ReadableTable;

    use super::*;
    use crate::log::{Access, AccessKind, Backing, Log, THIS_DEVICE};
    use crate::standard::{Body, EntityBody, Message, Seed, Timestamp};

    /// A log of several pages in which every entity has a few versions.
    fn log(count: u64) -> Log {
        let access = Access { kind: AccessKind::Write, wait: std::time::Duration::ZERO };
        let mut rng = StdRng::seed_from_u64(3);
        let mut log =
            Log::open(Backing::memory(), access, &Seed::from_bytes([7; 32]), Box::new(StdRng::seed_from_u64(1)))
                .unwrap();
        log.write(|writer| {
            for n in 0..count {
                let entity = EntityId::new(&rng.random_range(0..count / 3).to_be_bytes(), Timestamp::from_millis(1));
                let payload = vec![0x90; rng.random_range(1..2_000)];
                let body = Body::new(EntityBody::new("any", &payload).to_bytes());
                let message = Message::new(entity, Timestamp::from_millis(1 + n / 2), n, body).unwrap();
                writer.insert(message, THIS_DEVICE)?;
            }
            Ok::<_, LogError>(())
        })
        .unwrap();
        log
    }

    fn read(log: &Log, after: Option<&Position>, before: Option<&Position>) -> Result<Vec<Message>, LogError> {
        log.read(|reader| {
            let mut latest = reader.latest(after, before)?;
            let mut messages = Vec::new();
            loop {
                let page = latest.next()?;
                if page.is_empty() {
                    return Ok(messages);
                }
                messages.extend(page.into_iter().map(|stored| stored.message));
            }
        })
    }

    #[test]
    fn pages_hold_what_counts_between_two_places_wherever_they_are() {
        const COUNT: u64 = 4_000;
        let log = log(COUNT);
        let mut all = Vec::new();
        log.read(|reader| reader.each(|stored| all.push(stored.message))).unwrap();
        let place = |n: usize| Position::of(all[n].head());
        let last = all.len() - 1;
        for (after, before) in [
            (None, None),
            (Some(0), None),
            (Some(3_000), None),
            (Some(last), None),
            (None, Some(0)),
            (None, Some(2_500)),
            (Some(700), Some(2_500)),
            (Some(2_499), Some(2_500)),
            (Some(2_500), Some(2_500)),
            (Some(2_501), Some(2_500)),
        ] {
            let (after, before) = (after.map(place), before.map(place));
            let mut counting: BTreeMap<Vec<u8>, Message> = BTreeMap::new();
            for message in
                all.iter().filter(|message| before.is_none_or(|before| Position::of(message.head()) < before))
            {
                counting.insert(message.head().entity().id().to_vec(), message.clone());
            }
            let mut expected: Vec<Message> = counting.into_values().collect();
            expected.retain(|message| after.is_none_or(|after| Position::of(message.head()) > after));
            expected.sort_by_key(|message| Position::of(message.head()));
            let found = read(&log, after.as_ref(), before.as_ref()).unwrap();
            assert!(found == expected, "{} and not {} after {after:?} before {before:?}", found.len(), expected.len());
        }
    }

    #[test]
    fn a_damaged_message_is_an_error_and_not_left_out() {
        let mut log = log(2_000);
        let latest = log.read(|reader| reader.latest(None, None)?.next()).unwrap();
        let key = latest[latest.len() / 2].position.to_bytes();
        log.write(|writer| {
            let mut sealed = writer.messages.get(&key)?.map(|sealed| sealed.value().to_vec()).unwrap();
            let middle = sealed.len() / 2;
            sealed[middle] ^= 1;
            writer.messages.insert(&key, sealed.as_slice())?;
            Ok::<_, LogError>(())
        })
        .unwrap();
        assert!(matches!(read(&log, None, None), Err(LogError::DamagedValue { table: "messages-1" })));
    }
}
