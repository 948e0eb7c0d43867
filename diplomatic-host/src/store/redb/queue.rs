//! What waits for the writer, taken in turns between the users.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use diplomatic::standard::{PublicKey, VerifiedBag};
use tokio::sync::oneshot::Sender;

use crate::store::{Appended, StoreError};

/// How many bytes of bags one commit takes before the others wait for the next: it bounds how long a small push waits
/// behind large ones. A single job may be larger, for it is stored as a whole.
const COMMIT_BYTES: usize = 4 << 20;
/// How many bags one commit takes; a registration counts as one.
const COMMIT_BAGS: usize = 8192;
/// The longest pause of large jobs.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How many bytes make a job large, as the pieces of an upload are.
const LARGE: usize = 64 << 10;

/// Something to write.
#[derive(Debug)]
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
    /// Deletes a user whose bags cannot be read, and says which space a later one of this key gets.
    Bury {
        user: PublicKey,
        space: u64,
        done: Sender<Result<bool, StoreError>>,
    },
    SwapNote {
        name: String,
        old: Option<String>,
        new: Option<String>,
        done: Sender<Result<bool, StoreError>>,
    },
}

/// Whose turn it is when the host writes for itself.
const HOST: &PublicKey = &PublicKey::from_bytes([0; 32]);

impl Job {
    pub(super) const fn user(&self) -> &PublicKey {
        match self {
            Self::Register { user, .. }
            | Self::Append { user, .. }
            | Self::Delete { user, .. }
            | Self::Bury { user, .. } => user,
            Self::SwapNote { .. } => HOST,
        }
    }

    fn is_large(&self) -> bool {
        self.size().0 > LARGE
    }

    /// Returns how many bytes and how many bags it adds to a commit, roughly.
    pub(super) fn size(&self) -> (usize, usize) {
        match self {
            Self::Append { bags, .. } => {
                let size =
                    |bag: &VerifiedBag| bag.as_bag().head.head.as_bytes().len() + bag.as_bag().body.as_bytes().len();
                (bags.iter().map(size).sum(), bags.len().max(1))
            }
            Self::Register { .. } | Self::Delete { .. } | Self::Bury { .. } | Self::SwapNote { .. } => (0, 1),
        }
    }
}

/// Jobs by user: whoever sends many waits for his own, and not for those of others.
///
/// While others write as well, large jobs have at most half of the time: after a commit with both, they pause for as long as
/// it took. A small job that just missed it is then stored in a quick one. And where the disk gets slow, uploads get slow
/// before everyone else does.
#[derive(Debug, Default)]
pub(super) struct Queue {
    users: HashMap<PublicKey, VecDeque<Job>>,
    /// Users with jobs, in the order of their turns; each is here once.
    turns: VecDeque<PublicKey>,
    /// How many of the users have a small job next.
    small: usize,
    /// Until when large jobs pause.
    pause: Option<Instant>,
}

/// What is in a commit, as far as it matters for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mixture {
    large: bool,
    small: bool,
}

impl Mixture {
    pub(super) fn of(batch: &[Job]) -> Self {
        Self { large: batch.iter().any(Job::is_large), small: batch.iter().any(|job| !job.is_large()) }
    }
}

impl Queue {
    pub(super) fn push(&mut self, job: Job) {
        let user = *job.user();
        let jobs = self.users.entry(user).or_default();
        if jobs.is_empty() {
            self.turns.push_back(user);
            self.small += usize::from(!job.is_large());
        }
        jobs.push_back(job);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Returns how long to wait until there is something to take; `None` if nothing waits.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let pause = self.pause.filter(|_| self.small == 0).map_or(Duration::ZERO, |until| until.duration_since(now));
        (!self.is_empty()).then_some(pause)
    }

