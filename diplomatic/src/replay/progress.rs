//! Progress.

use serde::{Deserialize, Serialize};

/// The progress of an import, an export, a projection or a check, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// How many messages have been processed. Those of an import are durable.
    pub done: u64,
    /// How many messages there are.
    pub total: u64,
}
