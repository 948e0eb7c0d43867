//! Where a client takes the time from.

use std::sync::Arc;
#[cfg(not(target_family = "wasm"))]
use std::time::SystemTime;

use crate::standard::Timestamp;

/// A source of time.
pub(super) type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

impl Timestamp {
    /// Returns the time of the system's clock. One that is set before 1970 counts as 1970.
    ///
    /// ```
    /// use diplomatic::Timestamp;
    ///
    /// assert!(Timestamp::now() > Timestamp::from_millis(1_764_000_000_000));
    /// ```
    #[cfg(not(target_family = "wasm"))]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Returns the time of the system's clock. One that is set before 1970 counts as 1970.
    #[cfg(target_family = "wasm")]
    pub fn now() -> Self {
        // Whole milliseconds, which a cast to an integer keeps; before 1970 they are negative, which it turns to 0.
        Self::from_millis(js_sys::Date::now() as u64)
    }
}
