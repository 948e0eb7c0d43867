//! Lists of things to do: what can happen, and what becomes of it.
//!
//! This half of the app is pure: it knows no clock, disk, network or page. So every device makes the same of the same
//! events, and a test of it takes no time. Read it in this order:
//!
//! - [`TodoEvent`]: what can happen, each in the shape that says what counts when two devices differ;
//! - [`Todos`]: what becomes of it, a [`Reducer`](diplomatic::Reducer);
//! - [`Command`]: what a person asks for, and which events that means now;
//! - [`OrderKey`]: how an item is moved by changing that item alone;
//! - `impl Undo for TodoEvent`: how each event is taken back.
//!
//! The other half, in `src/bin/todo`, is the program: a device, or two, and a page for the browser.

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
