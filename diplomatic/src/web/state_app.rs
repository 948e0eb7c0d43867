//! A ready-made app: events in, a view of the state out.

use std::cell::RefCell;
use std::fmt;

use futures_util::future::join;
use gloo_timers::future::TimeoutFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::form::{News, Refused, Request};
use super::serve::{App, Pushes};
use super::with_causes;
use crate::client::Client;
use crate::reducer::Reducer;

/// The time between two pictures on a screen. More views than that in the same time would not be seen.
const FRAME: u32 = 16;

/// An [`App`] for any client: pages emit events, and get a view of the state whenever it changes.
///
/// The view is whatever a page needs, made from the state by a function: the whole state, a list, a number. A
/// [`Page`](super::Page) with the same types is the other side. A page in JavaScript sends and gets JSON:
///
/// | request | answer |
/// | --- | --- |
/// | `{"emit": [EVENT, ...]}` | the IDs of the entities; all events are written, or none |
/// | `"sync"` | the status, once every host was asked for news |
/// | `{"changed_entities": CURSOR}` | the next page of the [feed](crate::Client::changed_entities), once there is one; `null` begins it |
/// | `{"arrivals": CURSOR}` | the next page of this [feed](crate::Client::arrivals) |
///
/// An answer is `{"Ok": ANSWER}` or `{"Err": {"text": TEXT, "is_retryable": BOOLEAN}}`. `{"view": VIEW}` and
/// `{"status": STATUS}` are pushed, at first and when they change, at most once for each picture on a screen.
pub struct StateApp<R: Reducer, F> {
    client: Client<R>,
    view: F,
    /// The last view that was pushed to all pages.
    pushed: RefCell<String>,
}

impl<R, V, F> StateApp<R, F>
where
    R: Reducer<Event: Serialize + DeserializeOwned>,
    V: Serialize,
    F: Fn(&R) -> V + 'static,
{
    /// Makes an app of a client.
    pub fn new(client: Client<R>, view: F) -> Self {
        Self { client, view, pushed: RefCell::default() }
    }

    /// Returns the view as a push.
    fn current_view(&self) -> String {
        let view = self.client.read(|state| (self.view)(state));
        json(&News::<V>::View(view))
    }

    /// Returns the view as a push to all pages, if it has changed since the last one.
    fn changed_view(&self) -> Option<String> {
        let text = self.current_view();
        (self.pushed.replace(text.clone()) != text).then_some(text)
    }

    fn status(&self) -> String {
        json(&News::<()>::Status(self.client.status()))
    }

    async fn answer_request(&self, request: Request<R::Event>) -> Result<Value, Refused> {
        let closed = || refused("the app is closed");
        match request {
            Request::Emit(events) => value(self.client.emit_all(events).await, |error| error.is_retryable()),
            Request::Sync => value(self.client.sync().await, |error| error.is_retryable()),
            Request::ChangedEntities(after) => {
                value(self.client.changed_entities(after).next().await.ok_or_else(closed)?, |error| {
                    error.is_retryable()
                })
            }
            Request::Arrivals(after) => {
                value(self.client.arrivals(after).next().await.ok_or_else(closed)?, |error| error.is_retryable())
            }
        }
    }
}

impl<R, V, F> App for StateApp<R, F>
where
    R: Reducer<Event: Serialize + DeserializeOwned>,
    V: Serialize,
    F: Fn(&R) -> V + 'static,
{
    fn greet(&self) -> Vec<String> {
        // One page may be greeted alone, so what it gets does not count as pushed to all.
        vec![self.current_view(), self.status()]
    }

    async fn answer(&self, request: String) -> String {
        let answer = match serde_json::from_str(&request) {
            Ok(request) => self.answer_request(request).await,
            Err(error) => Err(refused(format!("this is no request of this build, reload the page: {error}"))),
        };
        json(&answer)
    }

    async fn follow(&self, pushes: Pushes) {
        let views = async {
            let mut changes = self.client.changes();
            loop {
                if let Some(view) = self.changed_view() {
                    pushes.push(view);
                }
                TimeoutFuture::new(FRAME).await;
                if changes.next().await.is_none() {
                    break;
                }
            }
        };
        let statuses = async {
            let mut changes = self.client.status_changes();
            while changes.next().await.is_some() {
                pushes.push(self.status());
                TimeoutFuture::new(FRAME).await;
            }
        };
        join(views, statuses).await;
    }

    async fn close(&self) {
        self.client.close().await;
    }
}

impl<R: Reducer, F> fmt::Debug for StateApp<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateApp").field("client", &self.client).finish_non_exhaustive()
    }
}

fn value<T: Serialize, E: std::error::Error>(
    outcome: Result<T, E>,
    is_retryable: impl FnOnce(&E) -> bool,
) -> Result<Value, Refused> {
    let done = outcome.map_err(|error| Refused { text: with_causes(&error), is_retryable: is_retryable(&error) })?;
    serde_json::to_value(done).map_err(|error| refused(format!("this has no JSON: {error}")))
}

fn refused(text: impl Into<String>) -> Refused {
    Refused { text: text.into(), is_retryable: false }
}

/// A view that has no JSON, such as a map whose keys are lists, is a mistake in the app, which its first run shows.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| json(&Err::<(), _>(refused(format!("this has no JSON: {error}")))))
}
