//! What the tests need: events to try, and the program at work.

// Every test file takes what it needs of this.
#![allow(dead_code)]

pub(crate) mod events;
pub(crate) mod page;
pub(crate) mod program;
