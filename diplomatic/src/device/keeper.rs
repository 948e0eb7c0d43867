//! Snapshots of large states, made beside the work: folded and cut on a thread of its own, and written bit by bit with what
//! else is written, so that nobody waits for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::plan::Plan;
use super::source::LogSource;
use crate::fold::{Cadence, Unread, compute};
use crate::log::{Log, LogError, LogView, LogWriter, PieceHash, Pieces, SnapshotNote};
use crate::order::Position;
use crate::parallel::discard;
use crate::reducer::Reducer;

/// A larger state is not serialized while somebody waits.
pub(super) const SMALL: u64 = 256 << 10;

/// How many bytes of a snapshot are written with a change, and how many of its pieces are dropped.
const STEP_BYTES: usize = 256 << 10;
const STEP_PIECES: usize = 64;

/// For so many changes no snapshot is begun after one was spoiled; twice as many after each that follows, up to a limit.
const QUIET: u32 = 8;
const MOST_SPOILED: u32 = 7;

/// So many bytes of snapshots are kept even if the log is smaller.
const LEAST: u64 = 16 << 20;

/// Makes snapshots of large states, one at a time.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    task: Option<Task>,
    /// How many snapshots in a row late messages have spoiled before they were written, and how many changes no other is
    /// begun for: late messages often come one after the other.
    spoiled: u32,
    quiet: u32,
    /// The system has no threads.
    is_alone: bool,
    /// The size of the state when it was last serialized.
    pub(super) len: u64,
}

#[derive(Debug)]
enum Task {
    Make(Making),
    Write { made: Made, next: usize },
    Drop(Vec<PieceHash>),
}

/// A snapshot that is being made.
#[derive(Debug)]
struct Making {
    at: Position,
    thread: JoinHandle<Option<Made>>,
    stop: Stop,
}

/// Tells a thread to stop, once nobody waits for it any more.
#[derive(Debug, Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A snapshot that is not written yet.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) at: Position,
    pub(super) note: SnapshotNote,
    pub(super) pieces: Pieces,
    /// The pieces of earlier snapshots that were here when it was made, if somebody has looked.
    pub(super) before: Option<Vec<PieceHash>>,
}

impl Keeper {
    /// Tells whether a snapshot can be begun.
    pub(super) const fn is_free(&self) -> bool {
        self.task.is_none() && !self.is_alone && self.quiet == 0
    }

    /// Begins a snapshot of the log as it is now, of which the state covers all up to `at`; false if the system has no
    /// threads.
    pub(super) fn begin<R: Reducer>(
        &mut self,
        log: &Log,
        at: Position,
        fingerprint: [u8; 32],
        unread: &Unread,
    ) -> Result<bool, LogError> {
        let (view, unread, stop) = (log.view()?, unread.clone(), Stop::default());
        let is_stopped = stop.0.clone();
        let thread = thread::Builder::new().name("snapshot".to_owned());
        match thread.spawn(move || make::<R>(&view, fingerprint, unread, &is_stopped)) {
            Ok(thread) => self.task = Some(Task::Make(Making { at, thread, stop })),
            Err(_) => self.is_alone = true,
        }
        Ok(!self.is_alone)
    }

    /// Gives up the snapshot that new messages spoil, and otherwise writes a part of it, or drops pieces that nobody needs
    /// any more. This is for the end of a transaction.
    pub(super) fn go_on<E>(
        &mut self,
        writer: &mut LogWriter<'_>,
        plan: &Plan<E>,
        kept_by: &KeptBy<'_>,
    ) -> Result<(), LogError> {
        let at = match &self.task {
            Some(Task::Make(making)) => Some(making.at),
            Some(Task::Write { made, .. }) => Some(made.at),
            _ => None,
        };
        self.quiet = self.quiet.saturating_sub(1);
        if at.is_some_and(|at| plan.spoils(&at)) {
            self.give_up();
            self.spoiled = (self.spoiled + 1).min(MOST_SPOILED);
            self.quiet = QUIET << self.spoiled;
            return Ok(());
        }
        if !matches!(&self.task, Some(Task::Make(making)) if !making.thread.is_finished()) {
            self.step(writer, kept_by, STEP_BYTES, STEP_PIECES)?;
        }
        Ok(())
    }

    /// Takes the next step of what is to be done.
    fn step(
        &mut self,
        writer: &mut LogWriter<'_>,
        kept_by: &KeptBy<'_>,
        bytes: usize,
        pieces: usize,
    ) -> Result<(), LogError> {
        self.task = match self.task.take() {
            None => None,
            Some(Task::Make(making)) => written_next(making),
            Some(Task::Write { made, next }) => match writer.put_pieces(&made.pieces, next, bytes)? {
                next if next < made.pieces.len() => Some(Task::Write { made, next }),
                _ => self.keep(writer, made, kept_by)?,
            },
            Some(Task::Drop(mut unused)) => {
                let rest = unused.split_off(pieces.min(unused.len()));
                writer.remove_pieces(&unused)?;
                (!rest.is_empty()).then_some(Task::Drop(rest))
            }
        };
        Ok(())
    }

