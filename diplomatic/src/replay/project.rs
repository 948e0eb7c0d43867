//! Projections from a file.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek};

use super::entries::Entry;
use super::{Progress, Replay, ReplayError};
use crate::event::DiplomaticEvent;
use crate::fold::{Item, Kept, Source, fold_root};
use crate::following::{FeedCursor, chained};
use crate::order::Position;
use crate::projecting::{Mark, Page, ProjectError, Projection};
use crate::standard::{Content, EntityId, Message};

use super::events::Which;

/// How many messages are read for one page, and about how many bytes they have; one root at least.
const PAGE: usize = 4_096;
const PAGE_BYTES: u64 = 8 << 20;

/// The roots of a file, in the order of their first messages, and where the messages are that decide about each.
type Roots = Vec<(EntityId, Vec<u32>)>;

pub(super) fn project<F: Read + Seek, P: Projection>(
    replay: &mut Replay<F>,
    projection: &mut P,
    mut watch: impl FnMut(Progress),
) -> Result<(), ProjectError<ReplayError, P::Error>> {
    let whole = cursor(replay, replay.len());
    let mark = projection.mark().map_err(ProjectError::Projection)?;
    if mark.and_then(|mark| mark.cursor_of::<P>()) == Some(whole) {
        return Ok(());
    }
    let roots = roots(replay).map_err(ProjectError::Source)?;
    let total = roots.iter().map(|(_, places)| places.len() as u64).sum();
    let (mut done, mut is_anew) = (0, true);
    let mut rest = roots.as_slice();
    loop {
        let (now, later) = rest.split_at(page(replay, rest));
        let places: Vec<u32> = now.iter().flat_map(|(_, places)| places).copied().collect();
        let mut messages = messages(replay, &places).map_err(ProjectError::Source)?.into_iter();
        let mut rows = Vec::with_capacity(now.len());
        for (root, places) in now {
            let of_root = messages.by_ref().take(places.len()).collect();
            let value = match fold_root::<P::Aggregate, _>(&mut RootSource::new(root, of_root)) {
                Ok(value) => value,
                Err(never) => match never {},
            };
            rows.push((root.clone(), value));
        }
        done += places.len() as u64;
        rest = later;
        // Only the mark of the last page is of use: from a file, rows are made anew.
        let cursor = if rest.is_empty() { whole } else { cursor(replay, 0) };
        let mark = Mark::new::<P>(cursor);
        projection.save(Page { rows, mark, is_anew }).map_err(ProjectError::Projection)?;
        watch(Progress { done, total });
        if rest.is_empty() {
            return Ok(());
        }
        is_anew = false;
    }
}

/// What tells the first so many messages of a file from any others.
fn cursor<F>(replay: &Replay<F>, count: usize) -> FeedCursor {
    let entries = replay.entries.as_slice().iter().take(count);
    let chain = entries.fold([0; 16], |chain, entry| chained(&chain, &entry.position().to_bytes()));
    FeedCursor { number: count as u64, chain }
}

/// Finds the roots of a file.
fn roots<F: Read + Seek>(replay: &mut Replay<F>) -> Result<Roots, ReplayError> {
    let mut places: HashMap<EntityId, Vec<u32>> = HashMap::new();
    /// Where the versions of a register are, and on what they hang.
    type Register = (Vec<u32>, Vec<EntityId>);
    let mut registers: HashMap<EntityId, Register> = HashMap::new();
    let mut walk = replay.walk(Which::All, 0..replay.len());
    loop {
        let batch = walk.next_batch(|_, message| {
            message.map(|message| {
                let entity = message.head().entity().clone();
                let root = Content::of(&message).root(&entity);
                (entity, root)
            })
        })?;
        if batch.is_empty() {
            break;
        }
        for (place, about) in batch {
            let (entity, root) = about.map_err(ReplayError::Damaged)?;
            // A file has fewer messages than 2^32.
            let place = place as u32;
            if !entity.is_derived() {
                places.entry(entity).or_default().push(place);
                continue;
            }
            let (versions, roots) = registers.entry(entity).or_default();
            versions.push(place);
            if let Some(root) = root.filter(|root| !roots.contains(root)) {
                roots.push(root);
            }
        }
    }
    for (versions, roots) in registers.into_values() {
        for root in roots {
            places.entry(root).or_default().extend(&versions);
        }
    }
    places.values_mut().for_each(|places| places.sort_unstable());
    let mut roots: Roots = places.into_iter().collect();
    roots.sort_unstable_by_key(|(_, places)| places.first().copied());
    Ok(roots)
}

