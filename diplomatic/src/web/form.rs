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

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum News<V> {
    View(V),
    Status(SyncStatus),
}
