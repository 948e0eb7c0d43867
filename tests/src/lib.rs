//! What the tests across the crates share.

pub mod desk;
pub mod readme;
pub mod todo;
pub mod world;
