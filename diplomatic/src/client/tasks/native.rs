//! Tasks, blocking work and time, with tokio.

use std::panic::resume_unwind;
pub(in crate::client) use std::time::Instant;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
pub(in crate::client) use tokio::time::sleep;

use crate::log::LogError;

/// Tasks that end when this is dropped.
#[derive(Debug, Default)]
pub(in crate::client) struct Tasks(JoinSet<()>);

impl Tasks {
    pub(in crate::client) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    /// Ends all tasks, and returns once they have.
    pub(in crate::client) async fn shutdown(&mut self) {
        self.0.shutdown().await;
    }
}

/// A task that goes on when this is dropped.
#[derive(Debug)]
pub(in crate::client) struct Task(AbortHandle);

impl Task {
    pub(in crate::client) fn abort(&self) {
        self.0.abort();
    }
}

/// Returns whether tasks can be started here.
pub(in crate::client) fn can_spawn() -> bool {
    Handle::try_current().is_ok()
}

pub(in crate::client) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Task {
    Task(tokio::spawn(task).abort_handle())
}

/// Runs blocking work on a thread for it.
pub(in crate::client) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LogError> {
    match spawn_blocking(act).await {
        Ok(outcome) => Ok(outcome),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(LogError::Closed),
    }
}
