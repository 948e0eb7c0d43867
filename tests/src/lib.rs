//! What the tests across the crates share.

pub mod readme;
pub mod todo;
pub mod world;
