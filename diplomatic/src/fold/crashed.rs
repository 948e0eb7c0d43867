//! Messages over which the app's code panicked where panics end the program, as in a browser.
//!
//! Elsewhere, such a panic is caught. Here, whoever runs the program [notes](current) in a panic hook which message was
//! at work, and [names](remember) it at the next start: the outcome is then that of a caught panic.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use crate::standard::HeadHash;

thread_local! {
    static CRASHED: RefCell<BTreeSet<HeadHash>> = const { RefCell::new(BTreeSet::new()) };
    static CURRENT: Cell<Option<HeadHash>> = const { Cell::new(None) };
}

/// What is said of a message over which the program ended.
pub(crate) const REASON: &str = "the program was ended by a panic over it";

/// Names messages over which the program has ended.
pub(crate) fn remember(messages: impl IntoIterator<Item = HeadHash>) {
    CRASHED.with_borrow_mut(|crashed| crashed.extend(messages));
}

/// Returns whether the program has ended over a message.
pub(super) fn has_crashed(message: HeadHash) -> bool {
    CRASHED.with_borrow(|crashed| crashed.contains(&message))
}

/// Returns the message with which the app's code is at work.
pub(crate) fn current() -> Option<HeadHash> {
    CURRENT.get()
}

/// Lets the app's code work with a message.
pub(super) fn at_work<T>(message: HeadHash, work: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(Some(message));
    let outcome = work();
    CURRENT.set(before);
    outcome
}