/// Returns how many roots make the next page.
fn page<F>(replay: &Replay<F>, roots: &[(EntityId, Vec<u32>)]) -> usize {
    let entries = replay.entries.as_slice();
    let (mut count, mut bytes) = (0, 0);
    let fits = |(_, places): &&(EntityId, Vec<u32>)| {
        let is_first = count == 0;
        count += places.len();
        bytes += places.iter().filter_map(|place| entries.get(*place as usize)).map(Entry::weight).sum::<u64>();
        is_first || count <= PAGE && bytes <= PAGE_BYTES
    };
    roots.iter().take_while(fits).count()
}

/// Opens the messages at these places, in this order.
fn messages<F: Read + Seek>(replay: &mut Replay<F>, places: &[u32]) -> Result<Vec<Message>, ReplayError> {
    let Replay { entries, vaults, .. } = replay;
    let wanted: Vec<&Entry> = places.iter().map(|place| &entries.as_slice()[*place as usize]).collect();
    vaults.fetch(&wanted, |_, message| message)?.into_iter().map(|read| read.map_err(ReplayError::Damaged)).collect()
}

/// The messages of one root, as a fold reads them.
struct RootSource<'a> {
    root: &'a EntityId,
    messages: BTreeMap<Position, Message>,
    /// Those that are the latest of their entities.
    latest: Vec<Position>,
}

impl<'a> RootSource<'a> {
    fn new(root: &'a EntityId, messages: Vec<Message>) -> Self {
        let messages: BTreeMap<Position, Message> =
            messages.into_iter().map(|message| (Position::of(message.head()), message)).collect();
        let by_entity: HashMap<&EntityId, Position> =
            messages.iter().map(|(position, message)| (message.head().entity(), *position)).collect();
        let mut latest: Vec<Position> = by_entity.into_values().collect();
        latest.sort_unstable();
        Self { root, messages, latest }
    }

    fn read<E: DiplomaticEvent>(&self, message: &Message) -> Item<E> {
        Item::within(message.clone(), self.root)
    }
}

impl<E: DiplomaticEvent> Source<E> for RootSource<'_> {
    type Error = std::convert::Infallible;

    fn page(&mut self, after: Option<&Position>) -> Result<Vec<Item<E>>, Self::Error> {
        let from = after.map_or(0, |after| self.latest.partition_point(|position| position <= after));
        Ok(self.latest[from..].iter().map(|position| self.read(&self.messages[position])).collect())
    }

    fn earlier(&mut self, entity: &EntityId, position: &Position) -> Result<Option<Item<E>>, Self::Error> {
        let mut before = self.messages.range(..position).rev();
        Ok(before.find(|(_, message)| message.head().entity() == entity).map(|(_, message)| self.read(message)))
    }

    fn item(&mut self, position: &Position) -> Result<Option<Item<E>>, Self::Error> {
        Ok(self.messages.get(position).map(|message| self.read(message)))
    }

    fn kept_before(&mut self, _: Option<&Position>) -> Result<Option<Kept>, Self::Error> {
        Ok(None)
    }
}

impl<E> ProjectError<ReplayError, E> {
    /// Returns whether the same call may work later, as [`ReplayError::is_retryable`] says. It does not know about the errors of the
    /// projection.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Source(error) if error.is_retryable())
    }
}
