//! A host for DIPLOMATIC accounts: it stores and relays bags that it cannot read.
//!
//! [`Host`] is the standard's calls as functions over a [`BagStore`], a time and bytes. [`Server`] puts it on HTTP,
//! with the live channel, timeouts and limits. The binary is a command line over both.
//!
//! The crate builds on `diplomatic` without its default features, where seeds, keys and opening do not exist:
//! nothing here can name decryption, and `cargo check -p diplomatic-host` proves it.

#[cfg(test)]
#[path = "../tests/support/account.rs"]
mod account;
mod app;
mod budget;
mod calls;
mod host;
mod http;
mod limits;
mod live;
mod refusal;
mod reply;
mod route;
mod serve;
mod store;

pub use calls::{Incoming, Items, Notice, Surroundings};
pub use host::Host;
pub use limits::Limits;
pub use refusal::Refusal;
pub use reply::Reply;
pub use route::Route;
pub use serve::Server;
pub use store::{
    Appended, BagStore, Change, Changes, Feed, LateStore, MemoryStore, OpenStoreError, Placed, Readiness, RedbOptions,
    RedbStore, StoreError, StoreFuture, Usage, WriteFault,
};
