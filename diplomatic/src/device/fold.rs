//! The state of a device: the fold of the live messages, kept up to date.

use std::fmt;
use std::sync::Arc;

use super::anew::Anew;
use super::keeper::{Keeper, KeptBy, SMALL, cut};
use super::plan::{Known, NewVersion, Plan, plan, write_unread};
use super::shown::{ChangeGuard, Shown};
use super::source::LogSource;
use crate::event::DiplomaticEvent;
use crate::fold::{Cadence, Computed, Item, Reading, ReducerPanic, Taken, Unread, apply, compute};
use crate::log::{Change, Log, LogError, LogFailure, LogWriter, Rollback, SnapshotNote};
use crate::order::Position;
use crate::parallel;
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
    /// Whether the root of every event in the state is known, if the reducer promises that roots are independent.
    is_tidy: bool,
    /// Where the state is wrong from, while it was not folded again: that failed, or waits for more messages. Until then
    /// the state is that of the messages before.
    stale: Option<Position>,
    snapshot_events: u64,
    /// How many messages, and about how many bytes of them, came after the last snapshot.
    since_snapshot: (u64, u64),
    /// About how many bytes all messages have.
    folded: u64,
    /// How often in a row no snapshot could be written.
    failures: u32,
    /// More messages are about to come, until [`mend`](Self::mend) is called.
    is_in_burst: bool,
    keeper: Keeper,
    /// Snapshots that were taken while folding and are not in the log yet.
    taken: Vec<Taken>,
    /// Snapshots in the log as of this position or a later one are not sound any more.
    spoiled: Option<Position>,
    fingerprint: [u8; 32],
    version: u64,
}

