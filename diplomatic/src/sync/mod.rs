//! Sync with hosts: the engine, and what it asks of the log.

mod log;

pub use log::{Arrival, Cursor, Outgoing, PushLimits, Received, Skipped, SyncLog};
