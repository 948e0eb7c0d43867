//! The operator's commands, given to the running process through a Unix socket.
//!
//! ```text
//! request  = one line, a command · for `restore` the backup, to the end
//! response = `ok` or `error: what is wrong`, a line · what the command gives, to the end
//! ```

mod act;
mod check;
mod command;
mod socket;

pub use act::Admin;
pub use command::{AdminCommand, UnknownCommand};
pub use socket::{AdminSocket, BindError, socket_beside};
