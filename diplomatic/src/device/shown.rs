//! The state that is shown: many read it, one changes it.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A state with many readers and one writer. A nested read on the same thread succeeds even while a writer is waiting; with
/// the standard library's lock, it would deadlock.
///
/// Everything else that could only deadlock panics at once: a read inside a change, such as in a reducer, and a change
/// inside a read.
pub(crate) struct Shown<R> {
    state: RwLock<R>,
    /// How many want to change the state: whoever begins to read lets them go first.
    waiting: Mutex<usize>,
    turn: Condvar,
}

/// A state that is being read.
pub(crate) struct ReadGuard<'a, R> {
    shown: &'a Shown<R>,
    guard: Option<RwLockReadGuard<'a, R>>,
}

/// A state that is being changed.
pub(crate) struct ChangeGuard<'a, R> {
    shown: &'a Shown<R>,
    guard: Option<RwLockWriteGuard<'a, R>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Reading,
    Changing,
}

thread_local! {
    /// What this thread is doing with which states, by their addresses.
    static ACTS: RefCell<Vec<(usize, Act)>> = const { RefCell::new(Vec::new()) };
}

impl<R> Shown<R> {
    pub(crate) fn new(state: R) -> Self {
        Self { state: RwLock::new(state), waiting: Mutex::new(0), turn: Condvar::new() }
    }

    /// Reads the state.
    ///
    /// # Panics
    ///
    /// Panics if this thread is changing it.
    pub(crate) fn read(&self) -> ReadGuard<'_, R> {
        assert!(!self.is_here(Act::Changing), "the state cannot be read while an event is applied to it: use `self`");
        let is_nested = self.is_here(Act::Reading);
        let mut waiting = self.waiting();
        // No lock call blocks while `waiting` is held, and nobody queues up in the lock itself.
        let guard = loop {
            if is_nested || *waiting == 0 {
                match self.state.try_read() {
                    Ok(guard) => break guard,
                    Err(std::sync::TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                    Err(std::sync::TryLockError::WouldBlock) => {}
                }
            }
            waiting = self.turn.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        };
        drop(waiting);
        self.enter(Act::Reading);
        ReadGuard { shown: self, guard: Some(guard) }
    }

    /// Changes the state once nobody is reading it.
    ///
    /// # Panics
    ///
    /// Panics if this thread is reading or changing it.
    pub(crate) fn change(&self) -> ChangeGuard<'_, R> {
        self.assert_not_read_here();
        assert!(!self.is_here(Act::Changing), "the state is being changed by this thread already");
        let mut waiting = self.waiting();
        *waiting += 1;
        let guard = loop {
            match self.state.try_write() {
                Ok(guard) => break guard,
                Err(std::sync::TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(std::sync::TryLockError::WouldBlock) => {}
            }
            waiting = self.turn.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        };
        *waiting -= 1;
        drop(waiting);
        self.enter(Act::Changing);
        ChangeGuard { shown: self, guard: Some(guard) }
    }

    /// Panics if this thread is reading the state, for what might have to wait until it is not.
    pub(crate) fn assert_not_read_here(&self) {
        assert!(
            !self.is_here(Act::Reading),
            "inside `read`, nothing but the state can be used: return what you need from it, and go on after it"
        );
    }

    fn waiting(&self) -> MutexGuard<'_, usize> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn is_here(&self, act: Act) -> bool {
        ACTS.with_borrow(|acts| acts.contains(&(self.address(), act)))
    }

    fn enter(&self, act: Act) {
        ACTS.with_borrow_mut(|acts| acts.push((self.address(), act)));
    }

    /// Lets others have their turn, after the lock is free.
    fn leave(&self, act: Act) {
        ACTS.with_borrow_mut(|acts| {
            if let Some(place) = acts.iter().rposition(|entry| *entry == (self.address(), act)) {
                acts.swap_remove(place);
            }
        });
        let waiting = self.waiting();
        self.turn.notify_all();
        drop(waiting);
    }
}

impl<R> Drop for ReadGuard<'_, R> {
    fn drop(&mut self) {
        drop(self.guard.take());
        self.shown.leave(Act::Reading);
    }
}

impl<R> Drop for ChangeGuard<'_, R> {
    fn drop(&mut self) {
        drop(self.guard.take());
        self.shown.leave(Act::Changing);
    }
}

impl<R> Deref for ReadGuard<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.guard.as_deref().expect("it is there until this is dropped")
    }
}

impl<R> Deref for ChangeGuard<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.guard.as_deref().expect("it is there until this is dropped")
    }
}

impl<R> DerefMut for ChangeGuard<'_, R> {
    fn deref_mut(&mut self) -> &mut R {
        self.guard.as_deref_mut().expect("it is there until this is dropped")
    }
}

impl<R> fmt::Debug for Shown<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_read_inside_a_read_goes_through_while_somebody_waits_to_change_the_state() {
        let shown = Arc::new(Shown::new(1));
        let outer = shown.read();
        let changing = thread::spawn({
            let shown = shown.clone();
            move || *shown.change() += 1
        });
        while *shown.waiting() == 0 {
            thread::yield_now();
        }
        assert_eq!(*shown.read(), 1);
        drop(outer);
        changing.join().unwrap();
        assert_eq!(*shown.read(), 2);
    }

    #[test]
    fn whoever_waits_to_change_the_state_gets_a_turn_among_many_readers() {
        let shown = Arc::new(Shown::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| while *shown.read() < 100 {});
            }
            for _ in 0..100 {
                *shown.change() += 1;
            }
        });
        assert_eq!(*shown.read(), 100);
    }

    #[test]
    fn what_could_only_wait_for_ever_panics() {
        let shown = Shown::new(0);
        let refused = |act: &dyn Fn()| catch_unwind(AssertUnwindSafe(act)).is_err();
        let reading = shown.read();
        assert!(refused(&|| drop(shown.change())));
        drop(reading);
        let changing = shown.change();
        assert!(refused(&|| drop(shown.read())));
        assert!(refused(&|| drop(shown.change())));
        drop(changing);
        *shown.change() += 1;
        assert_eq!(*shown.read(), 1);
    }
}
