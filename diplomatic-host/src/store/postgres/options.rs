//! How a database is used.

use std::path::PathBuf;
use std::time::Duration;

/// How a database is used.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// How many connections calls have at most; one more listens.
    pub connections: usize,
    /// A file with the certificates in PEM of those who may vouch for the database, instead of those that the system
    /// trusts.
    pub authorities: Option<PathBuf>,
    /// How long it is tried to reach the database at the start; for ever by default.
    pub patience: Option<Duration>,
    /// How long hints to other processes are gathered.
    pub hint_delay: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { connections: 16, authorities: None, patience: None, hint_delay: Duration::from_millis(10) }
    }
}
