//! The fold: reads, skips what cannot be applied, applies, restores after a panic, and goes back where an earlier version
//! has to count after all.
//!
//! The state is a pure function of the messages of the [`Source`], wherever the fold starts:
//!
//! 1. Of each entity, the latest version that can be read and is not set aside counts.
//! 2. Those are applied in total order. Where the reducer panics, the state is what it was before, and goes on without
//!    that message.
//! 3. A message over which it panicked is *set aside* for an earlier version of its entity, if there is one that can be
//!    read. The fold first goes on to the end of the message's [window], so that many of them cost one
//!    way back; then all that were found are set aside, and it starts over from before the first of their earlier versions.
//!
//! Before the first window in which something is set aside nothing later matters, so a fold may start from any state for
//! which [`Unread::is_sound`] holds, and tries everything after it again.

use std::sync::Arc;

use super::source::{Item, Kept, Source};
use super::trail::{Checkpoint, Trail, Verdict};
use super::unread::window;
use super::{ReducerPanic, Unread, UnreadEntry, apply, read_state};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::EntityId;

/// What a fold gives.
pub(crate) struct Computed<R> {
    pub(crate) state: R,
    /// The last message of the source.
    pub(crate) at: Option<Position>,
    pub(crate) unread: Unread,
    /// Whether the root of every event is known, if the reducer promises that roots are independent.
    pub(crate) is_tidy: bool,
    /// Serialized states on the way that a fold may start from.
    pub(crate) taken: Vec<Taken>,
    /// How many messages came after the last of them, or after the start.
    pub(crate) since_taken: u64,
    /// About how many bytes all messages have, and those after the last of the states, or after the start.
    pub(crate) folded: u64,
    pub(crate) folded_since_taken: u64,
    /// States that were kept before, as of this position or a later one, are not sound any more.
    #[cfg_attr(not(feature = "store"), expect(dead_code, reason = "only a device keeps states"))]
    pub(crate) spoiled: Option<Position>,
    /// Whether the fold started from a state that was kept before.
    #[cfg_attr(not(feature = "store"), expect(dead_code, reason = "only a device keeps states"))]
    pub(crate) has_resumed: bool,
}

/// A state that was serialized on the way, and its number.
pub(crate) struct Taken {
    pub(crate) at: Position,
    pub(crate) number: u64,
    pub(crate) is_tidy: bool,
    pub(crate) folded: u64,
    pub(crate) state: Arc<Vec<u8>>,
}

impl Taken {
    fn checkpoint(&self) -> Checkpoint {
        let Self { at, is_tidy, folded, state, number: _ } = self;
        Checkpoint { at: *at, state: state.clone(), is_tidy: *is_tidy, folded: *folded }
    }
}

/// When states are serialized on the way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cadence {
    /// After so many messages, or more if the state is large.
    pub(crate) events: u64,
    /// The number of the last state that was kept before.
    pub(crate) last_number: u64,
    /// Whether only the last one is of use.
    pub(crate) only_last: bool,
}

/// One event more between serialized states for this many bytes of state, so that writing them costs little beside
/// folding.
const BYTES_AN_EVENT: u64 = 64;

/// Larger states are not kept on the way.
const MOST_BYTES: usize = 1 << 20;

/// How many are kept of each power of two of their age.
const OF_AN_AGE: u64 = 4;

impl Cadence {
    /// Serializes states for the way back after a panic only.
    pub(crate) const fn without_snapshots() -> Self {
        Self { events: 2_000, last_number: 0, only_last: true }
    }

    /// Returns after how many messages a state of this size is serialized again.
    pub(crate) fn interval(events: u64, bytes: usize) -> u64 {
        events.max(bytes as u64 / BYTES_AN_EVENT)
    }

