//! Lists of things to do: what can happen, and what becomes of it.
//!
//! This half of the app is pure. It knows no clock, disk, network or page, so its tests are quick, and every device
//! makes the same of the same events. The program around it, in `main.rs`, is one device that serves a page.

mod command;
mod day;
mod event;
mod order;
mod state;
mod undo;

pub use command::{Command, Refusal};
pub use day::{Day, DayError};
pub use event::TodoEvent;
pub use order::{OrderError, OrderKey, place};
pub use state::{Item, List, Preferences, Todos, inbox};
