//! The same work on many things, on a few threads.
//!
//! Where the system has no threads, as in a browser, all of it is done in place.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

/// Fewer things than this are not worth a thread.
const SHARE: usize = 128;

/// The most threads that are taken unless the caller says so.
const USUAL: usize = 4;

/// How many batches a worker of a pipeline has at once: one to work on, and one so that it need not wait.
const AHEAD: usize = 2;

/// Returns how many threads are worth having here: one for each core, up to four.
pub(crate) fn usual_threads() -> NonZero<usize> {
    let most = NonZero::new(USUAL).expect("4 is not 0");
    thread::available_parallelism().map_or(NonZero::<usize>::MIN, |cores| cores.min(most))
}

/// Drops a value that may be large, on another thread if there is one to be had.
#[cfg(feature = "store")]
pub(crate) fn discard<T: Send + 'static>(value: T) {
    discard_boxed(Box::new(value));
}

#[cfg(feature = "store")]
fn discard_boxed(value: Box<dyn Send>) {
    // Without a thread, it is dropped here.
    drop(thread::Builder::new().name("discard".to_owned()).spawn(move || drop(value)));
}

/// Runs `here` on this thread while `beside` runs on another, if there is more than one to have.
pub(crate) fn join<A, B: Send>(
    threads: NonZero<usize>,
    here: impl FnOnce() -> A,
    beside: impl FnOnce() -> B + Send,
) -> (A, B) {
    if threads.get() == 1 {
        return (here(), beside());
    }
    thread::scope(|scope| {
        let other = scope.spawn(beside);
        let here = here();
        (here, other.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Does `work` on every item, and returns the results in the order of the items.
pub(crate) fn map<T: Send, U: Send>(
    threads: NonZero<usize>,
    mut items: Vec<T>,
    work: impl Fn(T) -> U + Sync,
) -> Vec<U> {
    let threads = threads.get().min(items.len() / SHARE).max(1);
    let share = items.len().div_ceil(threads);
    let mut shares = Vec::with_capacity(threads);
    for number in (1..threads).rev() {
        shares.push(items.split_off((number * share).min(items.len())));
    }
    let work = &work;
    thread::scope(|scope| {
        // The first share is this thread's.
        let others: Vec<_> = shares
            .into_iter()
            .rev()
            .map(|share| scope.spawn(move || share.into_iter().map(work).collect::<Vec<U>>()))
            .collect();
        let mut results: Vec<U> = items.into_iter().map(work).collect();
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results
    })
}

/// Does `work` on every item on other threads while `here` runs on this one, which then helps. Returns the results in the
/// order of the items.
pub(crate) fn beside<A, T: Send, U: Send>(
    threads: NonZero<usize>,
    here: impl FnOnce() -> A,
    items: Vec<T>,
    work: impl Fn(T) -> U + Sync,
) -> (A, Vec<U>) {
    let others = (threads.get() - 1).min(items.len());
    let mut results: Vec<Option<U>> = items.iter().map(|_| None).collect();
    let queue = Mutex::new(items.into_iter().zip(&mut results));
    // It is locked only in here, where nothing panics. In the head of a loop, it would be locked in its body, too.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let help = || {
        while let Some((item, result)) = next() {
            *result = Some(work(item));
        }
    };
    let here = thread::scope(|scope| {
        let others: Vec<_> = (0..others).map(|_| scope.spawn(help)).collect();
        let here = here();
        help();
        others.into_iter().for_each(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        here
    });
    drop(queue);
    (here, results.into_iter().flatten().collect())
}

/// Does `work` on every batch that `produce` returns, and hands the results to `consume` in the order of the batches.
///
/// `produce` and `consume` run on this thread, so they may borrow what cannot be shared; `work` runs on `threads`
/// others. Only a few batches are in memory at once. The first error in the order of the batches ends it.
pub(crate) fn pipeline<T: Send, U: Send, E>(
    threads: NonZero<usize>,
    mut produce: impl FnMut() -> Result<Option<T>, E>,
    work: impl Fn(T) -> U + Sync,
    mut consume: impl FnMut(U) -> Result<(), E>,
) -> Result<(), E> {
    let Some(first) = produce()? else { return Ok(()) };
    if threads.get() == 1 {
        consume(work(first))?;
        while let Some(batch) = produce()? {
            consume(work(batch))?;
        }
        return Ok(());
    }
    let second = match produce() {
        Ok(Some(second)) => second,
        // One batch alone is not worth a thread.
        last => return consume(work(first)).and(last.map(|_| ())),
    };
    let mut begun: VecDeque<T> = [first, second].into();
    let work = &work;
    thread::scope(|scope| {
        let mut workers: Vec<Worker<'_, T, U>> = (0..threads.get()).map(|_| Worker::start(scope, work)).collect();
        let mut end = None;
        let (mut sent, mut received) = (0, 0);
        loop {
            while end.is_none() && sent - received < workers.len() * AHEAD {
                match begun.pop_front().map_or_else(&mut produce, |batch| Ok(Some(batch))) {
                    Ok(Some(batch)) => {
                        workers[sent % workers.len()].send(batch);
                        sent += 1;
                    }
                    Ok(None) => end = Some(Ok(())),
                    Err(error) => end = Some(Err(error)),
                }
            }
            if received == sent {
                return end.unwrap_or(Ok(()));
            }
            let number = received % workers.len();
            match workers[number].results.recv() {
                Ok(result) => consume(result)?,
                Err(_) => workers.swap_remove(number).fail(),
            }
            received += 1;
        }
    })
}

/// Does work on batches on other threads, for whoever sends them and takes the results in the same order.
///
/// The threads end when this is dropped. Without any, the work is done in place.
#[cfg(feature = "store")]
pub(crate) struct Ahead<T, U> {
    workers: Vec<Distant<T, U>>,
    work: Box<dyn Fn(T) -> U + Send>,
    /// What was sent, if it is not worked on elsewhere.
    here: VecDeque<T>,
    sent: usize,
    received: usize,
}

/// A thread that works ahead.
#[cfg(feature = "store")]
struct Distant<T, U> {
    batches: SyncSender<T>,
    results: Receiver<U>,
}

#[cfg(feature = "store")]
impl<T: Send + 'static, U: Send + 'static> Ahead<T, U> {
    pub(crate) fn start(threads: usize, work: impl Fn(T) -> U + Clone + Send + 'static) -> Self {
        let workers = (0..threads).map_while(|_| Distant::start(work.clone())).collect();
        Self { workers, work: Box::new(work), here: VecDeque::new(), sent: 0, received: 0 }
    }

    /// Tells whether one more batch would keep somebody busy.
    pub(crate) fn has_room(&self) -> bool {
        self.sent - self.received < (self.workers.len() * AHEAD).max(1)
    }

    pub(crate) fn send(&mut self, batch: T) {
        if self.workers.is_empty() {
            self.here.push_back(batch);
        } else {
            let number = self.sent % self.workers.len();
            // It fails after a panic of the work, which shows when the result is waited for.
            let _ = self.workers[number].batches.send(batch);
        }
        self.sent += 1;
    }

    /// Returns the next result; `None` if nothing more was sent.
    ///
    /// # Panics
    ///
    /// If the work has panicked.
    pub(crate) fn next(&mut self) -> Option<U> {
        if self.received == self.sent {
            return None;
        }
        self.received += 1;
        if self.workers.is_empty() {
            return self.here.pop_front().map(&self.work);
        }
        let number = (self.received - 1) % self.workers.len();
        Some(self.workers[number].results.recv().expect("the work on a batch does not panic"))
    }
}

#[cfg(feature = "store")]
impl<T: Send + 'static, U: Send + 'static> Distant<T, U> {
    /// Starts a thread; `None` where there is none to be had.
    fn start(work: impl Fn(T) -> U + Send + 'static) -> Option<Self> {
        let (batches, received) = sync_channel::<T>(AHEAD);
        let (finished, results) = sync_channel::<U>(AHEAD);
        thread::Builder::new().name("ahead".to_owned()).spawn(move || work_off(received, &finished, work)).ok()?;
        Some(Self { batches, results })
    }
}

/// Works on batches until nobody sends any more, or waits for the results.
fn work_off<T, U>(batches: Receiver<T>, finished: &SyncSender<U>, work: impl Fn(T) -> U) {
    for batch in batches {
        if finished.send(work(batch)).is_err() {
            return;
        }
    }
}

/// A thread of a pipeline, with the batches that it is to work on and the results.
struct Worker<'scope, T, U> {
    batches: SyncSender<T>,
    results: Receiver<U>,
    thread: ScopedJoinHandle<'scope, ()>,
}

impl<'scope, T: Send + 'scope, U: Send + 'scope> Worker<'scope, T, U> {
    fn start<'env>(scope: &'scope Scope<'scope, 'env>, work: &'scope (impl Fn(T) -> U + Sync)) -> Self {
        let (batches, received) = sync_channel::<T>(AHEAD);
        let (finished, results) = sync_channel::<U>(AHEAD);
        let thread = scope.spawn(move || work_off(received, &finished, work));
        Self { batches, results, thread }
    }

    fn send(&self, batch: T) {
        // It fails after a panic of `work`, which shows when the result is waited for.
        let _ = self.batches.send(batch);
    }

    /// Passes on the panic of `work`.
    fn fail(self) -> ! {
        let Self { batches, results, thread } = self;
        drop((batches, results));
        match thread.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => unreachable!("a worker ends when nobody sends any more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    fn threads(count: usize) -> NonZero<usize> {
        NonZero::new(count).unwrap()
    }

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        for count in 1..6 {
            for items in [0, 1, 127, 128, 129, 1000, 1001] {
                let doubled = map(threads(count), (0..items).collect(), |n: u32| n * 2);
                assert_eq!(doubled, (0..items).map(|n| n * 2).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn work_beside_something_else_is_all_done_and_in_order() {
        for count in 1..4 {
            for items in [0, 1, 2, 3, 100] {
                let (here, doubled) = beside(threads(count), || "here", (0..items).collect(), |n: u32| n * 2);
                assert_eq!(here, "here");
                assert_eq!(doubled, (0..items).map(|n| n * 2).collect::<Vec<_>>());
            }
            let panicked = catch_unwind(|| beside(threads(count), || (), vec![1, 2, 3], |n: u32| assert_ne!(n, 2)));
            assert!(panicked.is_err(), "a panic of the work is passed on");
        }
    }

    #[cfg(feature = "store")]
    #[test]
    fn work_ahead_comes_in_the_order_in_which_it_was_sent() {
        for count in 0..4 {
            let mut ahead = Ahead::start(count, |n: u32| n * 2);
            let (mut next, mut results) = (0, Vec::new());
            loop {
                while next < 100 && ahead.has_room() {
                    ahead.send(next);
                    next += 1;
                }
                assert!(next as usize <= results.len() + 6, "no more than a few are sent ahead");
                let Some(result) = ahead.next() else { break };
                results.push(result);
            }
            assert_eq!(results, (0..100).map(|n| n * 2).collect::<Vec<_>>());
            ahead.send(21);
            assert_eq!((ahead.next(), ahead.next()), (Some(42), None), "it goes on after a pause");
        }
    }

    #[test]
    fn work_beside_something_else_is_done_by_several_threads_at_once() {
        let (busy, started) = (AtomicUsize::new(0), Instant::now());
        let meet = |_: u32| {
            busy.fetch_add(1, Ordering::SeqCst);
            while busy.load(Ordering::SeqCst) < 2 {
                assert!(started.elapsed() < Duration::from_secs(60), "nobody else works meanwhile");
                thread::yield_now();
            }
        };
        beside(threads(2), || (), vec![1, 2], meet);
    }

    #[test]
    fn a_pipeline_hands_on_the_results_in_the_order_of_the_batches() {
        for count in 1..6 {
            for batches in [0, 1, 2, 3, 7, 100] {
                let (mut next, mut results) = (0, Vec::new());
                let produce = || {
                    next += 1;
                    Ok::<_, ()>((next <= batches).then_some(next))
                };
                let consume = |result| {
                    results.push(result);
                    Ok(())
                };
                pipeline(threads(count), produce, |n: u32| n * 2, consume).unwrap();
                assert_eq!(results, (1..=batches).map(|n| n * 2).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_first_error_ends_a_pipeline() {
        for count in 1..4 {
            let mut made = 0;
            let produce = || {
                made += 1;
                Ok(Some(made))
            };
            let ended = pipeline(threads(count), produce, |n: u32| n, |n| if n < 10 { Ok(()) } else { Err(n) });
            assert_eq!(ended, Err(10));
            assert!(made < 30, "no more than a few are made ahead");

            for last in [1, 2, 3, 10] {
                let (mut made, mut consumed) = (0, 0);
                let produce = || {
                    made += 1;
                    if made <= last { Ok(Some(made)) } else { Err("no more") }
                };
                let consume = |n| {
                    consumed = n;
                    Ok(())
                };
                assert_eq!(pipeline(threads(count), produce, |n: u32| n, consume), Err("no more"));
                assert_eq!(consumed, last, "what came before the error is consumed");
            }
        }
    }

    #[test]
    fn a_panic_of_the_work_is_passed_on() {
        for count in 1..4 {
            let outcome = catch_unwind(|| {
                let mut left = 100;
                let produce = || {
                    left -= 1;
                    Ok::<_, ()>((left > 0).then_some(left))
                };
                pipeline(threads(count), produce, |n: u32| assert_ne!(n, 50, "fifty"), |()| Ok(()))
            });
            let panic = outcome.unwrap_err();
            assert!(panic.downcast_ref::<String>().is_some_and(|message| message.contains("fifty")));
        }
    }
}
