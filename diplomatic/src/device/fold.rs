//! The state of a device: the fold of the live messages, kept up to date.

use std::fmt;
use std::sync::Arc;

use super::plan::{Known, NewVersion, Plan, plan, write_unread};
use super::shown::Shown;
use super::source::LogSource;
use crate::event::DiplomaticEvent;
use crate::fold::{Cadence, Computed, Reading, Taken, Unread, apply, compute};
use crate::log::{Change, Log, LogError, LogFailure, LogWriter, Rollback};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{HeadHash, Timestamp};

/// No message is before this position.
const FIRST: Position = Position { changed: Timestamp::EPOCH, counter: 0, hash: HeadHash::from_bytes([0; 32]) };

/// The state of a device, and how far it goes.
pub(super) struct Fold<R> {
    state: Arc<Shown<R>>,
    /// The last message that the state covers.
    applied: Option<Position>,
    unread: Unread,
    /// Where the state is wrong from, while it was not folded again.
    stale: Option<Position>,
    snapshot_events: u64,
    since_snapshot: u64,
    snapshot_after: u64,
    /// Snapshots that were taken while folding and are not in the log yet.
    taken: Vec<Taken>,
    /// Snapshots in the log as of this position or a later one are not sound any more.
    spoiled: Option<Position>,
    fingerprint: [u8; 32],
    version: u64,
}

/// The reducer panicked over events that were to be emitted; the log is as it was before.
pub(super) struct Panicked {
    pub(super) reason: String,
}

impl<R: Reducer> Fold<R> {
    /// Folds the log, from the last snapshot on.
    pub(super) fn open(log: &mut Log, snapshot_events: u64) -> Result<Self, LogError> {
        let mut fold = Self {
            state: Arc::new(Shown::new(R::default())),
            applied: None,
            unread: Unread::default(),
            stale: None,
            snapshot_events,
            since_snapshot: 0,
            snapshot_after: snapshot_events,
            taken: Vec::new(),
            spoiled: None,
            fingerprint: fingerprint::<R>(),
            version: 0,
        };
        if R::IS_EMPTY {
            fold.snapshot_after = u64::MAX;
            return Ok(fold);
        }
        let is_ours = fold.load_unread(log)?;
        let is_anew = !is_ours || fold.reads_more(log)?;
        if is_anew {
            fold.unread = Unread::default();
        }
        if log.is_read_only() {
            // No kept state is before the first of all positions.
            fold.refold(log, is_anew.then_some(&FIRST), Later::Unknown)?;
            fold.snapshot_after = u64::MAX;
            return Ok(fold);
        }
        if is_anew {
            // What another build could not apply, this one may, and it does not know when new messages spoil the states
            // that the other kept.
            log.write(|writer| {
                writer.clear_unapplied()?;
                writer.retain_snapshots(|_, _| false)
            })?;
        }
        let has_resumed = fold.refold(log, None, Later::Unknown)?;
        if !has_resumed && log.read(|reader| reader.last_snapshot_number())? > 0 {
            log.write(|writer| writer.retain_snapshots(|_, _| false))?;
        }
        fold.save(log);
        Ok(fold)
    }

    pub(super) const fn state(&self) -> &Arc<Shown<R>> {
        &self.state
    }