impl<R: Reducer> Fold<R> {
    /// Folds the log, from the last snapshot on.
    pub(super) fn open(log: &mut Log, snapshot_events: u64) -> Result<Self, LogError> {
        let mut fold = Self {
            state: Arc::new(Shown::new(R::default())),
            applied: None,
            unread: Unread::default(),
            is_tidy: R::INDEPENDENT_ROOTS,
            stale: None,
            snapshot_events,
            since_snapshot: (0, 0),
            folded: 0,
            failures: 0,
            is_in_burst: false,
            keeper: Keeper::default(),
            taken: Vec::new(),
            spoiled: None,
            fingerprint: fingerprint::<R>(),
            version: 0,
        };
        if R::IS_EMPTY {
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
        fold.keeper.len = log.read(|reader| reader.last_snapshot_note(&fold.fingerprint))?.map_or(0, |note| note.len);
        fold.save(log);
        Ok(fold)
    }

    pub(super) const fn state(&self) -> &Arc<Shown<R>> {
        &self.state
    }

    pub(super) const fn unread(&self) -> &Unread {
        &self.unread
    }

    pub(super) const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Plans for new messages, inside the transaction that stores them, and drops the snapshots that they spoil.
    pub(super) fn plan(&self, writer: &mut LogWriter<'_>, changes: Vec<Change>) -> Result<Plan<R::Event>, LogError> {
        let Self { applied, unread, fingerprint, .. } = self;
        let is_tidy = self.is_tidy && self.stale.is_none();
        plan::<R>(writer, &Known { applied: *applied, unread, is_tidy, fingerprint }, changes)
    }

    /// Goes on with a snapshot at the end of the transaction that stores what was planned for.
    pub(super) fn go_on(&mut self, writer: &mut LogWriter<'_>, plan: &Plan<R::Event>) -> Result<(), LogError> {
        let Self { keeper, fingerprint, unread, folded, .. } = self;
        keeper.go_on(writer, plan, &KeptBy { fingerprint, unread, folded: *folded })
    }

    /// Waits until no snapshot is read from the log.
    pub(super) fn rest(&mut self) {
        self.keeper.rest();
    }

    /// Ends what was begun, before the log is closed.
    pub(super) fn close(&mut self, log: &mut Log) {
        if self.keeper.end_quiet() {
            self.save(log);
        }
        let Self { keeper, fingerprint, unread, folded, .. } = self;
        if let Err(error) = keeper.finish(log, &KeptBy { fingerprint, unread, folded: *folded }) {
            tracing::debug!(%error, "the state could not be kept; opening will take longer");
        }
    }

    /// Brings the state up to date with what was stored. A failure of the log leaves the state as it is until
    /// [`mend`](Self::mend) succeeds; nothing stored is lost by it.
    /// If `more` is coming, a state that has to be folded again stays as it is until then, or until `mend` is called.
    pub(super) fn carry_out(&mut self, plan: Plan<R::Event>, log: &mut Log, more: bool) {
        self.is_in_burst |= more;
        let has_to_fold = self.stale.is_some() || plan.rewind.is_some() && plan.anew.is_none();
        if more && has_to_fold && !R::IS_EMPTY {
            self.postpone(plan);
            return;
        }
        let carried_out = self.carry_out_or_undo::<LogError>(plan, log, None);
        debug_assert!(matches!(carried_out, Ok(Ok(()))), "nothing is refused that cannot be undone");
    }

    /// Notes where the state is wrong from.
    fn postpone(&mut self, plan: Plan<R::Event>) {
        plan.unread.into_iter().for_each(|(position, entry)| self.unread.take_up(position, entry));
        self.stale = self.stale.into_iter().chain(plan.rewind).min();
    }

    /// Brings the state up to date with what was stored, as [`carry_out`](Self::carry_out) does; but if the reducer
    /// cannot apply some of it, and it can be undone, undoes it and leaves the state as it was.
    pub(super) fn carry_out_or_undo<E: LogFailure>(
        &mut self,
        plan: Plan<R::Event>,
        log: &mut Log,
        mut undo: Option<Rollback>,
    ) -> Result<Result<(), ReducerPanic>, E> {
        let Plan { new, rewind, anew, anew_from, is_tidy, unread, last, messages, bytes, .. } = plan;
        if messages == 0 && self.stale.is_none() {
            return Ok(Ok(()));
        }
        if R::IS_EMPTY {
            self.version += 1;
            return Ok(Ok(()));
        }
        unread.into_iter().for_each(|(position, entry)| self.unread.take_up(position, entry));
        self.is_tidy &= is_tidy;
        if anew.is_none() {
            self.stale = self.stale.into_iter().chain(rewind).min();
        }
        let positions: Vec<Position> =
            new.iter().filter(|_| undo.is_some()).map(|version| version.item.position).collect();
        if positions.len() > LONGEST_CHANGE && positions.len() as u64 * BYTES_AN_EVENT >= self.keeper.len {
            self.stale = self.stale.into_iter().chain(positions.iter().min().copied()).min();
        }
        let state = self.state.clone();
        // Readers wait while the state is wrong, which is only after a panic of the reducer.
        let mut broken = None;
        let mut refused = None;
        if self.stale.is_none() {
            let mut shown = state.change();
            // What came from elsewhere is one event after the other. What this device writes together is shown together.
            let is_together = undo.is_some();
            let applied = apply_on_top(&mut shown, new, is_together);
            let (anew, first) = (anew.unwrap_or_default(), anew_from.unwrap_or(FIRST));
            match applied.and_then(|()| make_anew(&mut shown, anew, first, is_together)) {
                Ok(()) => {
                    self.applied = self.applied.max(last);
                    self.since_snapshot = (self.since_snapshot.0 + messages, self.since_snapshot.1 + bytes);
                    self.folded += bytes;
                }
                Err((from, panic)) => {
                    self.stale = Some(anew_from.map_or(from, |anew_from| anew_from.min(from)));
                    refused = Some(panic);
                    broken = Some(shown);
                }
            }
        }
        let mut outcome = Ok(Ok(()));
        while let Some(from) = self.stale {
            if let Some(panic) = refused.take()
                && let Some(undo) = undo.take()
            {
                outcome = match self.take_back(log, undo) {
                    Ok(()) => Ok(Err(panic)),
                    Err(error) => Err(error.into()),
                };
            }
            match self.fold_again(log, Some(&from), Later::Known) {
                Ok((folded, _)) => {
                    if undo.is_some() {
                        refused = positions.iter().find_map(|position| self.unread.panic_at(position)).cloned();
                    }
                    if refused.is_none() {
                        show(folded, broken.take().unwrap_or_else(|| state.change()));
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
        self.keeper.give_up();
        log.undo(undo)?;
        self.spoiled = None;
        self.load_unread(log)?;
        Ok(())
    }

    /// Folds the state again if the log may hold what the state does not know of.
    pub(super) fn recover(&mut self, log: &mut Log) -> Result<(), LogError> {
        if log.is_suspect() {
            self.keeper.give_up();
            self.load_unread(log)?;
            self.refold(log, None, Later::Unknown)?;
            log.recover()?;
            self.stale = None;
            self.version += 1;
        }
        Ok(())
    }

    /// Folds the state again if it was not yet, or if the log may hold what the state does not know of.
    pub(super) fn mend(&mut self, log: &mut Log) -> Result<(), LogError> {
        self.recover(log)?;
        let was_in_burst = std::mem::take(&mut self.is_in_burst);
        if let Some(from) = self.stale {
            self.refold(log, Some(&from), Later::Known)?;
            self.stale = None;
            self.version += 1;
            self.save(log);
        } else if was_in_burst {
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
        show(folded, self.state.change());
        Ok(has_resumed)
    }

    /// Folds from the last snapshot before `from`, or from the last of all; tells whether there was one.
    fn fold_again(&mut self, log: &Log, from: Option<&Position>, later: Later) -> Result<(R, bool), LogError> {
        if R::IS_EMPTY {
            return Ok((R::default(), false));
        }
        let last_number = log.read(|reader| reader.last_snapshot_number())?;
        let cadence = Cadence { events: self.snapshot_events, last_number, only_last: false };
        let mut source = LogSource::new(log, self.fingerprint, R::INDEPENDENT_ROOTS);
        let knows_later = matches!(later, Later::Known);
        let computed = compute::<R, _>(&mut source, self.unread.clone(), from, knows_later, cadence)?;
        let Computed {
            state,
            at,
            unread,
            is_tidy,
            taken,
            since_taken,
            folded,
            folded_since_taken,
            spoiled,
            has_resumed,
        } = computed;
        self.applied = at;
        self.unread = unread;
        self.is_tidy = is_tidy;
        self.since_snapshot = (since_taken, folded_since_taken);
        self.folded = folded;
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
            self.failures = self.failures.saturating_add(1).min(32);
            tracing::warn!(error = %error, "the state could not be kept; opening will take longer");
        }
    }

    fn try_save(&mut self, log: &mut Log) -> Result<(), Box<dyn std::error::Error>> {
        let due = self.applied.filter(|applied| self.is_snapshot_due() && self.unread.is_sound(applied));
        let mut due_now = due;
        if let Some(at) = due
            && self.keeper.len > SMALL
            && self.keeper.begin::<R>(log, at, self.fingerprint, &self.unread)?
        {
            (self.since_snapshot, due_now) = ((0, 0), None);
        }
        if due_now.is_none() && self.taken.is_empty() && self.spoiled.is_none() && self.unread.is_saved() {
            return Ok(());
        }
        let mut number = log.read(|reader| reader.last_snapshot_number())?;
        let note = SnapshotNote { is_tidy: self.is_tidy, is_whole: false, folded: self.folded, len: 0 };
        let mut made = Vec::new();
        for Taken { at, number: taken, is_tidy, folded, state } in std::mem::take(&mut self.taken) {
            number = taken;
            made.push((cut(log, at, SnapshotNote { is_tidy, folded, ..note }, state), taken));
        }
        if let Some(at) = due_now {
            let state = rmp_serde::to_vec_named(&*self.state.read())?;
            let note = SnapshotNote { is_whole: self.unread.hides_nothing(), ..note };
            made.push((cut(log, at, note, Arc::new(state)), number + 1));
        }
        let Self { unread, spoiled, fingerprint, folded, .. } = &*self;
        let kept_by = KeptBy { fingerprint, unread, folded: *folded };
        log.write(|writer| {
            write_unread(writer, fingerprint, unread.unsaved())?;
            if let Some(spoiled) = spoiled {
                writer.retain_snapshots(|at, _| at < spoiled)?;
            }
            for (made, number) in &made {
                writer.put_pieces(&made.pieces, 0, usize::MAX)?;
                let unused = kept_by.keep(writer, made, Some(*number))?;
                writer.remove_pieces(&unused)?;
            }
            Ok::<_, LogError>(())
        })?;
        self.unread.saved();
        self.spoiled = None;
        self.failures = 0;
        if let Some((last, _)) = made.last() {
            self.keeper.len = last.pieces.state().len() as u64;
        }
        if due_now.is_some() {
            self.since_snapshot = (0, 0);
        }
        Ok(())
    }

    /// Tells whether enough came after the last snapshot: so many messages, and a good part of the state's size.
    const fn is_snapshot_due(&self) -> bool {
        let (events, bytes) = self.since_snapshot;
        let after = self.snapshot_events.saturating_mul(1 << self.failures);
        // In a burst, a snapshot would soon be out of date.
        let least =
            if self.is_in_burst { self.keeper.len.saturating_add(LARGE) } else { self.keeper.len / PART_OF_STATE };
        self.keeper.is_free() && events >= after && bytes >= least
    }
}

/// A snapshot is made when the messages after the last one have this part of its size.
const PART_OF_STATE: u64 = 8;

/// In a burst, it is made when they have so many bytes more than the last one.
const LARGE: u64 = 64 << 20;

/// What a device writes together is shown together. More events than this are folded beside the state that is shown, and
/// nobody waits for them, unless reading a snapshot would take much longer than writing them did: then these are applied in
/// place.
const LONGEST_CHANGE: usize = 256;

/// So many bytes of a snapshot are read about as fast as an event is written.
const BYTES_AN_EVENT: u64 = 1_024;

/// Whether it is known which of the messages after the start of a fold cannot be applied.
#[derive(Debug, Clone, Copy)]
enum Later {
    Known,
    /// Another program may have written some of them.
    Unknown,
}

/// Shows another state. The old one may be large, and nobody has to wait until it is gone.
fn show<R: Reducer>(state: R, mut shown: ChangeGuard<'_, R>) {
    let old = std::mem::replace(&mut *shown, state);
    drop(shown);
    parallel::discard(old);
}

/// Applies new messages; the error is where the state is wrong from, and the panic. In between, the state is that
/// of some of them, which readers may see unless the messages belong together.
fn apply_on_top<R: Reducer>(
    shown: &mut ChangeGuard<'_, R>,
    new: Vec<NewVersion<R::Event>>,
    is_together: bool,
) -> Result<(), (Position, ReducerPanic)> {
    for NewVersion { item, from } in new {
        if let Some((event, meta)) = item.into_event() {
            apply(&mut **shown, event, &meta).map_err(|panic| (from, panic))?;
            if !is_together {
                shown.let_readers_in();
            }
        }
    }
    Ok(())
}

/// Makes roots anew; the error is as [`apply_on_top`] returns it. Nobody sees a part of a root.
fn make_anew<R: Reducer>(
    shown: &mut ChangeGuard<'_, R>,
    roots: Vec<Anew<R::Event>>,
    from: Position,
    is_together: bool,
) -> Result<(), (Position, ReducerPanic)> {
    for Anew { delete, items } in roots {
        for (event, meta) in delete.into_iter().chain(items.into_iter().filter_map(Item::into_event)) {
            apply(&mut **shown, event, &meta).map_err(|panic| (from, panic))?;
        }
        if !is_together {
            shown.let_readers_in();
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
    // The third form of snapshots: the state, and whether it is tidy.
    hasher.update(b"3");
    hasher.update(&[u8::from(R::INDEPENDENT_ROOTS)]);
    hasher.update(std::any::type_name::<R>().as_bytes());
    R::versions(&mut |version| _ = hasher.update(&version.to_be_bytes()));
    for event_type in R::Event::TYPES {
        hasher.update(format!("{event_type:?}").as_bytes());
    }
    *hasher.finalize().as_bytes()
}
