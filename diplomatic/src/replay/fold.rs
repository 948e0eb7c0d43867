//! A state from a file.

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::ops::Range;

use super::events::{Which, read_entry};
use super::{Replay, ReplayError};
use crate::event::DiplomaticEvent;
use crate::fold::{Cadence, Computed, Item, Kept, Source, Unread, compute};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{EntityId, Timestamp};

/// A state that was folded from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folded<R> {
    /// The state.
    pub state: R,
    /// What counts but is no event of this build.
    pub unread: Unread,
    /// How many messages the file has up to the time that was asked for.
    pub messages: u64,
    /// How many of them count, since nothing up to that time writes over them.
    pub counting: u64,
}

pub(super) fn fold<F: Read + Seek, R: Reducer>(
    replay: &mut Replay<F>,
    until: Option<Timestamp>,
) -> Result<Folded<R>, ReplayError> {
    let count = replay.entries.count_until(until);
    let counting = (0..count).filter(|place| replay.entries.counts_among(*place, count)).count() as u64;
    let mut source = FileSource { replay, count, previous: None };
    let Computed { state, unread, .. } =
        compute(&mut source, Unread::default(), None, false, Cadence::without_snapshots())?;
    Ok(Folded { state, unread, messages: count as u64, counting })
}

/// The first so many messages of a file, as a fold reads them.
struct FileSource<'a, F> {
    replay: &'a mut Replay<F>,
    count: usize,
    /// The version before each message of its entity, by places; made when it is first asked for.
    previous: Option<HashMap<u32, u32>>,
}

impl<F: Read + Seek> FileSource<'_, F> {
    fn read<E: DiplomaticEvent>(&mut self, which: Which, places: Range<usize>) -> Result<Vec<Item<E>>, ReplayError> {
        let batch = self.replay.walk(which, places).next_batch(read_entry)?;
        batch.into_iter().map(|(_, read)| read.map_err(ReplayError::Damaged)).collect()
    }

    fn read_one<E: DiplomaticEvent>(&mut self, place: usize) -> Result<Option<Item<E>>, ReplayError> {
        Ok(self.read(Which::All, place..place + 1)?.pop())
    }
}

impl<E: DiplomaticEvent, F: Read + Seek> Source<E> for FileSource<'_, F> {
    type Error = ReplayError;

    fn page(&mut self, after: Option<&Position>) -> Result<Vec<Item<E>>, ReplayError> {
        let from = after.map_or(0, |after| self.replay.entries.count_up_to(after)).min(self.count);
        self.read(Which::CountingAmong(self.count), from..self.count)
    }

    fn earlier(&mut self, _: &EntityId, position: &Position) -> Result<Option<Item<E>>, ReplayError> {
        let Some(place) = self.replay.entries.place_of(position) else { return Ok(None) };
        let previous = self.previous.get_or_insert_with(|| self.replay.entries.previous_versions());
        let place = u32::try_from(place).ok().and_then(|place| previous.get(&place).copied());
        match place {
            Some(place) => self.read_one(place as usize),
            None => Ok(None),
        }
    }

    fn item(&mut self, position: &Position) -> Result<Option<Item<E>>, ReplayError> {
        match self.replay.entries.place_of(position) {
            Some(place) => self.read_one(place),
            None => Ok(None),
        }
    }

    fn kept_before(&mut self, _: Option<&Position>) -> Result<Option<Kept>, ReplayError> {
        Ok(None)
    }
}
