//! A host for DIPLOMATIC accounts: it stores and relays bags that it cannot read.
//!
//! [`Host`] is the standard's calls as functions over a [`BagStore`], a time and bytes. `Server` puts it on HTTP,
//! with the live channel, timeouts and limits. The binary is a command line over both.
//!
//! Without the feature `server`, the crate is the calls, stores, quotas and admission, without a network, threads or files;
//! it also builds for `wasm32-unknown-unknown`.
//!
//! The crate builds on `diplomatic` without its default features, where seeds, keys and opening do not exist:
//! nothing here can name decryption, and `cargo check -p diplomatic-host` proves it.

#[cfg(all(unix, feature = "server"))]
mod admin;
mod admission;
#[cfg(feature = "server")]
mod app;
#[cfg(feature = "server")]
pub mod backup;
#[cfg(feature = "server")]
mod budget;
mod byte_count;
mod calls;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
#[cfg(test)]
#[cfg(all(unix, feature = "postgres"))]
#[path = "../tests/support/postgres.rs"]
mod database;
#[cfg(feature = "server")]
mod disk;
#[cfg(feature = "server")]
mod guard;
#[cfg(feature = "server")]
mod health;
mod host;
#[cfg(feature = "server")]
mod housekeeping;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod limits;
#[cfg(feature = "server")]
mod live;
#[cfg(feature = "server")]
mod metrics;
mod neighbourhood;
#[cfg(feature = "server")]
mod policy;
#[cfg(feature = "server")]
mod proxies;
mod quotas;
#[cfg(feature = "server")]
mod rates;
mod refusal;
mod reply;
mod route;
#[cfg(feature = "server")]
mod serve;
mod store;
#[cfg(feature = "server")]
mod tls;
#[cfg(any(feature = "acme", feature = "postgres"))]
mod trust;

pub use admission::{Admission, Gate, InviteCode, Ruling, Visitor};
pub use byte_count::{ByteCount, ByteCountError};
pub use calls::{Incoming, Items, Notice, Surroundings};
pub use host::{Host, identify, identify_token};
pub use quotas::{Ledger, Quotas, Traffic, Underway};
pub use refusal::Refusal;
pub use reply::Reply;
pub use route::Route;
pub use store::{
    Appended, BagStore, Change, Changes, Feed, MemoryStore, Placed, Readiness, StoreError, StoreFuture, Usage,
    WriteFault,
};

#[cfg(all(unix, feature = "server"))]
pub use admin::{Admin, AdminCommand, AdminSocket, BindError, UnknownCommand, socket_beside};
#[cfg(feature = "postgres")]
pub use store::{PostgresOptions, PostgresStore};
#[cfg(feature = "acme")]
pub use tls::{AcmeError, AcmeOptions};
#[cfg(feature = "server")]
pub use {
    disk::Disk,
    health::{Health, Stage},
    http::serve_monitor,
    limits::Limits,
    metrics::Metrics,
    policy::Policy,
    proxies::{Network, NetworkError, Proxies},
    rates::Rates,
    serve::Server,
    store::{LateStore, OpenStoreError, RedbOptions, RedbStore},
    tls::{Tls, TlsError},
};
