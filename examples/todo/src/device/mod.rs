//! A device and its page: what the page shows, and what it asks for. The program and the static site have this in common.

mod log;
mod request;
mod shown;
mod sync;
mod view;

use std::error::Error;

use diplomatic::Client;

pub use self::log::Line;
pub use self::request::{Answer, answer};
pub use self::shown::Shown;
pub use self::sync::SyncView;
pub use self::view::View;
use crate::Todos;

/// A device.
#[derive(Debug)]
pub struct Device {
    /// Its name, in addresses and on the page.
    pub name: &'static str,
    /// Its client.
    pub client: Client<Todos>,
    /// Whether the page shows its event log.
    pub has_log: bool,
}

/// Returns an error and its causes in words.
pub fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

/// Returns an error and its causes as a sentence.
pub fn sentence(error: &dyn Error) -> String {
    format!("{}.", capitalized(&with_causes(error)))
}

fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}
