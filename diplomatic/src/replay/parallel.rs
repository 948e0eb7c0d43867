//! A parallel map.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

/// Fewer items than this are not worth a thread.
const SHARE: usize = 128;

/// The maximum number of threads that a replay uses by default.
const USUAL: usize = 4;

/// Returns the default number of threads.
pub(super) fn usual_threads() -> NonZero<usize> {
    let most = NonZero::new(USUAL).expect("4 is not 0");
    thread::available_parallelism().map_or(NonZero::<usize>::MIN, |cores| cores.min(most))
}

/// Maps every item with `work`, preserving the order.
pub(super) fn map<T: Send, U: Send>(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        for threads in 1..6 {
            for count in [0, 1, 127, 128, 129, 1000, 1001] {
                let doubled = map(NonZero::new(threads).unwrap(), (0..count).collect(), |n: u32| n * 2);
                assert_eq!(doubled, (0..count).map(|n| n * 2).collect::<Vec<_>>());
            }
        }
    }
}