    /// Tells whether a state is still of use when the one with the number `newest` is taken: many of the last ones are,
    /// and ever fewer of the older, so that a late event finds one that is not much older than itself.
    pub(crate) const fn is_kept(number: u64, newest: u64) -> bool {
        newest.saturating_sub(number) < OF_AN_AGE << number.trailing_zeros()
    }
}

/// Folds a source from the last sound state before `from` on, or from the last of all.
///
/// `unread` is what is known so far. Of panics, only what came before that state is believed; and of the rest too, unless
/// it `knows_later`.
pub(crate) fn compute<R: Reducer, S: Source<R::Event>>(
    source: &mut S,
    unread: Unread,
    from: Option<&Position>,
    knows_later: bool,
    cadence: Cadence,
) -> Result<Computed<R>, S::Error> {
    let start = kept_before::<R, S>(source, &unread, from)?;
    let has_resumed = start.is_some();
    let is_large = start.as_ref().is_some_and(|(start, _)| start.state.len() > MOST_BYTES);
    let is_tidy = R::INDEPENDENT_ROOTS && start.as_ref().is_none_or(|(start, _)| start.is_tidy);
    let mut run = Run::<R, S> {
        source,
        unread,
        is_tidy,
        folded: start.as_ref().map_or(0, |(start, _)| start.folded),
        folded_at_taken: start.as_ref().map_or(0, |(start, _)| start.folded),
        cadence,
        origin: start.as_ref().map(|(kept, _)| kept.clone()),
        start: start.as_ref().map(|(kept, _)| kept.clone()),
        at: start.as_ref().map(|(kept, _)| kept.at),
        trail: Trail::new(start),
        taken: Vec::new(),
        since_taken: 0,
        next_taken: cadence.events,
        is_large,
        spoiled: None,
        aside: Vec::new(),
        ends: None,
        is_discovering: false,
    };
    if knows_later {
        run.unread.forget_panics_after(run.at.as_ref());
    } else {
        run.unread.forget_after(run.at.as_ref());
    }
    while !run.go()? {}
    Ok(run.finish(has_resumed))
}

/// Returns the last state before `before` that a fold may start from.
fn kept_before<R: Reducer, S: Source<R::Event>>(
    source: &mut S,
    unread: &Unread,
    before: Option<&Position>,
) -> Result<Option<(Checkpoint, R)>, S::Error> {
    let mut before = before.copied();
    while let Some(Kept { at, state, is_tidy, folded }) = source.kept_before(before.as_ref())? {
        if unread.is_sound(&at)
            && let Some(read) = read_state(&state)
        {
            return Ok(Some((Checkpoint { at, state: state.into(), is_tidy, folded }, read)));
        }
        before = Some(at);
    }
    Ok(None)
}

/// A message that is to be set aside: the reducer panicked over it, and an earlier version can count in its place.
struct Aside {
    position: Position,
    entity: EntityId,
    panic: ReducerPanic,
    stand_in: Position,
    /// The versions between that cannot be read.
    passed: Vec<(Position, UnreadEntry)>,
}

/// The version of an entity that can be read, and those after it that cannot.
type ReadableBefore = (Option<Position>, Vec<(Position, UnreadEntry)>);

/// One way through the messages, and what it knows from the ways before.
struct Run<'a, R: Reducer, S: Source<R::Event>> {
    source: &'a mut S,
    unread: Unread,
    is_tidy: bool,
    folded: u64,
    folded_at_taken: u64,
    cadence: Cadence,
    /// A state that was kept before, at or before which every way of this fold started; `None` for the first of all.
    origin: Option<Checkpoint>,
    /// Where this way started.
    start: Option<Checkpoint>,
    /// The last message that was passed.
    at: Option<Position>,
    trail: Trail<R>,
    taken: Vec<Taken>,
    since_taken: u64,
    next_taken: u64,
    /// Whether the state was too large to be kept when it was last serialized.
    is_large: bool,
    spoiled: Option<Position>,
    /// What was found to be set aside on this way, and the window at whose end it turns back.
    aside: Vec<Aside>,
    ends: Option<u64>,
    /// Something unreadable was found that hides a version which should have counted on this way: the rest is only
    /// looked through for more of the kind.
    is_discovering: bool,
}

