//! What the tests across the crates share.

pub mod counting;
pub mod readme;
