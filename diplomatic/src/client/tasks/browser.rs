//! Tasks, blocking work and time in a browser.

use std::time::Duration;

use futures_util::future::{AbortHandle, abortable};
use gloo_timers::future::TimeoutFuture;
use tokio::sync::oneshot;
use wasm_bindgen_futures::spawn_local;
pub(in crate::client) use web_time::Instant;

use crate::log::LogError;

/// Tasks that end when this is dropped.
#[derive(Debug, Default)]
pub(in crate::client) struct Tasks(Vec<(AbortHandle, oneshot::Receiver<()>)>);

impl Tasks {
    pub(in crate::client) fn spawn(&mut self, task: impl Future<Output = ()> + 'static) {
        let (task, abort) = abortable(task);
        let (ended, end) = oneshot::channel();
        spawn_local(async move {
            _ = task.await;
            _ = ended.send(());
        });
        self.0.push((abort, end));
    }

    /// Ends all tasks, and returns once they have.
    pub(in crate::client) async fn shutdown(&mut self) {
        let tasks = std::mem::take(&mut self.0);
        tasks.iter().for_each(|(abort, _)| abort.abort());
        for (_, end) in tasks {
            _ = end.await;
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(|(abort, _)| abort.abort());
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

/// Returns whether tasks can be started here, which is always so.
pub(in crate::client) const fn can_spawn() -> bool {
    true
}

pub(in crate::client) fn spawn(task: impl Future<Output = ()> + 'static) -> Task {
    let (task, abort) = abortable(task);
    spawn_local(async move { _ = task.await });
    Task(abort)
}

/// Waits. A timer of a browser counts milliseconds in 31 bits.
pub(in crate::client) async fn sleep(time: Duration) {
    let millis = u32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u32::MAX);
    TimeoutFuture::new(millis.min(i32::MAX as u32)).await;
}

/// Does blocking work in place.
pub(in crate::client) async fn blocking<T>(act: impl FnOnce() -> T) -> Result<T, LogError> {
    Ok(act())
}
