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
#[cfg(unix)]
mod admin;
mod admission;
mod app;
pub mod backup;
mod budget;
mod calls;
#[cfg(test)]
#[cfg(all(unix, feature = "postgres"))]
#[path = "../tests/support/postgres.rs"]
mod database;
mod disk;
mod guard;
mod health;
mod host;
mod housekeeping;
mod http;
mod limits;
mod live;
mod metrics;
mod policy;
mod proxies;
mod quotas;
mod rates;
mod refusal;
mod reply;
mod route;
mod serve;
mod store;
mod tls;

#[cfg(unix)]
pub use admin::{Admin, AdminCommand, AdminSocket, BindError, UnknownCommand, socket_beside};
pub use admission::{Admission, InviteCode, Ruling, Visitor};
pub use calls::{Incoming, Items, Notice, Surroundings};
pub use disk::Disk;
pub use health::{Health, Stage};
pub use host::Host;
pub use http::serve_monitor;
pub use limits::Limits;
pub use metrics::Metrics;
pub use policy::Policy;
pub use proxies::{Network, NetworkError, Proxies};
pub use quotas::Quotas;
pub use rates::Rates;
pub use refusal::Refusal;
pub use reply::Reply;
pub use route::Route;
pub use serve::Server;
pub use store::{
    Appended, BagStore, Change, Changes, Feed, LateStore, MemoryStore, OpenStoreError, Placed, Readiness, RedbOptions,
    RedbStore, StoreError, StoreFuture, Usage, WriteFault,
};
#[cfg(feature = "postgres")]
pub use store::{PostgresOptions, PostgresStore};
pub use tls::{Tls, TlsError};
