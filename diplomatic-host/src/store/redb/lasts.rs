//! The last seqs of users who called lately, so that most calls need not ask the file who calls.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use diplomatic::standard::{PublicKey, Seq};

/// How many users are remembered, at some 60 bytes each.
const MOST: usize = 65_536;

/// What the file says of users, as of its last commit or earlier than the answer to the one under way.
#[derive(Debug, Default)]
pub(super) struct Lasts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    users: HashMap<PublicKey, Seq>,
    /// Changes whenever something is forgotten: what was read before is not remembered afterwards.
    generation: u64,
}

/// When a read began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation(u64);

impl Lasts {
    /// Returns a user's last seq, or when a read for it begins.
    pub(super) fn of(&self, user: &PublicKey) -> Result<Seq, Generation> {
        let state = self.state();
        state.users.get(user).copied().ok_or(Generation(state.generation))
    }

    /// Remembers what a read found, unless that may be outdated.
    pub(super) fn found(&self, began: Generation, user: PublicKey, last: Seq) {
        let mut state = self.state();
        if state.generation == began.0 {
            state.make_room();
            state.users.entry(user).or_insert(last);
        }
    }

    /// Remembers what was committed.
    pub(super) fn committed(&self, user: PublicKey, last: Seq) {
        let mut state = self.state();
        state.make_room();
        state.users.insert(user, last);
    }

    /// Forgets a user who was deleted.
    pub(super) fn deleted(&self, user: &PublicKey) {
        let mut state = self.state();
        state.users.remove(user);
        state.generation += 1;
    }

    /// Forgets everything, for the file may show something else now.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.users.clear();
        state.generation += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn make_room(&mut self) {
        if self.users.len() >= MOST {
            self.users.clear();
            self.generation += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_deletion_or_a_commit_is_not_remembered_over_it() {
        let lasts = Lasts::default();
        let user = PublicKey::from_bytes([7; 32]);
        let (one, two) = (Seq::new(1).unwrap(), Seq::new(2).unwrap());
        let began = lasts.of(&user).unwrap_err();
        lasts.committed(user, two);
        lasts.found(began, user, one);
        assert_eq!(lasts.of(&user).unwrap(), two);
        lasts.deleted(&user);
        lasts.found(began, user, two);
        let began = lasts.of(&user).unwrap_err();
        lasts.found(began, user, one);
        assert_eq!(lasts.of(&user).unwrap(), one);
        lasts.clear();
        assert!(lasts.of(&user).is_err());
    }
}
