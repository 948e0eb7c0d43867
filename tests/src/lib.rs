//! What the tests across the crates share.

pub mod todo;
pub mod world;
