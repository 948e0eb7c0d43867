//! Checks of the chunks of attachments.

use std::collections::HashMap;

use redb::ReadableTable;

use super::chunks::{ChunkKey, Latest, chunk_key, open_body, open_chunk, split_at_link};
use super::error::LogError;
use super::kept::split_kept;
use super::read::LogReader;
use super::tables;
use super::vault::EntityKey;
use super::verify::{StoreProblemKind, StoreReport};
use crate::attachment::ChunkName;
use crate::order::Position;

impl LogReader<'_> {
    /// Checks that every chunk is what its key says, that every body belongs to one, and that what waits is there.
    pub(super) fn verify_chunks(&self, report: &mut StoreReport) -> Result<(), LogError> {
        let (chunks, bodies) =
            (self.transaction.open_table(tables::CHUNKS)?, self.transaction.open_table(tables::CHUNK_BODIES)?);
        // The last message of each chunk with a body, and the last delete.
        let mut latest: HashMap<EntityKey, [Option<(Position, ChunkKey)>; 2]> = HashMap::new();
        for row in chunks.iter()? {
            let (key, sealed) = row?;
            let key = key.value();
            report.parts += 1;
            let Ok(head) = open_chunk(self.vault, key, sealed.value()) else {
                report.add("chunks-1", key, StoreProblemKind::Unreadable);
                continue;
            };
            let position = Position::of(&head);
            if chunk_key(self.vault, &position) != *key {
                report.add("chunks-1", key, StoreProblemKind::Misplaced);
            }
            let last = latest.entry(self.vault.entity_key(head.entity())).or_default();
            let slot = &mut last[usize::from(head.is_delete())];
            *slot = (*slot).max(Some((position, *key)));
            if let Some(sealed) = bodies.get(key)?
                && open_body(self.vault, key, head, sealed.value()).is_err()
            {
                report.add("chunk-bodies-1", key, StoreProblemKind::Unreadable);
            }
        }
        let kept = self.transaction.open_table(tables::CHUNK_KEPT)?;
        for row in bodies.iter()? {
            let key = row?.0;
            let Some(sealed) = chunks.get(key.value())? else {
                report.add("chunk-bodies-1", key.value(), StoreProblemKind::Stray);
                continue;
            };
            let Ok(head) = open_chunk(self.vault, key.value(), sealed.value()) else { continue };
            let counts = ChunkName::of(&head).is_some_and(|name| name.may_be_left(head.body_len()));
            let counted = kept.get(key.value())?.map(|value| split_kept(value.value()).1);
            if counted != counts.then(|| head.body_len()) {
                report.add("chunk-kept-1", key.value(), StoreProblemKind::Missing);
            }
        }
        for row in kept.iter()? {
            let key = row?.0;
            if bodies.get(key.value())?.is_none() {
                report.add("chunk-kept-1", key.value(), StoreProblemKind::Stray);
            }
        }
        let table = self.transaction.open_table(tables::CHUNK_LATEST)?;
        for (entity, last) in &latest {
            let [body, delete] = last.map(|last| last.map(|(_, key)| key));
            let last = Latest { body, delete };
            if table.get(entity)?.is_none_or(|found| Latest::decode(found.value()) != last) {
                report.add("chunk-latest-1", entity, StoreProblemKind::WrongWinner);
            }
        }
        for row in table.iter()? {
            let entity = row?.0;
            if !latest.contains_key(entity.value()) {
                report.add("chunk-latest-1", entity.value(), StoreProblemKind::Stray);
            }
        }
        for row in self.transaction.open_table(tables::CHUNK_QUEUE)?.iter()? {
            let at = row?.0;
            let key = split_at_link(at.value());
            let head = chunks.get(&key)?.and_then(|sealed| open_chunk(self.vault, &key, sealed.value()).ok());
            if !head.is_some_and(|head| head.is_delete()) && bodies.get(&key)?.is_none() {
                report.add("chunk-queue-1", at.value(), StoreProblemKind::Stray);
            }
            report.waiting += 1;
        }
        for row in self.transaction.open_table(tables::CHUNK_PLACES)?.iter()? {
            let at = row?.0;
            if chunks.get(&split_at_link(at.value()))?.is_none() {
                report.add("chunk-places-1", at.value(), StoreProblemKind::Stray);
            }
        }
        for row in self.transaction.open_table(tables::CHUNK_UNUSED)?.iter()? {
            let key = row?.0;
            if chunks.get(key.value())?.is_none() {
                report.add("chunk-unused-1", key.value(), StoreProblemKind::Stray);
            }
        }
        for row in self.transaction.open_table(tables::CHUNK_WANTED)?.iter()? {
            let key = row?.0;
            if chunks.get(key.value())?.is_none() || bodies.get(key.value())?.is_some() {
                report.add("chunk-wanted-1", key.value(), StoreProblemKind::Stray);
            }
        }
        Ok(())
    }
}
