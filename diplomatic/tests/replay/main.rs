//! Export, import and replay of `.dpl` files.

mod client;
mod damage;
mod export;
mod files;
mod hostile;
mod import;
mod read;
#[path = "../device/todo.rs"]
mod todo;
