//! The one writer: takes what waits, commits it together, answers all.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use diplomatic::standard::PublicKey;
use redb::ReadableDatabase;
use tokio::sync::oneshot::Sender;

use super::open::Medium;
use super::queue::{Job, Queue};
use super::tables::Tables;
use super::{Shared, damage, reading, reads, writing};
use crate::store::{Appended, Change, Placed, StoreError};

/// Something for the writer to do.
#[derive(Debug)]
pub(super) enum Task {
    Write(Job),
    /// Gives unused room back to the disk.
    Compact(Sender<Result<bool, StoreError>>),
    /// A reader met an I/O error, after which the database refuses everything until it is opened again.
    Reopen,
}

/// What a job comes to, not to be told before the commit.
enum Outcome {
    Registered,
    Appended(Appended),
    Deleted(bool),
    Swapped(bool),
}

/// The longest time for which writes are refused after one failed.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Runs until every sender of tasks is gone, and carries out what they sent.
pub(super) fn run(shared: &Shared, tasks: &Receiver<Task>) {
    let mut queue = Queue::default();
    let mut rest = Rest::default();
    while gather(shared, &mut queue, tasks) {
        let batch = queue.take();
        if let Some(error) = rest.error() {
            batch.into_iter().for_each(|job| job.fail(error));
            continue;
        }
        match catch_unwind(AssertUnwindSafe(|| write(shared, batch))) {
            Ok(Ok(())) => rest = Rest::default(),
            Ok(Err(error)) => rest.begin(error),
            // The database may be locked for ever now. The jobs are dropped, which is heard as a failure.
            Err(panic) => return shared.die(&*panic),
        }
    }
}

/// Fills the queue, and waits where there is nothing to do; `false` when there never will be.
fn gather(shared: &Shared, queue: &mut Queue, tasks: &Receiver<Task>) -> bool {
    loop {
        let task = match tasks.try_recv() {
            Ok(task) => task,
            Err(_) if !queue.is_empty() => return true,
            Err(TryRecvError::Disconnected) => return false,
            Err(TryRecvError::Empty) => match tasks.recv() {
                Ok(task) => task,
                Err(_) => return false,
            },
        };
        match task {
            Task::Write(job) => queue.push(job),
            Task::Compact(done) => drop(done.send(shared.compact())),
            Task::Reopen => {
                shared.asked.store(false, Ordering::Release);
                reopen(shared);
            }
        }
    }
}

/// Commits a batch and answers its jobs. What can fail for one user alone, such as a page that cannot be read, strikes
/// only that one: if the batch fails, its jobs are tried one by one, until two have failed.
fn write(shared: &Shared, batch: Vec<Job>) -> Result<(), StoreError> {
    let Err((batch, error)) = write_together(shared, batch) else { return Ok(()) };
    if batch.len() == 1 {
        return give_up(shared, batch, error);
    }
    let mut failed = 0;
    let mut jobs = batch.into_iter();
    for job in jobs.by_ref() {
        let Err((job, error)) = write_together(shared, vec![job]) else { continue };
        let Err(error) = give_up(shared, job, error) else { continue };
        failed += 1;
        if failed == 2 {
            jobs.for_each(|job| job.fail(&error));
            return Err(error);
        }
    }
    Ok(())
}

/// Answers a job that failed by itself, after a last resort: a user whose bags cannot be read can be deleted without
/// them. Returns the error if it is not of this user alone.
fn give_up(shared: &Shared, job: Vec<Job>, error: StoreError) -> Result<(), StoreError> {
    let (job, error) = match <[Job; 1]>::try_from(job) {
        Ok([Job::Delete { user, done }]) if is_of_one(&error) => match space_after(shared, &user) {
            Ok(space) => match write_together(shared, vec![Job::Bury { user, space, done }]) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            },
            Err(error) => (vec![Job::Delete { user, done }], error),
        },
        Ok(job) => (job.into(), error),
        Err(job) => (job, error),
    };
    job.into_iter().for_each(|job| job.fail(&error));
    if is_of_one(&error) { Ok(()) } else { Err(error) }
}

/// Returns the space of whoever comes next under the key of a user whose rows cannot be read.
fn space_after(shared: &Shared, user: &PublicKey) -> Result<u64, StoreError> {
    let database = shared.database();
    let database = database.as_ref().ok_or(StoreError::Stopped)?;
    let burials = damage::contain(|| reads::burials(&database.begin_read().map_err(reading)?, user))?;
    Ok(damage::readable_space(database, user, burials))
}

/// Tells whether an error has nothing to do with the disk as a whole.
const fn is_of_one(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupted(_))
}

/// Commits jobs together and answers them, or gives them back unanswered.
fn write_together(shared: &Shared, batch: Vec<Job>) -> Result<(), (Vec<Job>, StoreError)> {
    let outcomes = shared.ensure_open().and_then(|()| confirm(shared)).and_then(|()| commit(shared, &batch));
    match outcomes {
        Ok(outcomes) => {
            shared.fresh.store(true, Ordering::Release);
            batch.into_iter().zip(outcomes).for_each(|(job, outcome)| job.succeed(outcome, shared));
            Ok(())
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn Error, "nothing of {} writes was stored", batch.len());
            if !is_of_one(&error) {
                shared.broken.store(true, Ordering::Release);
                reopen(shared);
            }
            Err((batch, error))
        }
    }
}

