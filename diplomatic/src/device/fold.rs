//! The state: the fold of the messages that count, kept up to date.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use super::plan::{NewWinner, Plan, Reading};
use super::unread::Unread;
use crate::event::DiplomaticEvent;
use crate::log::{Log, LogError, THIS_DEVICE};
use crate::order::Position;
use crate::reducer::{Meta, Origin, Reducer};
use crate::standard::EntityId;

/// One event more between snapshots for this many bytes of state, so that writing them costs little beside folding.
const SNAPSHOT_BYTES_AN_EVENT: u64 = 64;

/// How many snapshots are kept.
const SNAPSHOTS: usize = 4;

/// The state of a device, and how far it goes.
pub(super) struct Fold<R> {
    state: Arc<RwLock<R>>,
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
    version: u64,
}

/// A state that is being folded.
struct Folding<R> {
    state: R,
    applied: Option<Position>,
    unread: Unread,
    events: u64,
}

impl<R: Reducer> Fold<R> {
    /// Folds the log, from the last snapshot on.
    pub(super) fn open(log: &mut Log, snapshot_events: u64) -> Result<Self, LogError> {
        let mut fold = Self {
            state: Arc::default(),
            applied: None,
            unread: Unread::default(),
            panicked: BTreeMap::new(),
            stale: None,
            snapshot_events,
            since_snapshot: 0,
            snapshot_after: snapshot_events,
            version: 0,
        };
        fold.refold(log, None)?;
        if let Some(readable) = fold.first_readable(log)? {
            log.write(|writer| writer.retain_snapshots(|at| *at < readable))?;
            fold.refold(log, Some(&readable))?;
        }
        fold.keep_snapshot_if_due(log);
        Ok(fold)
    }

    pub(super) const fn state(&self) -> &Arc<RwLock<R>> {
        &self.state
    }

    pub(super) const fn applied(&self) -> Option<Position> {
        self.applied
    }

