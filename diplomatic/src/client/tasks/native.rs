//! Tasks, blocking work and time, with tokio. It gets them boxed: otherwise, an app would compile much of tokio again for each
//! of its reducers and each kind of work.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
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
        self.spawn_boxed(Box::pin(task));
    }

    fn spawn_boxed(&mut self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
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
    spawn_boxed(Box::pin(task))
}

fn spawn_boxed(task: Pin<Box<dyn Future<Output = ()> + Send>>) -> Task {
    Task(tokio::spawn(task).abort_handle())
}

/// Runs blocking work on a thread for it.
pub(in crate::client) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LogError> {
    let outcome = Arc::new(Mutex::new(None));
    let slot = outcome.clone();
    blocking_boxed(Box::new(move || {
        let done = act();
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
    }))
    .await?;
    let done = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    done.ok_or(LogError::Closed)
}

async fn blocking_boxed(act: Box<dyn FnOnce() + Send>) -> Result<(), LogError> {
    match spawn_blocking(act).await {
        Ok(()) => Ok(()),
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(LogError::Closed),
    }
}
