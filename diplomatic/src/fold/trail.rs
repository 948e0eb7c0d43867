//! The way back after a panic: a serialized state, and what was tried since.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::source::{Consumed, Item};
use super::{apply, read_state, weight};
use crate::order::Position;
use crate::reducer::Reducer;

/// How many messages are remembered before the state is serialized anew.
const LONGEST: usize = 1 << 16;

/// How many bytes they may take about.
const HEAVIEST: usize = 8 << 20;

/// After so many panics of one fold, the state is not restored after each any more, but checked after several.
const RESTORED_EACH: usize = 8;

/// A serialized state.
#[derive(Clone)]
pub(super) struct Checkpoint {
    pub(super) at: Position,
    pub(super) state: Arc<Vec<u8>>,
    pub(super) is_tidy: bool,
    pub(super) folded: u64,
}

/// A state, and the way to it from a checkpoint.
///
/// Restoring a state takes as long as reading all of it, which for a large one is too long to do it a thousand times. A
/// reducer mostly panics before it has changed anything. So after some panics, the trail goes on with the state as the
/// reducer left it, and [`verify`](Self::verify) compares it after several with one in which those messages were never
/// tried. If they differ, that part is gone over again, and the state restored after each panic from then on.
pub(super) struct Trail<R: Reducer> {
    pub(super) state: R,
    /// None for the first of all states.
    base: Option<Arc<Vec<u8>>>,
    /// What was tried since, also what the reducer panicked over. The reducer consumed the events: they are read again.
    items: Vec<Consumed>,
    /// About how many bytes those take.
    bytes: usize,
    /// Whether those are all that were.
    is_whole: bool,
    /// The messages over which the reducer panicked on this way.
    panics: BTreeSet<Position>,
    /// Those after which the state was not restored.
    doubtful: Vec<Position>,
    /// How many panics there were in this fold.
    count: usize,
    /// How many may be doubtful until they are verified.
    patience: usize,
    /// Whether a panic changed the state, so that it is restored after each.
    is_wary: bool,
}

/// The trail does not lead back.
pub(super) struct Lost;

impl<R: Reducer> Trail<R> {
    pub(super) fn new(start: Option<(Checkpoint, R)>) -> Self {
        let (base, state) = start.map_or_else(Default::default, |(start, state)| (Some(start.state), state));
        Self {
            state,
            base,
            items: Vec::new(),
            bytes: 0,
            is_whole: true,
            panics: BTreeSet::new(),
            doubtful: Vec::new(),
            count: 0,
            patience: RESTORED_EACH,
            is_wary: false,
        }
    }

    /// Begins a new way from a checkpoint. What the reducer panicked over on the way before is remembered.
    pub(super) fn begin(&mut self, start: Option<(Checkpoint, R)>) {
        (self.base, self.state) = start.map_or_else(Default::default, |(start, state)| (Some(start.state), state));
        self.clear();
        self.is_whole = true;
        self.doubtful.clear();
    }

    /// Tells whether the reducer panicked over this message on this way.
    pub(super) fn has_panicked(&self, position: &Position) -> bool {
        self.panics.contains(position)
    }

    pub(super) fn forget_panics(&mut self) {
        self.panics.clear();
        self.doubtful.clear();
    }

    fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// Tells whether the state should be checked in before more is tried.
    pub(super) const fn is_full(&self) -> bool {
        self.items.len() >= LONGEST || self.bytes >= HEAVIEST
    }

    /// Tells whether the reducer ever panicked: if not, it mostly never does, and a way back is not worth its price.
    pub(super) const fn is_calm(&self) -> bool {
        self.count == 0
    }

    /// Forgets the way back.
    pub(super) fn let_go(&mut self) {
        self.is_whole = false;
        self.clear();
    }

    /// Remembers what is tried.
    pub(super) fn push(&mut self, tried: Consumed) {
        if self.is_whole {
            self.bytes += weight(&tried.message);
            #[cfg(feature = "store")]
            let tried = tried.unshared();
            self.items.push(tried);
        }
    }

    /// Notes that the reducer panicked over the message that was pushed last, and restores the state, or leaves it in
    /// doubt; true if it is time to verify it.
    pub(super) fn panicked(&mut self, position: Position) -> Result<bool, Lost> {
        self.panics.insert(position);
        self.count += 1;
        if !self.is_whole {
            return Err(Lost);
        }
        if self.is_wary || self.count <= RESTORED_EACH {
            self.state = self.clean().ok_or(Lost)?;
            return Ok(false);
        }
        self.doubtful.push(position);
        Ok(self.doubtful.len() >= self.patience)
    }

    /// Returns the state as it is without what the reducer panicked over.
    fn clean(&self) -> Option<R> {
        let mut state = match &self.base {
            Some(base) => read_state(base)?,
            None => R::default(),
        };
        for tried in self.items.iter().filter(|tried| !self.panics.contains(&tried.position())) {
            // What could be read and applied before can be now.
            let (event, meta) = Item::of(tried.message.clone()).into_event()?;
            apply(&mut state, event, &meta).ok()?;
        }
        Some(state)
    }

    /// Checks a state in doubt.
    pub(super) fn verify(&mut self) -> Verdict {
        if self.doubtful.is_empty() {
            return Verdict::Sound;
        }
        let doubtful = std::mem::take(&mut self.doubtful);
        self.patience *= 2;
        if let (Some(clean), Ok(found)) = (self.clean(), rmp_serde::to_vec_named(&self.state))
            && rmp_serde::to_vec_named(&clean).is_ok_and(|clean| clean == found)
        {
            // What the serialized form leaves out may differ.
            self.state = clean;
            self.base = Some(found.into());
            self.clear();
            return Verdict::Sound;
        }
        self.is_wary = true;
        self.panics.retain(|position| !doubtful.contains(position));
        let base = match &self.base {
            Some(base) => read_state(base),
            None => Some(R::default()),
        };
        let Some(base) = base else { return Verdict::Lost(doubtful) };
        self.state = base;
        self.bytes = 0;
        Verdict::Spoiled(doubtful, std::mem::take(&mut self.items))
    }

    /// Serializes the state, which must not be in doubt, as the new checkpoint; `None` if it does not serialize.
    pub(super) fn check_in(&mut self) -> Option<Arc<Vec<u8>>> {
        let state = rmp_serde::to_vec_named(&self.state).ok().map(Arc::new);
        // Without a checkpoint, the trail must lead back to the first of all states, or nowhere.
        self.is_whole = state.is_some() || (self.is_whole && !self.is_full());
        if state.is_some() {
            self.base.clone_from(&state);
        }
        if state.is_some() || !self.is_whole {
            self.clear();
        }
        state
    }
}

/// What a check of a state finds.
pub(super) enum Verdict {
    /// No panic changed it.
    Sound,
    /// A panic changed it: the state is that of the checkpoint now, and all that was tried since has to be tried again.
    /// The panics that were in doubt are forgotten.
    Spoiled(Vec<Position>, Vec<Consumed>),
    /// A panic changed it, and the trail does not lead back.
    Lost(Vec<Position>),
}
