//! What the tests across the crates share.

#[cfg(doctest)]
mod readme;
pub mod todo;
pub mod world;
