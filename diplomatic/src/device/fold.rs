//! The state: the fold of the messages that count, kept up to date.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::emit::EmitError;
use super::plan::{NewWinner, Plan};
use super::shown::Shown;
use crate::event::DiplomaticEvent;
use crate::fold::{Reading, Unread, apply};
use crate::log::{A_FILE, Log, LogError, THIS_DEVICE, Undo};
use crate::order::Position;
use crate::reducer::{Origin, Reducer};

/// One event more between snapshots for this many bytes of state, so that writing them costs little beside folding.
const SNAPSHOT_BYTES_AN_EVENT: u64 = 64;

/// How many snapshots are kept of each power of two of their age.
const SNAPSHOTS_AN_AGE: u64 = 4;

/// The state of a device, and how far it goes.
pub(super) struct Fold<R> {
    state: Arc<Shown<R>>,
    /// The last message that the state covers.
    applied: Option<Position>,
    unread: Unread,
    /// Messages that the reducer cannot apply, and what it said.
    panicked: BTreeMap<Position, String>,
    /// Where the state is wrong from, while it could not be folded again.
    stale: Option<Position>,
    snapshot_events: u64,
    since_snapshot: u64,
    snapshot_after: u64,
    /// Snapshots that were taken while folding and are not in the log yet.
    taken: Vec<Taken>,
    /// Whether the last fold began with a snapshot.
    has_resumed: bool,
    version: u64,
}

/// A snapshot, and its number.
struct Taken {
    at: Position,
    number: u64,
    bytes: Vec<u8>,
}

/// A state that is being folded.
struct Folding<R> {
    state: R,
    applied: Option<Position>,
    unread: Unread,
    since_snapshot: u64,
    taken: Vec<Taken>,
    has_resumed: bool,
}

impl<R: Reducer> Fold<R> {
    /// Folds the log, from the last snapshot on.
    pub(super) fn open(log: &mut Log, snapshot_events: u64) -> Result<Self, LogError> {
        let mut fold = Self {
            state: Arc::new(Shown::new(R::default())),
            applied: None,
            unread: Unread::default(),
            panicked: BTreeMap::new(),
            stale: None,
            snapshot_events,
            since_snapshot: 0,
            snapshot_after: snapshot_events,
            taken: Vec::new(),
            has_resumed: false,
            version: 0,
        };
        if R::IS_EMPTY {
            fold.snapshot_after = u64::MAX;
            return Ok(fold);
        }
        fold.refold(log, None)?;
        if log.is_read_only() {
            fold.snapshot_after = u64::MAX;
            if let Some(readable) = fold.first_readable(log)? {
                fold.refold(log, Some(&readable))?;
            }
            return Ok(fold);
        }
        if !fold.has_resumed && log.read(|reader| reader.last_snapshot_number())? > 0 {
            // They are another build's, and this one does not know when new messages spoil them.
            log.write(|writer| writer.retain_snapshots(|_, _| false))?;
        }
        if let Some(readable) = fold.first_readable(log)? {
            log.write(|writer| writer.retain_snapshots(|at, _| *at < readable))?;
            fold.refold(log, Some(&readable))?;
        }
        fold.keep_snapshot_if_due(log);
        Ok(fold)
    }

    pub(super) const fn state(&self) -> &Arc<Shown<R>> {
        &self.state
    }

    pub(super) const fn applied(&self) -> Option<Position> {
        self.applied
    }

    pub(super) const fn unread(&self) -> &Unread {
        &self.unread
    }

