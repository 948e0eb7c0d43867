//! Projections that follow a client.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Client;
use super::shared::Shared;
use super::tasks::blocking;
use crate::aggregate::Aggregate;
use crate::log::LogError;
use crate::projecting::{ProjectError, Projection};
use crate::reducer::Reducer;
use crate::replay::Progress;

/// Brings the rows of a [`Projection`] up to date with a client, once or as things happen.
///
/// [`Client::projector`] returns one.
pub struct Projector<R: Reducer, P> {
    shared: Weak<Shared<R>>,
    projection: Arc<Mutex<P>>,
}

impl<R: Reducer, P: Projection<Aggregate: Aggregate<Event = R::Event>>> Projector<R, P>
where
    P::Error: Send + 'static,
{
    /// Brings the rows up to date with everything that is here now, and reports the progress to `watch` after every
    /// page, in messages. It starts over if the rows are of another version. Emitting and sync continue meanwhile.
    ///
    /// # Errors
    ///
    /// [`ProjectError`]. The pages saved before stay, and the next call goes on after them.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the work still runs to its end.
    pub async fn catch_up(
        &mut self,
        watch: impl FnMut(Progress) + Send + 'static,
    ) -> Result<(), ProjectError<LogError, P::Error>> {
        let shared = self.shared.upgrade().ok_or(ProjectError::Source(LogError::Closed))?;
        let projecting = shared.with_device(|device| device.start_projection()).await;
        drop(shared);
        let projecting = projecting.and_then(|projecting| projecting).map_err(ProjectError::Source)?;
        let projection = self.projection.clone();
        let run = move || {
            let mut projection = projection.lock().unwrap_or_else(PoisonError::into_inner);
            projecting.run(&mut *projection, watch)
        };
        blocking(run).await.map_err(ProjectError::Source)?
    }

    /// Keeps the rows up to date until the client is closed.
    ///
    /// # Errors
    ///
    /// [`ProjectError`]. Another call goes on after the pages that were saved.
    pub async fn follow(&mut self) -> Result<(), ProjectError<LogError, P::Error>> {
        let (mut arrivals, mut closed) = match self.shared.upgrade() {
            Some(shared) => (shared.arrivals(), shared.closed()),
            None => return Ok(()),
        };
        loop {
            arrivals.borrow_and_update();
            match self.catch_up(|_| ()).await {
                Err(ProjectError::Source(LogError::Closed)) => return Ok(()),
                caught_up => caught_up?,
            }
            tokio::select! {
                biased;
                () = closed.wait() => return Ok(()),
                arrived = arrivals.changed() => {
                    if arrived.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

impl<R: Reducer, P> fmt::Debug for Projector<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Projector(..)")
    }
}

impl<R: Reducer> Client<R> {
    /// Returns what brings the rows of a projection up to date with this client. Its methods block threads made for
    /// that, and none of the async runtime.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Client, Seed};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = Client::<Todos>::builder(Seed::random()).in_memory().open().await?;
    /// let mut titles = client.projector(Titles::default());
    /// titles.catch_up(|progress| println!("{} of {}", progress.done, progress.total)).await?;
    /// let following = tokio::spawn(async move { titles.follow().await });
    /// # client.close().await;
    /// # following.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn projector<P: Projection<Aggregate: Aggregate<Event = R::Event>>>(&self, projection: P) -> Projector<R, P> {
        Projector { shared: Arc::downgrade(&self.shared), projection: Arc::new(Mutex::new(projection)) }
    }
}
