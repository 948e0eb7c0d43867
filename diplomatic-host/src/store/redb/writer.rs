//! The one writer: takes every waiting write, commits them together, answers all.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use diplomatic::standard::{PublicKey, VerifiedBag};
use tokio::sync::oneshot::Sender;

use super::tables::Tables;
use super::{Shared, writing};
use crate::store::{Appended, Change, Feed, Placed, StoreError};

/// How many bytes of bags one commit takes before the others wait for the next: it bounds how long a small push waits
/// behind large ones. A single push may be larger, for it is stored as a whole.
const COMMIT_BYTES: usize = 8 << 20;
/// How many writes one commit takes.
const COMMIT_WRITES: usize = 4096;

/// Something for the writer to do.
pub(super) enum Job {
    Register {
        user: PublicKey,
        done: Sender<Result<(), StoreError>>,
    },
    Append {
        user: PublicKey,
        bags: Vec<VerifiedBag>,
        done: Sender<Appended>,
    },
    Delete {
        user: PublicKey,
        done: Sender<Result<bool, StoreError>>,
    },
    /// A reader met an I/O error, after which the database refuses everything until it is opened again.
    Reopen,
}

/// What a job comes to, not to be told before the commit.
enum Outcome {
    Registered,
    Appended(Appended),
    Deleted(bool),
    Nothing,
}

/// How long writes are refused after one failed, in multiples of what it took to open the file again. A full disk must
/// not keep those waiting who read.
const REST: u32 = 10;

/// Runs until every sender of jobs is gone, and carries out what they sent.
pub(super) fn run(shared: &Shared, jobs: &Receiver<Job>) {
    let mut resting: Option<(Instant, StoreError)> = None;
    while let Ok(first) = jobs.recv() {
        let batch = gather(first, jobs);
        shared.asked.store(false, Ordering::Release);
        if let Some((_, error)) = resting.as_ref().filter(|(until, _)| Instant::now() < *until) {
            batch.into_iter().for_each(|job| job.fail(error));
            continue;
        }
        resting = match shared.ensure_open().and_then(|()| commit(shared, &batch)) {
            Ok(outcomes) => {
                batch.into_iter().zip(outcomes).for_each(|(job, outcome)| job.succeed(outcome, &shared.feed));
                None
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "nothing of {} writes was stored", batch.len());
                batch.into_iter().for_each(|job| job.fail(&error));
                Some((recover(shared), error))
            }
        };
    }
}

/// Opens the database again, at once for the sake of those who read, and returns when to write again.
fn recover(shared: &Shared) -> Instant {
    let started = Instant::now();
    shared.broken.store(true, Ordering::Release);
    // If it fails, the next job that is carried out tries again.
    if let Err(error) = shared.ensure_open() {
        tracing::error!(error = &error as &dyn Error, "the data file could not be opened again");
    }
    Instant::now() + REST * started.elapsed()
}

/// Takes what waits already; nobody is kept waiting for more to come.
fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let mut bytes = first.size();
    let mut batch = vec![first];
    while bytes < COMMIT_BYTES && batch.len() < COMMIT_WRITES {
        let Ok(job) = jobs.try_recv() else { break };
        bytes += job.size();
        batch.push(job);
    }
    batch
}

fn commit(shared: &Shared, batch: &[Job]) -> Result<Vec<Outcome>, StoreError> {
    let database = shared.database();
    let txn = database.as_ref().ok_or(StoreError::Stopped)?.begin_write().map_err(writing)?;
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

impl Job {
    fn size(&self) -> usize {
        match self {
            Self::Append { bags, .. } => bags
                .iter()
                .map(VerifiedBag::as_bag)
                .map(|bag| bag.head.head.as_bytes().len() + bag.body.as_bytes().len())
                .sum(),
            Self::Register { .. } | Self::Delete { .. } | Self::Reopen => 0,
        }
    }

    fn carry_out(&self, tables: &mut Tables<'_>) -> Result<Outcome, StoreError> {
        match self {
            Self::Register { user, .. } => tables.register(user).map(|()| Outcome::Registered),
            Self::Append { user, bags, .. } => tables.append(user, bags).map(Outcome::Appended),
            Self::Delete { user, .. } => tables.delete(user).map(Outcome::Deleted),
            Self::Reopen => Ok(Outcome::Nothing),
        }
    }

    /// Tells what was committed: those who watch before the caller, so that no hint is behind what the caller knows.
    fn succeed(self, outcome: Outcome, feed: &Feed) {
        // Whoever asked may have gone.
        match (self, outcome) {
            (Self::Register { done, .. }, Outcome::Registered) => drop(done.send(Ok(()))),
            (Self::Append { user, done, .. }, Outcome::Appended(appended)) => {
                let newest = appended.placed.iter().rfind(|placed| placed.is_new());
                if let Some(last) = newest.map(|placed| Placed::seq(*placed)) {
                    feed.report(Change::Appended { user, last });
                }
                let _ = done.send(appended);
            }
            (Self::Delete { user, done }, Outcome::Deleted(known)) => {
                feed.report(Change::Deleted { user });
                let _ = done.send(Ok(known));
            }
            (job, _) => job.fail(&StoreError::Stopped),
        }
    }

    fn fail(self, error: &StoreError) {
        match self {
            Self::Register { done, .. } => drop(done.send(Err(error.clone()))),
            Self::Append { done, .. } => drop(done.send(Appended::nothing(error.clone()))),
            Self::Delete { done, .. } => drop(done.send(Err(error.clone()))),
            Self::Reopen => {}
        }
    }
}
