//! What tests across the crates share.

#[cfg(doctest)]
mod readme;