    /// Keeps a snapshot whose pieces are written, if it is still sound. What is to be dropped then comes next.
    fn keep(&mut self, writer: &mut LogWriter<'_>, made: Made, kept_by: &KeptBy<'_>) -> Result<Option<Task>, LogError> {
        let mut next = None;
        if kept_by.unread.is_sound(&made.at) {
            next = Some(Task::Drop(kept_by.keep(writer, &made, None)?));
            self.len = made.note.len;
            self.spoiled = 0;
        }
        // Freeing a large state takes longer than writing an event.
        discard(made);
        Ok(next)
    }

    /// Lets a snapshot be begun though the last one was spoiled just now; tells whether that held one back.
    pub(super) const fn end_quiet(&mut self) -> bool {
        std::mem::replace(&mut self.quiet, 0) > 0
    }

    /// Gives up what is being done.
    pub(super) fn give_up(&mut self) {
        // Freeing a large state takes longer than writing an event. A thread that has ended still holds the one it made.
        match self.task.take() {
            Some(Task::Make(Making { thread, .. })) => discard(thread),
            Some(Task::Write { made, .. }) => discard(made),
            Some(Task::Drop(_)) | None => {}
        }
    }

    /// Waits until the log is not read any more.
    pub(super) fn rest(&mut self) {
        if let Some(Task::Make(making)) = self.task.take_if(|task| matches!(task, Task::Make(_))) {
            self.task = written_next(making);
        }
    }

    /// Ends what is being done.
    pub(super) fn finish(&mut self, log: &mut Log, kept_by: &KeptBy<'_>) -> Result<(), LogError> {
        self.rest();
        if self.task.is_none() {
            return Ok(());
        }
        log.write(|writer| {
            while self.task.is_some() {
                self.step(writer, kept_by, usize::MAX, usize::MAX)?;
            }
            Ok(())
        })
    }
}

/// Waits for a snapshot to be made, which is written next. Without one, opening folds more.
fn written_next(Making { at, thread, stop: _stop }: Making) -> Option<Task> {
    // After `at`, there may be messages of the framework's own, which change no state.
    let made = thread.join().ok().flatten().filter(|made| made.at >= at)?;
    Some(Task::Write { made: Made { at, ..made }, next: 0 })
}

/// By which fold snapshots are kept, and what is known of it.
pub(super) struct KeptBy<'a> {
    pub(super) fingerprint: &'a [u8; 32],
    pub(super) unread: &'a Unread,
    /// About how many bytes all messages have.
    pub(super) folded: u64,
}

impl KeptBy<'_> {
    /// Keeps a snapshot whose pieces are written, drops older ones that are too many or too large, and returns the pieces
    /// that nobody needs any more.
    pub(super) fn keep(
        &self,
        writer: &mut LogWriter<'_>,
        made: &Made,
        number: Option<u64>,
    ) -> Result<Vec<PieceHash>, LogError> {
        let Made { at, note, pieces, before } = made;
        let number = match number {
            Some(number) => number,
            None => writer.last_snapshot_number()? + 1,
        };
        writer.put_snapshot((at, number), self.fingerprint, *note, pieces)?;
        writer.retain_snapshots(|_, kept| Cadence::is_kept(kept, number))?;
        writer.bound_snapshots(self.fingerprint, LEAST.max(self.folded))?;
        let candidates = before.clone().map_or_else(|| writer.all_pieces(), Ok)?;
        writer.unused_pieces(self.fingerprint, candidates)
    }
}

/// Folds a log and cuts the state into pieces; `None` if it cannot be kept.
fn make<R: Reducer>(view: &LogView, fingerprint: [u8; 32], unread: Unread, is_stopped: &AtomicBool) -> Option<Made> {
    let mut source = LogSource::of_view(view, fingerprint, R::INDEPENDENT_ROOTS).until(is_stopped);
    let computed = compute::<R, _>(&mut source, unread, None, true, Cadence::without_snapshots()).ok()?;
    let at = computed.at.filter(|at| computed.unread.is_sound(at))?;
    if is_stopped.load(Ordering::Relaxed) {
        return None;
    }
    let state = rmp_serde::to_vec_named(&computed.state).ok()?;
    let note = SnapshotNote {
        is_tidy: computed.is_tidy,
        is_whole: computed.unread.hides_nothing(),
        folded: computed.folded,
        len: state.len() as u64,
    };
    let before = view.read(|reader| reader.all_pieces()).ok();
    Some(Made { at, note, pieces: view.cut(state), before })
}

/// Cuts a state that was serialized while folding.
pub(super) fn cut(log: &Log, at: Position, note: SnapshotNote, state: Arc<Vec<u8>>) -> Made {
    let state = Arc::unwrap_or_clone(state);
    Made { at, note: SnapshotNote { len: state.len() as u64, ..note }, pieces: log.cut(state), before: None }
}