/// What comes after a step.
enum Flow {
    On,
    /// The trail is too short to restore the state: the way begins anew.
    Anew,
    /// The window is over in which something is to be set aside.
    Back,
}

impl<R: Reducer, S: Source<R::Event>> Run<'_, R, S> {
    /// Goes one way; true when it was the last.
    fn go(&mut self) -> Result<bool, S::Error> {
        match self.walk()? {
            Flow::Anew => {
                self.begin(self.taken.last().map(Taken::checkpoint).or_else(|| self.start.clone()));
                return Ok(false);
            }
            Flow::On | Flow::Back => {}
        }
        if self.is_discovering {
            self.is_discovering = false;
            self.unread.forget_panics_after(self.origin.as_ref().map(|kept| &kept.at));
            self.taken.clear();
            self.trail.forget_panics();
            self.begin(self.origin.clone());
            return Ok(false);
        }
        if self.aside.is_empty() {
            return Ok(true);
        }
        self.set_aside()?;
        Ok(false)
    }

    fn walk(&mut self) -> Result<Flow, S::Error> {
        loop {
            let page = self.source.page(self.at.as_ref())?;
            let is_end = page.is_empty();
            for item in page {
                match self.pass_stand_ins(Some(&item.position))? {
                    Flow::On => {}
                    flow => return Ok(flow),
                }
                match self.step(item)? {
                    Flow::On => {}
                    flow => return Ok(flow),
                }
            }
            if is_end {
                match self.pass_stand_ins(None)? {
                    Flow::On => {}
                    flow => return Ok(flow),
                }
                return self.verify();
            }
        }
    }

    /// Passes the earlier versions before `until` that count in the place of others.
    fn pass_stand_ins(&mut self, until: Option<&Position>) -> Result<Flow, S::Error> {
        while let Some(position) = self.unread.next_stand_in(self.at.as_ref())
            && until.is_none_or(|until| position < *until)
        {
            match self.source.item(&position)? {
                Some(item) => match self.step(item)? {
                    Flow::On => {}
                    flow => return Ok(flow),
                },
                None => self.at = Some(position),
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self, item: Item<R::Event>) -> Result<Flow, S::Error> {
        let position = item.position;
        if self.ends.is_some_and(|ends| window(&position) > ends) {
            // What is to be set aside was found by a state that may have to be checked.
            return Ok(match self.verify()? {
                Flow::On if self.ends.is_some_and(|ends| window(&position) > ends) => Flow::Back,
                Flow::On => return self.step(item),
                flow => flow,
            });
        }
        self.at = Some(position);
        if let Some(entry) = item.unread() {
            if !self.unread.contains(&position) {
                self.discover(&item, entry)?;
            }
            return Ok(Flow::On);
        }
        if self.is_discovering || self.unread.contains(&position) || self.trail.has_panicked(&position) {
            return Ok(Flow::On);
        }
        if self.trail.is_full() && self.trail.is_calm() {
            self.trail.let_go();
        } else if self.trail.is_full() {
            match self.verify()? {
                Flow::On => self.trail.check_in(),
                flow => return Ok(flow),
            };
        }
        self.since_taken += 1;
        let flow = self.try_apply(item)?;
        if matches!(flow, Flow::On) && self.since_taken >= self.next_taken && self.ends.is_none() {
            return self.take(position);
        }
        Ok(flow)
    }

    fn try_apply(&mut self, item: Item<R::Event>) -> Result<Flow, S::Error> {
        let (has_root, weight) = (item.root.is_some(), item.weight());
        let Some((event, meta, consumed)) = item.consume() else { return Ok(Flow::On) };
        let outcome = apply(&mut self.trail.state, event, &meta);
        self.is_tidy &= has_root;
        self.folded += weight as u64;
        self.trail.push(consumed);
        let Err(panic) = outcome else { return Ok(Flow::On) };
        let (position, entity) = (meta.position(), meta.entity);
        match self.readable_before(&entity, &position)? {
            (Some(stand_in), passed) => {
                self.ends = Some(self.ends.unwrap_or(window(&position)));
                self.aside.push(Aside { position, entity, panic, stand_in, passed });
            }
            (None, _) => self.unread.note(position, UnreadEntry::panicked(entity, position.changed, panic)),
        }
        match self.trail.panicked(position) {
            Ok(true) => self.verify(),
            Ok(false) => Ok(Flow::On),
            Err(_) => Ok(Flow::Anew),
        }
    }

    /// Checks the state after panics, if it was not restored after each. If one of them changed it, goes over what
    /// came since once more, and restores it after each.
    fn verify(&mut self) -> Result<Flow, S::Error> {
        let (doubtful, items) = match self.trail.verify() {
            Verdict::Sound => return Ok(Flow::On),
            Verdict::Lost(doubtful) => (doubtful, None),
            Verdict::Spoiled(doubtful, items) => (doubtful, Some(items)),
        };
        for position in &doubtful {
            if self.unread.was_skipped(position) {
                self.unread.remove(position);
            }
        }
        self.aside.retain(|aside| !doubtful.contains(&aside.position));
        self.ends = self.aside.first().map(|aside| window(&aside.position));
        let Some(items) = items else { return Ok(Flow::Anew) };
        let passed = self.at;
        for consumed in items {
            match self.step(Item::again(consumed))? {
                Flow::On => {}
                flow => return Ok(flow),
            }
        }
        self.at = self.at.max(passed);
        Ok(Flow::On)
    }

    /// Notes a message that cannot be read, and finds the version that counts in its place.
    fn discover(&mut self, item: &Item<R::Event>, entry: UnreadEntry) -> Result<(), S::Error> {
        let (stand_in, passed) = self.readable_before(item.entity(), &item.position)?;
        for (position, entry) in passed {
            self.unread.note(position, entry.with_stand_in(stand_in));
        }
        self.unread.note(item.position, entry.with_stand_in(stand_in));
        if stand_in.is_some_and(|stand_in| self.origin.as_ref().is_none_or(|origin| stand_in > origin.at)) {
            self.is_discovering = true;
            // What this way found out was found by wrong states, and so were the states that were taken on it.
            self.aside.clear();
            self.ends = None;
        }
        Ok(())
    }

    /// Returns the latest version before `position` that can be read and is not set aside, and those between.
    fn readable_before(&mut self, entity: &EntityId, position: &Position) -> Result<ReadableBefore, S::Error> {
        let mut passed = Vec::new();
        let mut before = *position;
        let found = loop {
            let Some(item) = self.source.earlier(entity, &before)? else { break None };
            before = item.position;
            if let Some(entry) = item.unread() {
                passed.push((before, entry));
            } else if let Some(stand_in) = self.unread.stand_in(&before) {
                break Some(stand_in);
            } else {
                break Some(before);
            }
        };
        Ok((found, passed))
    }

    /// Sets aside what was found on this way, and goes back to before the first of the earlier versions.
    fn set_aside(&mut self) -> Result<(), S::Error> {
        let aside = std::mem::take(&mut self.aside);
        self.ends = None;
        let Some(mut first) = aside.iter().map(|aside| aside.stand_in).min() else { return Ok(()) };
        for Aside { entity, stand_in, .. } in &aside {
            first = self.first_of_another_type(entity, stand_in)?.map_or(first, |other| other.min(first));
        }
        for Aside { position, entity, panic, stand_in, passed } in aside {
            for (position, entry) in passed {
                self.unread.note(position, entry.with_stand_in(Some(stand_in)));
            }
            let entry = UnreadEntry::panicked(entity, position.changed, panic).with_stand_in(Some(stand_in));
            self.unread.note_stand_in(position, entry);
        }
        self.spoiled = Some(self.spoiled.map_or(first, |spoiled| spoiled.min(first)));
        self.taken.retain(|taken| taken.at < first);
        let start = match self.taken.last() {
            Some(taken) => Some(taken.checkpoint()),
            None if self.origin.as_ref().is_none_or(|origin| origin.at < first) => self.origin.clone(),
            None => {
                let kept = kept_before::<R, S>(self.source, &self.unread, Some(&first))?;
                self.origin = kept.map(|(kept, _)| kept);
                self.is_tidy &= self.origin.as_ref().is_none_or(|origin| origin.is_tidy);
                self.origin.clone()
            }
        };
        self.unread.forget_skipped_after(start.as_ref().map(|start| &start.at));
        self.trail.forget_panics();
        self.begin(start);
        Ok(())
    }

    /// Returns the first version before `stand_in` that is of another type. A state that holds it may keep some of it
    /// when the other is applied on top.
    fn first_of_another_type(&mut self, entity: &EntityId, stand_in: &Position) -> Result<Option<Position>, S::Error> {
        let Some(item) = self.source.item(stand_in)? else { return Ok(None) };
        let (mut before, mut first) = (*stand_in, None);
        while let Some(earlier) = self.source.earlier(entity, &before)? {
            before = earlier.position;
            if earlier.unread().is_none() && earlier.reading.event_type() != item.reading.event_type() {
                first = Some(before);
            }
        }
        Ok(first)
    }

    /// Begins a way.
    fn begin(&mut self, start: Option<Checkpoint>) {
        let state = start.as_ref().and_then(|start| read_state(&start.state));
        // What reads once does so again; if not, the fold from nothing is right as well.
        let start = start.filter(|_| state.is_some());
        self.at = start.as_ref().map(|start| start.at);
        self.start.clone_from(&start);
        self.folded = start.as_ref().map_or(0, |start| start.folded);
        self.folded_at_taken = self.folded;
        self.trail.begin(start.zip(state));
        self.since_taken = 0;
    }

    /// Serializes the state as of `at`, which a fold can go back to.
    fn take(&mut self, at: Position) -> Result<Flow, S::Error> {
        if self.is_large && self.trail.is_calm() {
            // It is of no use but for the way back after a panic.
            self.next_taken = self.next_taken.saturating_mul(2);
            return Ok(Flow::On);
        }
        match self.verify()? {
            Flow::On => {}
            flow => return Ok(flow),
        }
        (self.since_taken, self.folded_at_taken) = (0, self.folded);
        let Some(state) = self.trail.check_in() else {
            // A state that does not serialize is folded whenever the log is opened.
            self.next_taken = u64::MAX;
            return Ok(Flow::On);
        };
        self.next_taken = Cadence::interval(self.cadence.events, state.len());
        self.is_large = state.len() > MOST_BYTES;
        if !self.cadence.only_last && !self.is_large {
            let number = self.taken.last().map_or(self.cadence.last_number, |last| last.number) + 1;
            self.taken.push(Taken { at, number, is_tidy: self.is_tidy, folded: self.folded, state });
            self.taken.retain(|taken| Cadence::is_kept(taken.number, number));
        }
        Ok(Flow::On)
    }

    fn finish(self, has_resumed: bool) -> Computed<R> {
        let Self { mut taken, unread, is_tidy, folded, folded_at_taken, at, trail, since_taken, spoiled, .. } = self;
        let folded_since_taken = folded.saturating_sub(folded_at_taken);
        taken.retain(|taken| unread.is_sound(&taken.at));
        Computed {
            state: trail.state,
            at,
            unread,
            is_tidy,
            taken,
            since_taken,
            folded,
            folded_since_taken,
            spoiled,
            has_resumed,
        }
    }
}
