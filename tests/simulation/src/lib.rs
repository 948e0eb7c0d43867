//! A simulated world of devices and hosts, and what it is made of.
//!
//! It is a package of its own because it is optimised, unlike other tests: thousands of worlds are lived through.

pub mod builds;
pub mod desk;
pub mod todo;
pub mod world;
