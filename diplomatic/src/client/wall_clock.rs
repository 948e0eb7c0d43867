//! Where a client takes the time from.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::standard::Timestamp;

/// A source of time.
pub(super) type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Returns the system's time.
pub(super) fn system_time() -> Timestamp {
    // A clock before 1970 counts as 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.plus(since)
}
