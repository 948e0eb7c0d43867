//! To-do lists: events, state and commands.
//!
//! All but [`device`] is pure: it knows no clock, disk, network or page. So every device gets the same state from the same
//! events, and tests are fast. Read it in this order:
//!
//! - [`TodoEvent`]: the events, whose shapes determine what counts if two devices differ;
//! - [`Todos`]: the state, a [`Reducer`](diplomatic::Reducer);
//! - [`Command`]: what a user asks for, and the events that carry it out;
//! - [`OrderKey`]: places in a list, so that moving an item changes only that item.
//!
//! [`device`] is what a page shows of a client, and what it asks of it. Two programs put one around it: `src/bin/todo` is one or
//! two devices on this machine, and serves their page to the browser; `src/bin/todo-web` is a device within the browser.

mod command;
mod day;
pub mod device;
mod event;
mod order;
mod state;

pub use command::{Command, Refusal};
pub use day::{Day, DayError};
pub use event::TodoEvent;
pub use order::{OrderError, OrderKey, place};
pub use state::{Item, List, Preferences, Todos, inbox};
