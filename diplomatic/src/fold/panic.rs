//! A panic of the app's reducer.

use std::any::Any;

/// The reducer panicked over a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{INTRODUCTION}{message}")]
pub struct ReducerPanic {
    message: Box<str>,
}

const INTRODUCTION: &str = "the reducer panicked: ";

impl ReducerPanic {
    pub(super) fn of(panic: &(dyn Any + Send)) -> Self {
        Self { message: panic_message(panic).into() }
    }

    /// Makes it from its text.
    pub(super) fn from_text(text: &str) -> Self {
        Self { message: text.strip_prefix(INTRODUCTION).unwrap_or(text).into() }
    }

    /// Returns the panic's message.
    pub fn message(&self) -> &str {
        &self.message
    }
}

crate::standard::never_retryable::never_retryable!(ReducerPanic);

/// Returns the message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message")
}