    pub(super) fn has_panicked(&self, position: &Position) -> bool {
        self.panicked.contains_key(position) || self.unread.has_panicked(position)
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Brings the state up to date with what was stored. A failure of the log leaves the state as it is until
    /// [`mend`](Self::mend) succeeds; nothing stored is lost by it.
    pub(super) fn carry_out(&mut self, plan: Plan<R::Event>, log: &mut Log) {
        let carried_out = self.carry_out_or_undo(plan, log, None);
        debug_assert!(carried_out.is_ok(), "nothing is refused that cannot be undone");
    }

    /// Brings the state up to date with what was stored, as [`carry_out`](Self::carry_out) does; but if the reducer
    /// cannot apply some of it, and it can be undone, undoes it and leaves the state as it was.
    pub(super) fn carry_out_or_undo(
        &mut self,
        plan: Plan<R::Event>,
        log: &mut Log,
        mut undo: Option<Undo>,
    ) -> Result<(), EmitError> {
        let Plan { winners, rewind } = plan;
        if winners.is_empty() {
            return Ok(());
        }
        let new: Vec<Position> = winners.iter().filter(|_| undo.is_some()).map(|winner| winner.position).collect();
        let state = self.state.clone();
        // Readers wait while the state is wrong, which is only after a panic of the reducer.
        let mut broken = None;
        self.stale = rewind;
        if rewind.is_none() {
            let mut shown = state.change();
            if let Err(position) = self.apply_on_top(&mut shown, winners, log) {
                self.stale = Some(position);
                broken = Some(shown);
            }
        }
        let mut outcome = Ok(());
        while let Some(from) = self.stale {
            let refused = new.iter().find_map(|position| self.panicked.get(position));
            if let Some(reason) = refused.cloned()
                && let Some(undo) = undo.take()
            {
                outcome = match log.undo(undo) {
                    Ok(()) => {
                        self.panicked.retain(|position, _| !new.contains(position));
                        Err(EmitError::Panicked { reason })
                    }
                    Err(error) => Err(error.into()),
                };
            }
            match self.fold_again(log, Some(&from)) {
                Ok(_) if undo.is_some() && new.iter().any(|position| self.panicked.contains_key(position)) => {}
                Ok(folded) => {
                    let shown = broken.take();
                    *shown.unwrap_or_else(|| state.change()) = folded;
                    self.stale = None;
                }
                Err(error) => {
                    tracing::error!(%error, "the state could not be folded again; it is tried before the next change");
                    break;
                }
            }
        }
        self.version += 1;
        self.keep_snapshot_if_due(log);
        outcome
    }

    /// Folds the state again if it could not be before, or if the log may hold what the state does not know of.
    pub(super) fn mend(&mut self, log: &mut Log) -> Result<(), LogError> {
        if log.is_suspect() {
            self.refold(log, None)?;
            log.recover()?;
            self.stale = None;
            self.version += 1;
        }
        if let Some(from) = self.stale {
            self.refold(log, Some(&from))?;
            self.stale = None;
            self.version += 1;
        }
        Ok(())
    }

    /// Returns the place of an event that the reducer cannot apply: the state is broken then.
    fn apply_on_top(&mut self, state: &mut R, winners: Vec<NewWinner<R::Event>>, log: &Log) -> Result<(), Position> {
        for NewWinner { position, entity, origin, reading, before } in winners {
            if let Some(before) = before {
                self.unread.release(&before.position, before.type_name.as_deref().unwrap_or_default());
            }
            let outcome = apply(state, &mut self.unread, &position, &entity, reading, || origin_of(log, origin));
            if let Err(reason) = outcome {
                self.panicked.insert(position, reason);
                return Err(position);
            }
            self.applied = Some(position);
            self.since_snapshot += 1;
        }
        Ok(())
    }

    /// Folds and shows the state, from the last snapshot before `from` on, or from the last of all.
    fn refold(&mut self, log: &Log, from: Option<&Position>) -> Result<(), LogError> {
        let folded = self.fold_again(log, from)?;
        *self.state.change() = folded;
        Ok(())
    }

    /// Folds from the last snapshot before `from`, or from the last of all.
    fn fold_again(&mut self, log: &Log, from: Option<&Position>) -> Result<R, LogError> {
        if R::IS_EMPTY {
            return Ok(R::default());
        }
        let folding = loop {
            match fold_log::<R>(log, from, &self.panicked, self.snapshot_events)? {
                Ok(folding) => break folding,
                Err((position, reason)) => {
                    self.panicked.insert(position, reason);
                }
            }
        };
        let Folding { state, applied, unread, since_snapshot, taken, has_resumed } = folding;
        self.has_resumed = has_resumed;
        self.applied = applied;
        self.unread = unread;
        self.since_snapshot = since_snapshot;
        self.taken = taken;
        Ok(state)
    }

    /// Returns the first message that did not fit its variant when it came, and fits by now.
    fn first_readable(&self, log: &Log) -> Result<Option<Position>, LogError> {
        log.read(|reader| {
            for position in self.unread.quarantined_at().filter(|position| !self.unread.has_panicked(position)) {
                if let Some(stored) = reader.message(&position)?
                    && matches!(Reading::<R::Event>::of(&stored.message), Reading::Event { .. })
                {
                    return Ok(Some(position));
                }
            }
            Ok(None)
        })
    }

    fn keep_snapshot_if_due(&mut self, log: &mut Log) {
        if self.stale.is_some() {
            return;
        }
        // A snapshot saves time and nothing else: without one, opening folds more.
        if let Err(error) = self.keep_snapshots(log) {
            self.snapshot_after *= 2;
            tracing::warn!(error = %error, "the state could not be kept; opening will take longer");
        }
    }

    fn keep_snapshots(&mut self, log: &mut Log) -> Result<(), Box<dyn std::error::Error>> {
        let due = self.applied.filter(|_| self.since_snapshot >= self.snapshot_after);
        let mut taken = std::mem::take(&mut self.taken);
        if let Some(at) = due {
            let number = match taken.last() {
                Some(last) => last.number + 1,
                None => log.read(|reader| reader.last_snapshot_number())? + 1,
            };
            let state = self.state.read();
            let bytes = rmp_serde::to_vec_named(&(&*state, &self.unread))?;
            self.snapshot_after = snapshot_interval(self.snapshot_events, bytes.len());
            taken.push(Taken { at, number, bytes });
        }
        let Some(newest) = taken.last().map(|last| last.number) else { return Ok(()) };
        log.write(|writer| {
            for Taken { at, number, bytes } in taken.iter().filter(|taken| is_kept(taken.number, newest)) {
                writer.put_snapshot(at, *number, &fingerprint::<R>(), bytes)?;
            }
            writer.retain_snapshots(|_, number| is_kept(number, newest))
        })?;
        if due.is_some() {
            self.since_snapshot = 0;
        }
        Ok(())
    }
}

/// Returns after how many events the next snapshot of a state of this size is taken.
fn snapshot_interval(events: u64, bytes: usize) -> u64 {
    events.max(bytes as u64 / SNAPSHOT_BYTES_AN_EVENT)
}

impl<R> fmt::Debug for Fold<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fold")
            .field("applied", &self.applied)
            .field("unread", &self.unread)
            .field("stale", &self.stale)
            .finish_non_exhaustive()
    }
}