    /// Takes the jobs of the next commit: one of each user in turn, until it is full.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Job> {
        let pausing = self.pause.is_some_and(|until| now < until);
        let (mut batch, mut bytes, mut bags) = (Vec::new(), 0, 0);
        let mut passed_over = VecDeque::new();
        while bytes < COMMIT_BYTES && bags < COMMIT_BAGS {
            let Some(user) = self.turns.pop_front() else { break };
            let Some(jobs) = self.users.get_mut(&user) else { continue };
            if pausing && jobs.front().is_some_and(Job::is_large) {
                passed_over.push_back(user);
                continue;
            }
            if let Some(job) = jobs.pop_front() {
                let (more_bytes, more_bags) = job.size();
                bytes += more_bytes;
                bags += more_bags;
                self.small -= usize::from(!job.is_large());
                batch.push(job);
            }
            match jobs.front() {
                None => drop(self.users.remove(&user)),
                Some(next) => {
                    self.small += usize::from(!next.is_large());
                    self.turns.push_back(user);
                }
            }
        }
        // Their turn is still theirs.
        passed_over.append(&mut self.turns);
        self.turns = passed_over;
        batch
    }

    /// Notes how long a commit took that ended now.
    pub(super) fn note(&mut self, committed: Mixture, took: Duration, now: Instant) {
        if committed.large {
            self.pause = (committed.small || self.small > 0).then(|| now + took.min(LONGEST_PAUSE));
        }
    }

    /// Lets large jobs go on at once.
    pub(super) fn end_pause(&mut self) {
        self.pause = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::contract::Account;

    fn push(queue: &mut Queue, account: &Account, body: usize) {
        let (done, _) = oneshot::channel();
        queue.push(Job::Append { user: account.key(), bags: account.verified(1, body), done });
    }

    #[test]
    fn a_small_push_is_in_the_first_commit_whatever_another_user_has_waiting() {
        let (greedy, modest) = (Account::new(1), Account::new(2));
        let mut queue = Queue::default();
        for _ in 0..20 {
            push(&mut queue, &greedy, COMMIT_BYTES / 3);
        }
        push(&mut queue, &modest, 10);
        let users: Vec<_> = queue.take(Instant::now()).iter().map(|job| *job.user()).collect();
        assert_eq!(users, [greedy.key(), modest.key(), greedy.key(), greedy.key()]);
        let mut rest = 0;
        while !queue.is_empty() {
            let batch = queue.take(Instant::now());
            assert!(batch.len() <= 3);
            rest += batch.len();
        }
        assert_eq!(rest, 17);
        assert!(queue.users.is_empty());
    }
    #[test]
    fn an_upload_has_at_most_half_of_the_time_while_others_write_and_all_of_it_when_they_do_not() {
        let (greedy, modest) = (Account::new(1), Account::new(2));
        let mut queue = Queue::default();
        let mut now = Instant::now();
        let took = Duration::from_millis(10);
        let users = |batch: &[Job]| batch.iter().map(|job| *job.user()).collect::<Vec<_>>();
        push(&mut queue, &greedy, LARGE + 1);
        push(&mut queue, &modest, 10);
        push(&mut queue, &greedy, LARGE + 1);
        let batch = queue.take(now);
        assert_eq!(users(&batch), [greedy.key(), modest.key(), greedy.key()]);
        now += took;
        queue.note(Mixture::of(&batch), took, now);

        // What comes now is stored without the upload, which keeps its turn.
        push(&mut queue, &greedy, LARGE + 1);
        assert_eq!(queue.wait(now), Some(took));
        push(&mut queue, &modest, 10);
        assert_eq!(queue.wait(now), Some(Duration::ZERO));
        let batch = queue.take(now);
        assert_eq!(users(&batch), [modest.key()]);
        queue.note(Mixture::of(&batch), Duration::from_millis(1), now);
        now += took - Duration::from_nanos(1);
        assert_eq!(queue.wait(now), Some(Duration::from_nanos(1)));
        assert!(queue.take(now).is_empty());
        now += Duration::from_nanos(1);
        let batch = queue.take(now);
        assert_eq!(users(&batch), [greedy.key()]);

        // Nobody else is there.
        queue.note(Mixture::of(&batch), took, now);
        push(&mut queue, &greedy, LARGE + 1);
        assert_eq!(queue.wait(now), Some(Duration::ZERO));
        assert_eq!(queue.take(now).len(), 1);
        assert_eq!(queue.wait(now), None);
        assert_eq!((queue.small, queue.users.len()), (0, 0));
    }
}
