//! Reading what arrived, and which roots changed, from an arrival on.

use redb::{ReadOnlyTable, ReadableTableMetadata};

use super::arrivals::{Block, IN_A_BLOCK, by_dropped_key, open_root, place_of, start};
use super::error::LogError;
use super::read::{LogReader, StoredMessage};
use super::rows::{register_keys, split_register_key};
use super::tables;
use super::vault::EntityKey;
use crate::attachment::ChunkName;
use crate::following::{Chain, FeedCursor, chained};
use crate::order::Position;
use crate::standard::{Content, Decode, EntityId};

/// How many arrivals are looked through at most for one page.
const LOOKED_THROUGH: usize = 4_096;

/// A message that arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) cursor: FeedCursor,
    pub(crate) position: Position,
    /// Whether something later in the total order had arrived before.
    pub(crate) is_late: bool,
}

impl LogReader<'_> {
    /// Returns the cursor of what arrived last.
    pub(crate) fn feed_end(&self) -> Result<FeedCursor, LogError> {
        let blocks = self.transaction.open_table(tables::ARRIVALS)?;
        Ok(match redb::ReadableTable::last(&blocks)? {
            Some((index, value)) => {
                let block = Block::decode(index.value(), value.value())?;
                FeedCursor { number: block.last_number(), chain: block.chain }
            }
            None => self.feed_start(),
        })
    }

    /// Returns the cursor of what arrived first: of nothing.
    pub(crate) fn feed_start(&self) -> FeedCursor {
        FeedCursor { number: 0, chain: start(self.vault) }
    }

    /// Tells whether what had arrived at a cursor is what arrived here first.
    pub(crate) fn knows_cursor(&self, cursor: &FeedCursor) -> Result<bool, LogError> {
        let Some(before) = cursor.number.checked_sub(1) else { return Ok(cursor.chain == start(self.vault)) };
        let (index, place) = place_of(before + 1);
        let blocks = self.transaction.open_table(tables::ARRIVALS)?;
        let Some(block) = read_block(&blocks, index)? else { return Ok(false) };
        if block.positions.len() <= place {
            return Ok(false);
        }
        let chain = self.chain_before(&blocks, index)?;
        Ok(block.positions[..=place].iter().fold(chain, |chain, position| chained(&chain, position)) == cursor.chain)
    }

    fn chain_before(&self, blocks: &ReadOnlyTable<u64, &'static [u8]>, index: u64) -> Result<Chain, LogError> {
        let Some(before) = index.checked_sub(1) else { return Ok(start(self.vault)) };
        let block = read_block(blocks, before)?.ok_or(LogError::DamagedValue { table: "arrivals-1" })?;
        Ok(block.chain)
    }

    /// Returns up to `limit` arrivals after the one with a cursor's number, which may be gone by now.
    pub(crate) fn arrived_after(&self, cursor: &FeedCursor, limit: usize) -> Result<Vec<Arrived>, LogError> {
        let blocks = self.transaction.open_table(tables::ARRIVALS)?;
        let (mut index, mut place) = place_of(cursor.number + 1);
        let (mut arrived, mut cursor) = (Vec::new(), *cursor);
        while let Some(block) = read_block(&blocks, index)? {
            let passed = block.positions.get(..place).unwrap_or(&block.positions);
            let mut highest = passed.iter().copied().fold(block.highest_before, Ord::max);
            for key in block.positions.get(place..).unwrap_or_default() {
                if arrived.len() >= limit {
                    return Ok(arrived);
                }
                cursor = FeedCursor { number: cursor.number + 1, chain: chained(&cursor.chain, key) };
                arrived.push(Arrived { cursor, position: Position::from_bytes(key), is_late: *key < highest });
                highest = highest.max(*key);
            }
            if block.positions.len() < IN_A_BLOCK {
                break;
            }
            (index, place) = (index + 1, 0);
        }
        Ok(arrived)
    }

    /// Returns up to about `limit` roots that changed after a cursor, in the order of their last changes, and how far
    /// this goes. There may be more though there are none up to there.
    pub(crate) fn changed_after(
        &self,
        cursor: &FeedCursor,
        limit: usize,
    ) -> Result<(Vec<EntityId>, FeedCursor), LogError> {
        let superseded = self.transaction.open_table(tables::SUPERSEDED)?;
        let changed_at = self.transaction.open_table(tables::CHANGED_AT)?;
        let hung_on = self.transaction.open_table(tables::HUNG_ON)?;
        let by_dropped = self.transaction.open_table(tables::CHANGED_BY_DROPPED)?;
        let has_by_dropped = !by_dropped.is_empty()?;
        let (mut roots, mut end) = (Vec::new(), *cursor);
        for Arrived { cursor, position, .. } in self.arrived_after(cursor, LOOKED_THROUGH)? {
            if roots.len() >= limit {
                break;
            }
            end = cursor;
            let number = cursor.number;
            if has_by_dropped {
                let (first, last) = (by_dropped_key(number, &[0; 32]), by_dropped_key(number, &[0xff; 32]));
                for row in by_dropped.range::<&[u8; 40]>(&first..=&last)? {
                    let (key, sealed) = row?;
                    let bytes = self.vault.open("changed-by-dropped-1", key.value(), sealed.value())?;
                    let damaged = |_| LogError::DamagedValue { table: "changed-by-dropped-1" };
                    roots.push(EntityId::decode(&bytes).map_err(damaged)?);
                }
            }
            let Some(StoredMessage { message, .. }) = self.message(&position)? else { continue };
            if ChunkName::of(message.head()).is_some() {
                continue;
            }
            let entity = message.head().entity();
            let is_superseded = superseded.get(&position.to_bytes())?.is_some();
            for (key, root) in self.roots_of(&hung_on, entity, &Content::of(&message))? {
                let is_last = match changed_at.get(&key)? {
                    Some(last) => last.value() == number,
                    None => !is_superseded && root == *entity,
                };
                if is_last {
                    roots.push(root);
                }
            }
        }
        Ok((roots, end))
    }

    /// Returns the roots that a message changes.
    fn roots_of(
        &self,
        hung_on: &ReadOnlyTable<&'static [u8; 64], &'static [u8]>,
        entity: &EntityId,
        content: &Content<'_>,
    ) -> Result<Vec<(EntityKey, EntityId)>, LogError> {
        let mut roots: Vec<(EntityKey, EntityId)> =
            content.root(entity).map(|root| (self.vault.entity_key(&root), root)).into_iter().collect();
        if entity.is_derived() && !hung_on.is_empty()? {
            let register = self.vault.entity_key(entity);
            let (first, last) = register_keys(&register);
            for row in hung_on.range::<&[u8; 64]>(&first..=&last)? {
                let (key, sealed) = row?;
                let root = split_register_key(key.value());
                if roots.iter().all(|(other, _)| *other != root) {
                    roots.push((root, open_root(self.vault, key.value(), sealed.value())?));
                }
            }
        }
        if roots.is_empty() {
            roots.push((self.vault.entity_key(entity), entity.clone()));
        }
        Ok(roots)
    }
}

fn read_block(blocks: &ReadOnlyTable<u64, &'static [u8]>, index: u64) -> Result<Option<Block>, LogError> {
    let Some(value) = blocks.get(index)? else { return Ok(None) };
    Block::decode(index, value.value()).map(Some)
}
