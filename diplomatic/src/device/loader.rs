//! Loading aggregates on another thread while the device goes on.

use super::Device;
use super::index::{Page, PageStart, Query, aggregates};
use super::load::load;
use crate::aggregate::Aggregate;
use crate::log::{LogError, LogView};
use crate::reducer::Reducer;
use crate::standard::EntityId;

impl<R: Reducer> Device<R> {
    /// Takes a view of the log as it is now, to load aggregates from on another thread.
    pub(crate) fn loader(&self) -> Result<Loader, LogError> {
        Ok(Loader(self.log.view()?))
    }
}

/// A view of a log to load aggregates from.
#[derive(Debug)]
pub(crate) struct Loader(LogView);

impl Loader {
    pub(crate) fn load<A: Aggregate>(&self, root: &EntityId) -> Result<Option<A>, LogError> {
        self.0.read(|reader| load(reader, root))
    }

    /// Returns a page like [`Device::list`]. The index has to be there.
    pub(crate) fn list<A: Aggregate>(
        &self,
        query: &Query,
        start: Option<&PageStart>,
    ) -> Result<Page<(EntityId, A)>, LogError> {
        self.0.read(|reader| aggregates(reader, query, start))
    }
}