    pub(super) const fn unread(&self) -> &Unread {
        &self.unread
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Plans for new messages, inside the transaction that stores them, and drops the snapshots that they spoil.
    pub(super) fn plan(&self, writer: &mut LogWriter<'_>, changes: Vec<Change>) -> Result<Plan<R::Event>, LogError> {
        let Self { applied, unread, fingerprint, .. } = self;
        plan::<R>(writer, &Known { applied: *applied, unread, fingerprint }, changes)
    }

    /// Brings the state up to date with what was stored. A failure of the log leaves the state as it is until
    /// [`mend`](Self::mend) succeeds; nothing stored is lost by it.
    pub(super) fn carry_out(&mut self, plan: Plan<R::Event>, log: &mut Log) {
        let carried_out = self.carry_out_or_undo::<LogError>(plan, log, None);
        debug_assert!(matches!(carried_out, Ok(Ok(()))), "nothing is refused that cannot be undone");
    }

    /// Brings the state up to date with what was stored, as [`carry_out`](Self::carry_out) does; but if the reducer
    /// cannot apply some of it, and it can be undone, undoes it and leaves the state as it was.
    pub(super) fn carry_out_or_undo<E: LogFailure>(
        &mut self,
        plan: Plan<R::Event>,
        log: &mut Log,
        mut undo: Option<Rollback>,
    ) -> Result<Result<(), Panicked>, E> {
        let Plan { new, rewind, unread, last, messages, unfit: _, spoiled: _ } = plan;
        if messages == 0 {
            return Ok(Ok(()));
        }
        if R::IS_EMPTY {
            self.version += 1;
            return Ok(Ok(()));
        }
        unread.into_iter().for_each(|(position, entry)| self.unread.take_up(position, entry));
        self.stale = self.stale.into_iter().chain(rewind).min();
        let positions: Vec<Position> =
            new.iter().filter(|_| undo.is_some()).map(|version| version.item.position).collect();
        let state = self.state.clone();
        // Readers wait while the state is wrong, which is only after a panic of the reducer.
        let mut broken = None;
        let mut refused = None;
        if self.stale.is_none() {
            let mut shown = state.change();
            match apply_on_top(&mut *shown, new) {
                Ok(()) => {
                    self.applied = self.applied.max(last);
                    self.since_snapshot += messages;
                }
                Err((from, reason)) => {
                    self.stale = Some(from);
                    refused = Some(reason);
                    broken = Some(shown);
                }
            }
        }
        let mut outcome = Ok(Ok(()));
        while let Some(from) = self.stale {
            if let Some(reason) = refused.take()
                && let Some(undo) = undo.take()
            {
                outcome = match self.take_back(log, undo) {
                    Ok(()) => Ok(Err(Panicked { reason })),
                    Err(error) => Err(error.into()),
                };
            }
            match self.fold_again(log, Some(&from), Later::Known) {
                Ok((folded, _)) => {
                    if undo.is_some() {
                        refused = positions.iter().find_map(|position| self.unread.panic_at(position)).map(Into::into);
                    }
                    if refused.is_none() {
                        let shown = broken.take();
                        *shown.unwrap_or_else(|| state.change()) = folded;
                        self.stale = None;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the state could not be folded again; it is tried before the next change");
                    break;
                }
            }
        }
        self.version += 1;
        self.save(log);
        outcome
    }

    /// Sets the log back to before the last transaction, and what is known of it.
    fn take_back(&mut self, log: &mut Log, undo: Rollback) -> Result<(), LogError> {
        log.undo(undo)?;
        self.spoiled = None;
        self.load_unread(log)?;
        Ok(())
    }

    /// Folds the state again if it could not be before, or if the log may hold what the state does not know of.
    pub(super) fn mend(&mut self, log: &mut Log) -> Result<(), LogError> {
        if log.is_suspect() {
            self.load_unread(log)?;
            self.refold(log, None, Later::Unknown)?;
            log.recover()?;
            self.stale = None;
            self.version += 1;
        }
        if let Some(from) = self.stale {
            self.refold(log, Some(&from), Later::Known)?;
            self.stale = None;
            self.version += 1;
            self.save(log);
        }
        Ok(())
    }

    /// Reads what could not be applied; false if that was another build's doing.
    fn load_unread(&mut self, log: &Log) -> Result<bool, LogError> {
        let saved = log.read(|reader| reader.unapplied(&self.fingerprint))?;
        let is_ours = saved.is_some();
        let entries = saved.unwrap_or_default().into_iter().map(|(position, why)| {
            let entry = rmp_serde::from_slice(&why).map_err(|_| LogError::DamagedValue { table: "unapplied-1" })?;
            Ok((position, entry))
        });
        self.unread = Unread::from_saved(entries.collect::<Result<Vec<_>, LogError>>()?);
        Ok(is_ours)
    }

    /// Returns whether a message that did not match its variant when it arrived matches it now.
    fn reads_more(&self, log: &Log) -> Result<bool, LogError> {
        log.read(|reader| {
            for position in self.unread.unfit() {
                if let Some(stored) = reader.message(position)?
                    && !matches!(Reading::<R::Event>::of(&stored.message), Reading::Unfit { .. })
                {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Folds and shows the state, from the last snapshot before `from` on, or from the last of all; tells whether there
    /// was one.
    fn refold(&mut self, log: &Log, from: Option<&Position>, later: Later) -> Result<bool, LogError> {
        let (folded, has_resumed) = self.fold_again(log, from, later)?;
        *self.state.change() = folded;
        Ok(has_resumed)
    }

    /// Folds from the last snapshot before `from`, or from the last of all; tells whether there was one.
    fn fold_again(&mut self, log: &Log, from: Option<&Position>, later: Later) -> Result<(R, bool), LogError> {
        if R::IS_EMPTY {
            return Ok((R::default(), false));
        }
        let last_number = log.read(|reader| reader.last_snapshot_number())?;
        let cadence = Cadence { events: self.snapshot_events, last_number, only_last: false };
        let mut source = LogSource::new(log, self.fingerprint);
        let knows_later = matches!(later, Later::Known);
        let computed = compute::<R, _>(&mut source, self.unread.clone(), from, knows_later, cadence)?;
        let Computed { state, at, unread, taken, since_taken, spoiled, has_resumed } = computed;
        self.applied = at;
        self.unread = unread;
        self.since_snapshot = since_taken;
        self.taken = taken;
        self.spoiled = self.spoiled.into_iter().chain(spoiled).min();
        Ok((state, has_resumed))
    }

    /// Saves what could not be applied, and snapshots.
    fn save(&mut self, log: &mut Log) {
        if self.stale.is_some() || R::IS_EMPTY || log.is_read_only() {
            return;
        }
        // Both save time and nothing else: without them, opening folds more.
        if let Err(error) = self.try_save(log) {
            self.snapshot_after = self.snapshot_after.saturating_mul(2);
            tracing::warn!(error = %error, "the state could not be kept; opening will take longer");
        }
    }

    fn try_save(&mut self, log: &mut Log) -> Result<(), Box<dyn std::error::Error>> {
        let is_due = self.since_snapshot >= self.snapshot_after;
        let due = self.applied.filter(|applied| is_due && self.unread.is_sound(applied));
        if due.is_none() && self.taken.is_empty() && self.spoiled.is_none() && self.unread.is_saved() {
            return Ok(());
        }
        let mut taken = std::mem::take(&mut self.taken);
        if let Some(at) = due {
            let number = match taken.last() {
                Some(last) => last.number + 1,
                None => log.read(|reader| reader.last_snapshot_number())? + 1,
            };
            let state = self.state.read();
            let state = Arc::new(rmp_serde::to_vec_named(&*state)?);
            self.snapshot_after = Cadence::interval(self.snapshot_events, state.len());
            taken.push(Taken { at, number, state });
        }
        let Self { unread, spoiled, fingerprint, .. } = &*self;
        log.write(|writer| {
            write_unread(writer, fingerprint, unread.unsaved())?;
            if let Some(spoiled) = spoiled {
                writer.retain_snapshots(|at, _| at < spoiled)?;
            }
            let Some(newest) = taken.last().map(|last| last.number) else { return Ok(()) };
            for Taken { at, number, state } in taken.iter().filter(|taken| Cadence::is_kept(taken.number, newest)) {
                writer.put_snapshot(at, *number, fingerprint, state)?;
            }
            writer.retain_snapshots(|_, number| Cadence::is_kept(number, newest))
        })?;
        self.unread.saved();
        self.spoiled = None;
        if due.is_some() {
            self.since_snapshot = 0;
        }
        Ok(())
    }
}

/// Whether it is known which of the messages after the start of a fold cannot be applied.
#[derive(Debug, Clone, Copy)]
enum Later {
    Known,
    /// Another program may have written some of them.
    Unknown,
}

/// Applies new messages; the error is where the state is wrong from, and what the reducer said.
fn apply_on_top<R: Reducer>(state: &mut R, new: Vec<NewVersion<R::Event>>) -> Result<(), (Position, String)> {
    for NewVersion { item, from } in new {
        if let Some((event, meta)) = item.event() {
            apply(state, event, &meta).map_err(|reason| (from, reason))?;
        }
    }
    Ok(())
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

/// What a snapshot has to have been folded by to be of use: this state, this version of it, these event types.
fn fingerprint<R: Reducer>() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    // The second form of snapshots: the state alone.
    hasher.update(b"2");
    hasher.update(std::any::type_name::<R>().as_bytes());
    hasher.update(&R::VERSION.to_be_bytes());
    for event_type in R::Event::TYPES {
        hasher.update(format!("{event_type:?}").as_bytes());
    }
    *hasher.finalize().as_bytes()
}
