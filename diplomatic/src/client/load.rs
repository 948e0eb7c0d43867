//! Aggregates and lists, off the async threads.

use super::Client;
use super::tasks::blocking;
use crate::aggregate::Aggregate;
use crate::device::{HistoryEntry, Page, PageStart, Query};
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::EntityId;

impl<R: Reducer> Client<R> {
    /// Folds an [aggregate](Aggregate) from the events of its root; `None` if it does not exist. See
    /// [`Device::load`](crate::Device::load). Emitting and sync continue meanwhile.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// client.emit(TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() }).await?;
    /// assert_eq!(client.load::<Todo>(&milk).await?, Some(Todo { title: "oat milk".into() }));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn load<A: Aggregate<Event = R::Event>>(&self, root: &EntityId) -> Result<Option<A>, LogError> {
        let (loader, root) = (self.shared.with_device(|device| device.loader()).await??, root.clone());
        blocking(move || loader.load(&root)).await?
    }

    /// Returns a page of the entities that match a query, each with its [aggregate](Aggregate): the first page, or the one
    /// at `start`. See [`Device::list`](crate::Device::list). Emitting and sync continue meanwhile.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// use diplomatic::list::Query;
    ///
    /// let milk = client.emit(TodoEvent::Added { title: "milk".into() }).await?;
    /// client.emit(TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() }).await?;
    /// let page = client.list::<Todo>(Query::of_type("todo.added"), None).await?;
    /// assert_eq!(page.entries, [(milk, Todo { title: "oat milk".into() })]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn list<A: Aggregate<Event = R::Event>>(
        &self,
        query: Query,
        start: Option<PageStart>,
    ) -> Result<Page<(EntityId, A)>, LogError> {
        let loader = self.shared.with_device(|device| device.ready_index().and_then(|()| device.loader())).await??;
        blocking(move || loader.list(&query, start.as_ref())).await?
    }

    /// Returns a page of the entities that match a query, each with its latest message. See
    /// [`Device::list_latest`](crate::Device::list_latest).
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub async fn list_latest(
        &self,
        query: Query,
        start: Option<PageStart>,
    ) -> Result<Page<HistoryEntry<R::Event>>, LogError> {
        self.shared.with_device(move |device| device.list_latest(&query, start.as_ref())).await?
    }
}
