//! What the tests across the crates share.

pub mod builds;
pub mod counting;
pub mod desk;
pub mod readme;
pub mod todo;
pub mod world;
