//! To-do lists: events, state and commands.
//!
//! This half of the app is pure: it knows no clock, disk, network or page. So every device gets the same state from the
//! same events, and tests are fast. Read it in this order:
//!
//! - [`TodoEvent`]: the events, whose shapes determine what counts if two devices differ;
//! - [`Todos`]: the state, a [`Reducer`](diplomatic::Reducer);
//! - [`Command`]: what a user asks for, and the events that carry it out;
//! - [`OrderKey`]: places in a list, so that moving an item changes only that item.
//!
//! The other half, in `src/bin/todo`, is the program: one or two devices, and a page for the browser.

mod command;
mod day;
mod event;
mod order;
mod state;

pub use command::{Command, Refusal};
pub use day::{Day, DayError};
pub use event::TodoEvent;
pub use order::{OrderError, OrderKey, place};
pub use state::{Item, List, Preferences, Todos, inbox};
