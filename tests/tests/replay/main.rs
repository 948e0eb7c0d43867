//! Export, import and replay of `.dpl` files.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod client;
mod damage;
mod export;
mod files;
mod hostile;
mod import;
mod read;
#[path = "../device/todo.rs"]
mod todo;
