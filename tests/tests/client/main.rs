//! Real clients on real files against the real host over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod attachments;
mod blocking;
mod device;
mod faults;
mod foreign;
mod host;
mod hosts;
mod inspect;
mod json;
mod kill;
mod lying;
mod network;
mod offline;
mod options;
mod proxy;
mod reads;
mod repair;
mod stories;
mod witness;
mod wrong;
