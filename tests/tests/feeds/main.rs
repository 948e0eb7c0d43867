//! Followers of a log: feeds, aggregates and projections.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod aggregates;
mod board;
mod changed;
mod cursors;
mod histories;
mod projections;
