//! A state from a file.

use std::collections::HashMap;
use std::io::{Read, Seek};

use super::events::{ReadEntry, Walk, Which, read_entry};
use super::{Replay, ReplayError};
use crate::fold::{Unread, apply};
use crate::order::Position;
use crate::reducer::{Origin, Reducer};
use crate::standard::Timestamp;

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

/// A state on its way, and the place in the order of what comes next.
struct Folding<R> {
    state: R,
    unread: Unread,
    counting: u64,
    next: usize,
}

impl<R: Reducer> Folding<R> {
    fn new() -> Self {
        Self { state: R::default(), unread: Unread::default(), counting: 0, next: 0 }
    }

    /// Writes all of it down, if the state can be.
    fn save(&self) -> Option<Vec<u8>> {
        rmp_serde::to_vec_named(&(&self.state, &self.unread, self.counting, self.next)).ok()
    }

    fn restore(saved: &[u8]) -> Option<Self> {
        let (state, unread, counting, next) = rmp_serde::from_slice(saved).ok()?;
        Some(Self { state, unread, counting, next })
    }
}

pub(super) fn fold<F: Read + Seek, R: Reducer>(
    replay: &mut Replay<F>,
    until: Option<Timestamp>,
) -> Result<Folded<R>, ReplayError> {
    let count = replay.entries.count_until(until);
    let mut panicked = HashMap::new();
    let mut saved: Option<Vec<u8>> = None;
    loop {
        let mut folding = saved.as_deref().and_then(Folding::restore).unwrap_or_else(Folding::<R>::new);
        let walk = replay.walk(Which::CountingAmong(count), folding.next..count);
        match run(&mut folding, walk, &panicked, &mut saved)? {
            Ok(()) => {
                let Folding { state, unread, counting, .. } = folding;
                return Ok(Folded { state, unread, messages: count as u64, counting });
            }
            // The state is broken: once more from before, without that event.
            Err((position, reason)) => panicked.insert(position, reason),
        };
    }
}

/// Folds on until the end, or until the reducer cannot apply an event. Each event that it is known not to apply is
/// passed, and the state of then kept, so that many of them do not mean many ways from the start.
fn run<F: Read + Seek, R: Reducer>(
    folding: &mut Folding<R>,
    mut walk: Walk<'_, F>,
    panicked: &HashMap<Position, String>,
    saved: &mut Option<Vec<u8>>,
) -> Result<Result<(), (Position, String)>, ReplayError> {
    loop {
        let batch = walk.next_batch(read_entry)?;
        if batch.is_empty() {
            return Ok(Ok(()));
        }
        for (place, read) in batch {
            let ReadEntry { position, entity, reading } = read.map_err(ReplayError::Damaged)?;
            let Folding { state, unread, .. } = folding;
            let known = panicked.get(&position);
            match known {
                Some(reason) => unread.quarantine_panic(&position, entity, reason.clone()),
                None => {
                    if let Err(reason) = apply(state, unread, &position, &entity, reading, || Origin::File) {
                        return Ok(Err((position, reason)));
                    }
                }
            }
            folding.counting += 1;
            folding.next = place + 1;
            if known.is_some() {
                *saved = folding.save().or(saved.take());
            }
        }
    }
}
