//! Feeds of a client: pages that come as things happen.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Client;
use super::shared::Shared;
use super::waiting::Waiting;
use crate::device::{Arrived, Device, FeedPage};
use crate::following::FeedCursor;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::EntityId;

/// How many rows a page has at most.
const PAGE: usize = 500;

type Read<T> = dyn Fn(Option<FeedCursor>) -> Pin<Box<dyn Future<Output = Next<T>> + Send>> + Send + Sync;

/// Reads a page of a device's feed.
type ReadPage<R, T> = fn(&Device<R>, Option<&FeedCursor>, usize) -> Result<FeedPage<T>, LogError>;

type Next<T> = Option<Result<FeedPage<T>, LogError>>;

/// A feed of a client, page by page. It is a [`Stream`], too.
///
/// [`Client::changed_entities`] and [`Client::arrivals`] return one.
pub struct Feed<T> {
    read: Arc<Read<T>>,
    cursor: Option<FeedCursor>,
    waiting: Waiting<Next<T>>,
}

impl<T: Send + 'static> Feed<T> {
    fn new<R: Reducer>(shared: &Arc<Shared<R>>, cursor: Option<FeedCursor>, read: ReadPage<R, T>) -> Self {
        // A feed does not keep the client open.
        let shared = Arc::downgrade(shared);
        let read = move |cursor| {
            Box::pin(next_page(shared.clone(), cursor, read)) as Pin<Box<dyn Future<Output = Next<T>> + Send>>
        };
        Self { read: Arc::new(read), cursor, waiting: Waiting::new() }
    }

    /// Waits for the next page, which has at least one row, or says that the feed begins anew. Returns `None` when the
    /// client is closed. After an error, the next call tries again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is missed when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<FeedPage<T>, LogError>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<T: Send + 'static> Stream for Feed<T> {
    type Item = Result<FeedPage<T>, LogError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { read, cursor, waiting } = &mut *self;
        let next = ready!(waiting.poll(context, || read(*cursor)));
        if let Some(Ok(page)) = &next {
            *cursor = Some(page.cursor);
        }
        Poll::Ready(next)
    }
}

/// Waits for the page after a cursor.
async fn next_page<R: Reducer, T: Send + 'static>(
    shared: Weak<Shared<R>>,
    mut cursor: Option<FeedCursor>,
    read: ReadPage<R, T>,
) -> Next<T> {
    let (mut arrivals, mut closed) = {
        let shared = shared.upgrade()?;
        (shared.arrivals(), shared.closed())
    };
    loop {
        arrivals.borrow_and_update();
        let page = {
            let shared = shared.upgrade()?;
            shared.with_device(move |device| read(device, cursor.as_ref(), PAGE)).await
        };
        let page = match page.and_then(|page| page) {
            Ok(page) => page,
            Err(LogError::Closed) => return None,
            Err(error) => return Some(Err(error)),
        };
        // Whoever has no cursor has nothing to drop.
        if !page.rows.is_empty() || page.is_anew && cursor.is_some() {
            return Some(Ok(page));
        }
        if !page.is_anew {
            cursor = Some(page.cursor);
        }
        tokio::select! {
            biased;
            () = closed.wait() => return None,
            arrived = arrivals.changed() => arrived.ok()?,
        }
    }
}

impl<T> fmt::Debug for Feed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl<R: Reducer> Client<R> {
    /// Returns a feed of the entities that changed after a cursor: the ID of each *root*, an entity with its registers,
    /// once, in the order of the last changes. Deleted ones are among them. See [`Device::changed_entities`].
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// let mut feed = client.changed_entities(None);
    /// let page = feed.next().await.expect("the client is open")?;
    /// assert_eq!(page.rows, [milk]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn changed_entities(&self, after: Option<FeedCursor>) -> Feed<EntityId> {
        Feed::new(&self.shared, after, Device::changed_entities)
    }

    /// Returns a feed of the messages that arrived after a cursor: each once, in the order in which they reached this
    /// device. See [`Device::arrivals`].
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// use diplomatic::history::Happened;
    ///
    /// let mut feed = client.arrivals(Some(client.feed_end().await?));
    /// client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// let page = feed.next().await.expect("the client is open")?;
    /// for arrived in page.rows {
    ///     if let Happened::Event(TodoEvent::Added { title }) = arrived.entry.what {
    ///         println!("new: {title}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn arrivals(&self, after: Option<FeedCursor>) -> Feed<Arrived<R::Event>> {
        Feed::new(&self.shared, after, Device::arrivals)
    }

    /// Returns the cursor of a follower that has read everything, for one that begins now.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn feed_end(&self) -> Result<FeedCursor, LogError> {
        self.shared.with_device(|device| device.feed_end()).await?
    }
}
