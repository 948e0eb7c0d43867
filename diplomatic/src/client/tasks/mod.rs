//! Tasks, blocking work and time, as tokio and browsers have them.
//!
//! Both platforms have the same functions. In a browser, all tasks share one thread, so theirs take futures that cannot
//! be sent, and blocking work is done in place: a client lives in a worker, which may block.

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(not(target_family = "wasm"))]
mod native;

#[cfg(target_family = "wasm")]
pub(super) use browser::{Instant, Task, Tasks, blocking, can_spawn, sleep, spawn};
#[cfg(not(target_family = "wasm"))]
pub(super) use native::{Instant, Task, Tasks, blocking, can_spawn, sleep, spawn};
