//! What waits for the writer, taken in turns between the users.

use std::collections::{HashMap, VecDeque};

use diplomatic::standard::{PublicKey, VerifiedBag};
use tokio::sync::oneshot::Sender;

use crate::store::{Appended, StoreError};

/// How many bytes of bags one commit takes before the others wait for the next: it bounds how long a small push waits
/// behind large ones. A single job may be larger, for it is stored as a whole.
const COMMIT_BYTES: usize = 4 << 20;
/// How many bags one commit takes; a registration counts as one.
const COMMIT_BAGS: usize = 8192;

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
#[derive(Debug, Default)]
pub(super) struct Queue {
    users: HashMap<PublicKey, VecDeque<Job>>,
    /// Users with jobs, in the order of their turns; each is here once.
    turns: VecDeque<PublicKey>,
}

impl Queue {
    pub(super) fn push(&mut self, job: Job) {
        let user = *job.user();
        let jobs = self.users.entry(user).or_default();
        if jobs.is_empty() {
            self.turns.push_back(user);
        }
        jobs.push_back(job);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Takes the jobs of the next commit: one of each user in turn, until it is full.
    pub(super) fn take(&mut self) -> Vec<Job> {
        let (mut batch, mut bytes, mut bags) = (Vec::new(), 0, 0);
        while bytes < COMMIT_BYTES && bags < COMMIT_BAGS {
            let Some(user) = self.turns.pop_front() else { break };
            let Some(jobs) = self.users.get_mut(&user) else { continue };
            if let Some(job) = jobs.pop_front() {
                let (more_bytes, more_bags) = job.size();
                bytes += more_bytes;
                bags += more_bags;
                batch.push(job);
            }
            if jobs.is_empty() {
                self.users.remove(&user);
            } else {
                self.turns.push_back(user);
            }
        }
        batch
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
        let users: Vec<_> = queue.take().iter().map(|job| *job.user()).collect();
        assert_eq!(users, [greedy.key(), modest.key(), greedy.key(), greedy.key()]);
        let mut rest = 0;
        while !queue.is_empty() {
            let batch = queue.take();
            assert!(batch.len() <= 3);
            rest += batch.len();
        }
        assert_eq!(rest, 17);
        assert!(queue.users.is_empty());
    }
}
