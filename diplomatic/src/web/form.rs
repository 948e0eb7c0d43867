//! The JSON that a [`StateApp`](super::StateApp) and a [`Page`](super::Page) exchange.

use serde::{Deserialize, Serialize};

use crate::client::SyncStatus;
use crate::following::FeedCursor;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request<E> {
    Emit(Vec<E>),
    Sync,
    ChangedEntities(Option<FeedCursor>),
    Arrivals(Option<FeedCursor>),
}

/// The answer of an app that does not do what a page has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
#[non_exhaustive]
pub struct Refused {
    /// What is wrong, for people.
    pub text: String,
    pub(super) is_retryable: bool,
}

impl Refused {
    /// Returns whether trying again may help, without any other change.
    pub const fn is_retryable(&self) -> bool {
        self.is_retryable
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum News<V> {
    View(V),
    Status(SyncStatus),
}
