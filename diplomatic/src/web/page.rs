//! The handle of a page in Rust.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connection::{Connection, Told};
use super::form::{News, Refused, Request};
use crate::client::SyncStatus;
use crate::device::FeedPage;
use crate::following::FeedCursor;
use crate::standard::EntityId;

/// A page's handle to its worker, in which a [`StateApp`](super::StateApp) with these events and this view runs.
///
/// It starts the worker, and a new one if the worker crashes; requests without an answer are sent again then. When the last
/// clone is dropped, the worker ends, and another tab takes over.
///
/// A request waits until some tab has the store open. It is done at least once: if the tab that owns the store is killed after
/// it has written an event and before it has answered, the next owner writes the event again. A second event about the same
/// entity changes nothing, so where that matters, give new entities IDs of the page's making (`entity = "..."`).
pub struct Page<E, V> {
    connection: Rc<Connection>,
    types: PhantomData<fn(E) -> V>,
}

/// What a page is told.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PageEvent<V> {
    /// The view has changed, or is here for the first time.
    View(V),
    /// The sync status has changed, or is here for the first time.
    Status(SyncStatus),
    /// Which part this tab plays has changed.
    Role(Role),
    /// The data cannot be opened. The text is for people, and says what to do.
    Failed(String),
}

/// Which part a tab plays. Pages need not care: everything works as owner and as follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// This tab has the data open.
    Owner,
    /// Another tab has it open, and answers.
    Follower,
    /// Nothing can be done for now. The text is for people, and says why.
    Waiting(String),
}

/// Why a request failed. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The browser has no workers that are modules.
    #[error("the worker cannot be started, use a current browser: {text}")]
    NoWorker {
        /// What the browser says.
        text: String,
    },
    /// An event has no JSON.
    #[error("an event has no JSON, such as a map whose keys are lists: {text}")]
    NoJson {
        /// What serde says.
        text: String,
    },
    /// The page does not understand its worker.
    #[error("the page and its worker are of different builds, close all tabs of this app and open it again: {text}")]
    OtherBuild {
        /// What serde says.
        text: String,
    },
    /// The app has crashed over the request.
    #[error("{text}")]
    Crashed {
        /// The panic's message.
        text: String,
    },
    /// The app has refused the request.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl PageError {
    /// Returns whether trying again may help, without any other change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.is_retryable(),
            Self::NoWorker { .. } | Self::NoJson { .. } | Self::OtherBuild { .. } | Self::Crashed { .. } => false,
        }
    }
}

impl<E: Serialize, V: DeserializeOwned + 'static> Page<E, V> {
    /// Starts a worker from a script, which is a module, and sends it a configuration: any text, which the worker's program
    /// understands. Calls `hear` with everything that comes from it.
    ///
    /// # Errors
    ///
    /// [`PageError`]: the browser has no workers that are modules.
    pub fn open(
        script: &str,
        configuration: String,
        hear: impl FnMut(PageEvent<V>) + 'static,
    ) -> Result<Self, PageError> {
        let hear = RefCell::new(hear);
        let tell = move |told| {
            (hear.borrow_mut())(match told {
                Told::Owner => PageEvent::Role(Role::Owner),
                Told::Follower => PageEvent::Role(Role::Follower),
                Told::Waiting(why) => PageEvent::Role(Role::Waiting(why)),
                Told::Failed(why) => PageEvent::Failed(why),
                Told::Push(text) => match serde_json::from_str(&text) {
                    Ok(News::View(view)) => PageEvent::View(view),
                    Ok(News::Status(status)) => PageEvent::Status(status),
                    Err(error) => PageEvent::Failed(other_build(&error).to_string()),
                },
            });
        };
        let connection = Connection::open(script, configuration, tell)
            .map_err(|error| PageError::NoWorker { text: format!("{error:?}") })?;
        Ok(Self { connection, types: PhantomData })
    }

    /// Writes one event, like [`Client::emit`](crate::Client::emit). Returns the ID of its entity once the event is durable.
    ///
    /// # Errors
    ///
    /// [`PageError`]; nothing is stored then.
    pub async fn emit(&self, event: E) -> Result<EntityId, PageError> {
        let entities = self.emit_all(vec![event]).await?;
        entities.into_iter().next().ok_or_else(|| PageError::OtherBuild { text: "no entity came back".to_owned() })
    }

    /// Writes events in order, all of them or none.
    ///
    /// # Errors
    ///
    /// [`PageError`]; nothing is stored then.
    pub async fn emit_all(&self, events: Vec<E>) -> Result<Vec<EntityId>, PageError> {
        self.ask(&Request::Emit(events)).await
    }

    /// Syncs with every host now, like [`Client::sync`](crate::Client::sync).
    ///
    /// # Errors
    ///
    /// [`PageError`].
    pub async fn sync(&self) -> Result<SyncStatus, PageError> {
        self.ask(&Request::Sync).await
    }

    /// Waits for the next page of the entities that changed after a cursor, like
    /// [`Client::changed_entities`](crate::Client::changed_entities), whichever tab owns the store meanwhile.
    ///
    /// # Errors
    ///
    /// [`PageError`].
    pub async fn changed_entities(&self, after: Option<FeedCursor>) -> Result<FeedPage<EntityId>, PageError> {
        self.ask(&Request::ChangedEntities(after)).await
    }

    /// Waits for the next page of the messages that arrived after a cursor, like
    /// [`Client::arrivals`](crate::Client::arrivals); each row is the JSON of an [`Arrived`](crate::feed::Arrived).
    ///
    /// # Errors
    ///
    /// [`PageError`].
    pub async fn arrivals(&self, after: Option<FeedCursor>) -> Result<FeedPage<Value>, PageError> {
        self.ask(&Request::Arrivals(after)).await
    }

    async fn ask<T: DeserializeOwned>(&self, request: &Request<E>) -> Result<T, PageError> {
        let request = serde_json::to_string(request).map_err(|error| PageError::NoJson { text: error.to_string() })?;
        let answer = self.connection.ask(request).await.map_err(|text| PageError::Crashed { text })?;
        let answer: Result<T, Refused> = serde_json::from_str(&answer).map_err(|error| other_build(&error))?;
        Ok(answer?)
    }
}

fn other_build(error: &serde_json::Error) -> PageError {
    PageError::OtherBuild { text: error.to_string() }
}

impl<E, V> Clone for Page<E, V> {
    fn clone(&self) -> Self {
        Self { connection: self.connection.clone(), types: PhantomData }
    }
}

impl<E, V> fmt::Debug for Page<E, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}