impl<R: Reducer> Folding<R> {
    /// Takes a snapshot, to be kept when the log is not being read; returns how many events later the next is due.
    fn take_snapshot(&mut self, at: Position, number: &mut u64, events: u64) -> u64 {
        self.since_snapshot = 0;
        match rmp_serde::to_vec_named(&(&self.state, &self.unread)) {
            Ok(bytes) => {
                *number += 1;
                let interval = snapshot_interval(events, bytes.len());
                self.taken.push(Taken { at, number: *number, bytes });
                self.taken.retain(|taken| is_kept(taken.number, *number));
                interval
            }
            // A state that does not serialize is folded whenever the log is opened.
            Err(_) => u64::MAX,
        }
    }
}

/// Folds the log from the last snapshot before `from` on. The inner error is a message that the reducer cannot apply.
fn fold_log<R: Reducer>(
    log: &Log,
    from: Option<&Position>,
    panicked: &BTreeMap<Position, String>,
    snapshot_events: u64,
) -> Result<Result<Folding<R>, (Position, String)>, LogError> {
    let mut folding = start::<R>(log, from)?;
    let start = folding.applied;
    let mut failed = None;
    let mut number = log.read(|reader| reader.last_snapshot_number())?;
    let mut snapshot_after = snapshot_events;
    log.read(|reader| {
        reader.each_after(start.as_ref(), false, |stored| {
            if failed.is_some() {
                return Ok::<_, LogError>(());
            }
            let position = stored.position;
            let entity = stored.message.head().entity();
            let Folding { state, unread, .. } = &mut folding;
            match panicked.get(&position) {
                Some(reason) => unread.quarantine_panic(&position, entity.clone(), reason.clone()),
                None => {
                    let reading = Reading::of(&stored.message);
                    if let Err(reason) =
                        apply(state, unread, &position, entity, reading, || origin_of(log, stored.origin))
                    {
                        failed = Some((position, reason));
                    }
                }
            }
            folding.applied = Some(position);
            folding.since_snapshot += 1;
            if folding.since_snapshot >= snapshot_after && failed.is_none() {
                snapshot_after = folding.take_snapshot(position, &mut number, snapshot_events);
            }
            Ok(())
        })
    })?;
    Ok(failed.map_or(Ok(folding), Err))
}

/// Returns the state of the last usable snapshot before `from`, or the first of all states.
fn start<R: Reducer>(log: &Log, from: Option<&Position>) -> Result<Folding<R>, LogError> {
    let mut before = from.copied();
    let fingerprint = fingerprint::<R>();
    while let Some(snapshot) = log.read(|reader| reader.snapshot_before(before.as_ref(), &fingerprint))? {
        match rmp_serde::from_slice(&snapshot.state) {
            Ok((state, unread)) => {
                let mut unread: Unread = unread;
                // Since then, later messages may have taken the place of some.
                log.read(|reader| unread.try_retain(|position| Ok(!reader.is_superseded(position)?)))?;
                let (applied, taken) = (Some(snapshot.at), Vec::new());
                return Ok(Folding { state, applied, unread, since_snapshot: 0, taken, has_resumed: true });
            }
            Err(_) => before = Some(snapshot.at),
        }
    }
    Ok(Folding {
        state: R::default(),
        applied: None,
        unread: Unread::default(),
        since_snapshot: 0,
        taken: Vec::new(),
        has_resumed: false,
    })
}

pub(super) fn origin_of(log: &Log, number: u32) -> Origin {
    match log.link(number) {
        None if number == A_FILE => Origin::File,
        Some(link) if number != THIS_DEVICE => Origin::Host(link.label.clone()),
        _ => Origin::ThisDevice,
    }
}

/// Tells whether a snapshot is still of use when the one with the number `newest` is taken: many of the last ones are,
/// and ever fewer of the older, so that a late event finds one that is not much older than itself.
const fn is_kept(number: u64, newest: u64) -> bool {
    newest.saturating_sub(number) < SNAPSHOTS_AN_AGE << number.trailing_zeros()
}

/// What a snapshot has to have been folded by to be of use: this state, this version of it, these event types.
fn fingerprint<R: Reducer>() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(std::any::type_name::<R>().as_bytes());
    hasher.update(&R::VERSION.to_be_bytes());
    for event_type in R::Event::TYPES {
        hasher.update(format!("{event_type:?}").as_bytes());
    }
    *hasher.finalize().as_bytes()
}