    pub(super) const fn unread(&self) -> &Unread {
        &self.unread
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Brings the state up to date with what was stored. A failure of the log leaves the state as it is until
    /// [`mend`](Self::mend) succeeds; nothing stored is lost by it.
    pub(super) fn carry_out(&mut self, plan: Plan<R::Event>, log: &mut Log) {
        let Plan { winners, rewind } = plan;
        if winners.is_empty() {
            return;
        }
        self.stale = match rewind {
            Some(from) => Some(from),
            None => self.apply_on_top(winners, log).err(),
        };
        self.version += 1;
        if let Err(error) = self.mend(log) {
            tracing::error!(%error, "the state could not be folded again; it is tried before the next change");
        }
        self.keep_snapshot_if_due(log);
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
    fn apply_on_top(&mut self, winners: Vec<NewWinner<R::Event>>, log: &Log) -> Result<(), Position> {
        let state = self.state.clone();
        let mut state = state.write().unwrap_or_else(PoisonError::into_inner);
        for NewWinner { position, entity, origin, reading, before } in winners {
            if let Some(before) = before {
                self.unread.release(&before.position);
                if let Some(type_name) = before.type_name.filter(|name| !is_known::<R>(name)) {
                    self.unread.discount_unknown(&type_name);
                }
            }
            let outcome = apply(&mut *state, &mut self.unread, &position, &entity, reading, || origin_of(log, origin));
            if let Err(reason) = outcome {
                self.panicked.insert(position, reason);
                return Err(position);
            }
            self.applied = Some(position);
            self.since_snapshot += 1;
        }
        Ok(())
    }

    /// Folds from the last snapshot before `from`, or from the last of all.
    fn refold(&mut self, log: &Log, from: Option<&Position>) -> Result<(), LogError> {
        let folding = loop {
            match fold_log::<R>(log, from, &self.panicked)? {
                Ok(folding) => break folding,
                Err((position, reason)) => {
                    self.panicked.insert(position, reason);
                }
            }
        };
        let Folding { state, applied, unread, events } = folding;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        self.applied = applied;
        self.unread = unread;
        self.since_snapshot = events;
        Ok(())
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
        let Some(at) = self.applied.filter(|_| self.since_snapshot >= self.snapshot_after) else { return };
        if self.stale.is_some() {
            return;
        }
        // A snapshot saves time and nothing else: without one, opening folds more.
        match self.keep_snapshot(log, &at) {
            Ok(bytes) => {
                self.since_snapshot = 0;
                self.snapshot_after = self.snapshot_events.max(bytes / SNAPSHOT_BYTES_AN_EVENT);
            }
            Err(error) => {
                self.snapshot_after *= 2;
                tracing::warn!(error = %error, "the state could not be kept; opening will take longer");
            }
        }
    }

    fn keep_snapshot(&self, log: &mut Log, at: &Position) -> Result<u64, Box<dyn std::error::Error>> {
        let bytes = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            rmp_serde::to_vec_named(&(&*state, &self.unread))?
        };
        let kept = log.read(|reader| reader.snapshots())?;
        let oldest = kept.len().checked_sub(SNAPSHOTS - 1).and_then(|surplus| kept.get(surplus)).copied();
        log.write(|writer| {
            writer.put_snapshot(at, &fingerprint::<R>(), &bytes)?;
            writer.retain_snapshots(|at| oldest.is_none_or(|oldest| *at >= oldest))
        })?;
        Ok(bytes.len() as u64)
    }
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

/// Folds the log from the last snapshot before `from` on. The inner error is a message that the reducer cannot apply.
fn fold_log<R: Reducer>(
    log: &Log,
    from: Option<&Position>,
    panicked: &BTreeMap<Position, String>,
) -> Result<Result<Folding<R>, (Position, String)>, LogError> {
    let mut folding = start::<R>(log, from)?;
    let start = folding.applied;
    let links = log.links().to_vec();
    let origin = |number| match links.iter().find(|link| link.number == number) {
        Some(link) => Origin::Host(link.label.clone()),
        None => Origin::ThisDevice,
    };
    let mut failed = None;
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
                    if let Err(reason) = apply(state, unread, &position, entity, reading, || origin(stored.origin)) {
                        failed = Some((position, reason));
                    }
                }
            }
            folding.applied = Some(position);
            folding.events += 1;
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
            Ok((state, unread)) => return Ok(Folding { state, applied: Some(snapshot.at), unread, events: 0 }),
            Err(_) => before = Some(snapshot.at),
        }
    }
    Ok(Folding { state: R::default(), applied: None, unread: Unread::default(), events: 0 })
}

/// Applies a message that counts, or notes why it cannot be. The error is what a reducer that panicked said; the
/// state is broken then.
fn apply<R: Reducer>(
    state: &mut R,
    unread: &mut Unread,
    position: &Position,
    entity: &EntityId,
    reading: Reading<R::Event>,
    origin: impl FnOnce() -> Origin,
) -> Result<(), String> {
    let (event, event_type) = match reading {
        Reading::Event { event, event_type } => (event, event_type),
        Reading::Delete { event } => (event, ""),
        Reading::SilentDelete => return Ok(()),
        Reading::Unknown { type_name } => {
            unread.count_unknown(&type_name);
            return Ok(());
        }
        Reading::Unfit { reason } => {
            unread.quarantine(position, entity.clone(), reason);
            return Ok(());
        }
    };
    let meta = Meta::new(entity.clone(), position.changed, event_type, origin());
    catch_unwind(AssertUnwindSafe(|| state.apply(&event, &meta))).map_err(|panic| panic_text(&*panic))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("the reducer panicked: {}", text.unwrap_or("without a message"))
}

fn origin_of(log: &Log, number: u32) -> Origin {
    match log.link(number) {
        Some(link) if number != THIS_DEVICE => Origin::Host(link.label.clone()),
        _ => Origin::ThisDevice,
    }
}

fn is_known<R: Reducer>(type_name: &str) -> bool {
    R::Event::TYPES.iter().any(|known| known.name == type_name)
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
