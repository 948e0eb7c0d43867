//! A device alone: the log on redb, the fold, and the clock, as an app uses them.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod ahead;
mod attachments;
mod bursts;
mod clock;
mod compaction;
mod emit;
mod errors;
mod evolution;
mod fold;
mod format;
mod identity;
mod json;
mod large;
mod lists;
mod open;
mod past;
mod processes;
mod raw;
mod reads;
mod repair;
mod restore;
mod todo;
mod undo;
mod unused_attachments;
mod views;
mod witness;
