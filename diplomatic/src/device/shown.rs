//! The state that is shown: many read it, one changes it.

use std::cell::RefCell;
use std::fmt;
use std::hint;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

/// How often somebody looks for a turn before sleeping, and for how long in between: some ten microseconds in all.
const PATIENCE: u32 = 32;
const A_MOMENT: u32 = 32;

/// A state with many readers and one writer. A nested read on the same thread succeeds even while a writer is waiting; with
/// the standard library's lock, it would deadlock.
///
/// Readers and writers take turns: whoever begins to read lets a waiting writer go first, and a writer first lets those
/// read who waited for the last change. During a long change, it [lets them](ChangeGuard::let_readers_in) wherever the
/// state is one that may be seen.
///
/// Everything else that could only deadlock panics at once: a read inside a change, such as in a reducer, and a change
/// inside a read.
pub(crate) struct Shown<R> {
    state: RwLock<R>,
    turns: Mutex<Turns>,
    turn: Condvar,
    /// As many readers wait, to be looked at during a change.
    waiting: AtomicUsize,
}

/// Who waits.
#[derive(Debug, Default)]
struct Turns {
    /// How many want to change the state.
    changing: usize,
    /// How many want to read it.
    reading: usize,
    /// The number of the next reader that has to wait.
    next: u64,
    /// Those with smaller numbers read before the next change, and so many of them are still waiting.
    before: u64,
    first: usize,
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
        Self {
            state: RwLock::new(state),
            turns: Mutex::new(Turns::default()),
            turn: Condvar::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Reads the state.
    ///
    /// # Panics
    ///
    /// Panics if this thread is changing it.
    pub(crate) fn read(&self) -> ReadGuard<'_, R> {
        assert!(!self.is_here(Act::Changing), "the state cannot be read while an event is applied to it: use `self`");
        let is_nested = self.is_here(Act::Reading);
        let mut turns = self.turns();
        let mut number = None;
        let mut patience = PATIENCE;
        // No lock call blocks while `turns` is held, and nobody queues up in the lock itself.
        let guard = loop {
            if is_nested || turns.changing == 0 || number.is_some_and(|number| number < turns.before) {
                match self.state.try_read() {
                    Ok(guard) => break guard,
                    Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                    Err(TryLockError::WouldBlock) => {}
                }
            }
            if number.is_none() {
                number = Some(turns.next);
                turns.next += 1;
                turns.reading += 1;
                self.waiting.store(turns.reading, Ordering::Relaxed);
            }
            turns = self.wait(turns, &mut patience);
        };
        if let Some(number) = number {
            turns.reading -= 1;
            turns.first -= usize::from(number < turns.before);
            self.waiting.store(turns.reading, Ordering::Relaxed);
        }
        drop(turns);
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
        let guard = self.lock(self.turns());
        self.enter(Act::Changing);
        ChangeGuard { shown: self, guard: Some(guard) }
    }

    /// Waits until those have read whose turn it is, and nobody reads.
    fn lock<'a>(&'a self, mut turns: MutexGuard<'a, Turns>) -> RwLockWriteGuard<'a, R> {
        turns.changing += 1;
        let mut patience = PATIENCE;
        loop {
            if turns.first == 0 {
                let guard = match self.state.try_write() {
                    Ok(guard) => Some(guard),
                    Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                    Err(TryLockError::WouldBlock) => None,
                };
                if let Some(guard) = guard {
                    turns.changing -= 1;
                    return guard;
                }
            }
            turns = self.wait(turns, &mut patience);
        }
    }

    /// Waits until there may be a turn. Most turns come within microseconds; who sleeps for one may have to wait much longer
    /// until a core wakes it up, so the first waits are busy ones.
    fn wait<'a>(&'a self, turns: MutexGuard<'a, Turns>, patience: &mut u32) -> MutexGuard<'a, Turns> {
        let Some(left) = patience.checked_sub(1) else {
            return self.turn.wait(turns).unwrap_or_else(PoisonError::into_inner);
        };
        *patience = left;
        drop(turns);
        (0..A_MOMENT).for_each(|_| hint::spin_loop());
        self.turns()
    }

    /// Gives those their turn who wait to read, after the lock is free.
    fn invite(&self) -> MutexGuard<'_, Turns> {
        let mut turns = self.turns();
        (turns.before, turns.first) = (turns.next, turns.reading);
        self.turn.notify_all();
        turns
    }

    /// Panics if this thread is reading the state, for what might have to wait until it is not.
    pub(crate) fn assert_not_read_here(&self) {
        assert!(
            !self.is_here(Act::Reading),
            "inside `read`, nothing but the state can be used: return what you need from it, and go on after it"
        );
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn leave(&self, act: Act) {
        ACTS.with_borrow_mut(|acts| {
            if let Some(place) = acts.iter().rposition(|entry| *entry == (self.address(), act)) {
                acts.swap_remove(place);
            }
        });
    }
}

impl<R> ChangeGuard<'_, R> {
    /// Lets those read who are waiting for it, before the change goes on.
    pub(crate) fn let_readers_in(&mut self) {
        if self.shown.waiting.load(Ordering::Relaxed) > 0 {
            drop(self.guard.take());
            self.guard = Some(self.shown.lock(self.shown.invite()));
        }
    }
}

impl<R> Drop for ReadGuard<'_, R> {
    fn drop(&mut self) {
        drop(self.guard.take());
        self.shown.leave(Act::Reading);
        let turns = self.shown.turns();
        self.shown.turn.notify_all();
        drop(turns);
    }
}

impl<R> Drop for ChangeGuard<'_, R> {
    fn drop(&mut self) {
        drop(self.guard.take());
        self.shown.leave(Act::Changing);
        drop(self.shown.invite());
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
        while shown.turns().changing == 0 {
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
    fn a_reader_waits_for_one_step_of_a_long_change() {
        const STEPS: u32 = 1_000;
        let shown = Shown::new(0);
        thread::scope(|scope| {
            let mut changing = shown.change();
            let reading = scope.spawn(|| *shown.read());
            for step in 1..=STEPS {
                *changing += 1;
                while step == STEPS / 2 && shown.turns().reading == 0 {
                    thread::yield_now();
                }
                changing.let_readers_in();
            }
            drop(changing);
            let seen = reading.join().unwrap();
            assert!(seen <= STEPS / 2, "{seen}");
        });
        assert_eq!(*shown.read(), STEPS);
    }

    #[test]
    fn whoever_waits_to_read_gets_a_turn_between_changes_without_pause() {
        let shown = Shown::new(0_u64);
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                for _ in 0..100 {
                    drop(shown.read());
                }
            });
            while !reading.is_finished() {
                *shown.change() += 1;
            }
        });
    }

    #[test]
    fn a_steady_stream_of_readers_does_not_hold_up_a_long_change() {
        let shown = Shown::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| while *shown.read() < 10_000 {});
            }
            let mut changing = shown.change();
            for _ in 0..10_000 {
                *changing += 1;
                changing.let_readers_in();
            }
        });
        assert_eq!(*shown.read(), 10_000);
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