/// Makes sure that what the database shows is on disk: a bag that is known is answered without a commit.
fn confirm(shared: &Shared) -> Result<(), StoreError> {
    if !shared.confirmed.load(Ordering::Acquire) {
        Medium::confirm(shared.database().as_ref().ok_or(StoreError::Stopped)?).map_err(writing)?;
        shared.confirmed.store(true, Ordering::Release);
    }
    Ok(())
}

/// Opens the database again if it broke, at once for the sake of those who read.
fn reopen(shared: &Shared) {
    // If it fails, the next job that is carried out tries again.
    if let Err(error) = shared.ensure_open() {
        tracing::error!(error = &error as &dyn Error, "the data file could not be opened again");
    }
}

fn commit(shared: &Shared, batch: &[Job]) -> Result<Vec<Outcome>, StoreError> {
    let database = shared.database();
    let database = database.as_ref().ok_or(StoreError::Stopped)?;
    damage::look_ahead(database, batch)?;
    let mut txn = database.begin_write().map_err(writing)?;
    // Two phases: what a failed sync leaves behind is then never taken for stored. And no crash makes the next start
    // read the whole file.
    txn.set_quick_repair(true);
    let mut tables = Tables::open(&txn)?;
    let outcomes = batch.iter().map(|job| job.carry_out(&mut tables)).collect::<Result<_, _>>()?;
    let changed = tables.changed();
    drop(tables);
    // A commit of nothing would still cost an fsync.
    if changed {
        txn.commit().map_err(writing)?
    } else {
        txn.abort().map_err(writing)?
    }
    Ok(outcomes)
}

/// How long writes are refused after failures in a row: not at all after the first one, which may be a passing one. A
/// full disk must not keep those waiting who read.
#[derive(Debug, Default)]
struct Rest {
    failures: u32,
    until: Option<(Instant, StoreError)>,
}

impl Rest {
    fn begin(&mut self, error: StoreError) {
        let pause = Duration::from_millis(5 << self.failures.min(10)).min(LONGEST_REST);
        self.until = (self.failures > 0).then(|| (Instant::now() + pause, error));
        self.failures = self.failures.saturating_add(1);
    }

    fn error(&self) -> Option<&StoreError> {
        self.until.as_ref().filter(|(until, _)| Instant::now() < *until).map(|(_, error)| error)
    }
}

impl Job {
    fn carry_out(&self, tables: &mut Tables<'_>) -> Result<Outcome, StoreError> {
        match self {
            Self::Register { user, .. } => tables.register(user).map(|()| Outcome::Registered),
            Self::Append { user, bags, .. } => tables.append(user, bags).map(Outcome::Appended),
            Self::Delete { user, .. } => tables.delete(user).map(Outcome::Deleted),
            Self::Bury { user, space, .. } => {
                tracing::warn!(%user, "deleting an account that cannot be read: its bags stay in the file, unseen");
                tables.bury(user, *space).map(Outcome::Deleted)
            }
            Self::SwapNote { name, old, new, .. } => {
                tables.swap_note(name, old.as_deref(), new.as_deref()).map(Outcome::Swapped)
            }
        }
    }

    /// Tells what was committed: those who watch before the caller, so that no hint is behind what the caller knows.
    fn succeed(self, outcome: Outcome, Shared { feed, lasts, .. }: &Shared) {
        // Whoever asked may have gone.
        match (self, outcome) {
            (Self::Register { done, .. }, Outcome::Registered) => drop(done.send(Ok(()))),
            (Self::Append { user, done, .. }, Outcome::Appended(appended)) => {
                let newest = appended.placed.iter().rfind(|placed| placed.is_new());
                if let Some(last) = newest.map(|placed| Placed::seq(*placed)) {
                    lasts.committed(user, last);
                    feed.report(Change::Appended { user, last });
                }
                let _ = done.send(appended);
            }
            (Self::Delete { user, done } | Self::Bury { user, done, .. }, Outcome::Deleted(known)) => {
                lasts.deleted(&user);
                feed.report(Change::Deleted { user });
                let _ = done.send(Ok(known));
            }
            (Self::SwapNote { done, .. }, Outcome::Swapped(swapped)) => drop(done.send(Ok(swapped))),
            (job, _) => job.fail(&StoreError::Stopped),
        }
    }

    fn fail(self, error: &StoreError) {
        match self {
            Self::Register { done, .. } => drop(done.send(Err(error.clone()))),
            Self::Append { done, .. } => drop(done.send(Appended::nothing(error.clone()))),
            Self::Delete { done, .. } | Self::Bury { done, .. } | Self::SwapNote { done, .. } => {
                drop(done.send(Err(error.clone())))
            }
        }
    }
}
