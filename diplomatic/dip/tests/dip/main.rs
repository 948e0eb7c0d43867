//! The command line tool, run as its user runs it, against real hosts.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod cat;
mod device;
mod exits;
mod files;
mod host;
mod hosts;
mod log;
mod manners;
mod network;
mod repair;
mod restore;
mod sealed;
mod seed;
mod store;
mod sync;
mod verify;
mod wipe;
