//! Projections of a device: rows elsewhere that follow its log.

use super::Device;
use super::feed::changed_page;
use super::load::load;
use crate::aggregate::Aggregate;
use crate::log::{LogError, LogView};
use crate::projecting::{Mark, Page, ProjectError, Projection};
use crate::reducer::Reducer;
use crate::replay::Progress;

/// How many rows are saved in one transaction.
const PAGE: usize = 500;

impl<R: Reducer> Device<R> {
    /// Brings the rows of a projection up to date, and reports the progress to `watch` after every page, in messages.
    ///
    /// # Errors
    ///
    /// [`ProjectError`]. The pages saved before stay, and the next call goes on after them.
    pub fn project<P>(
        &self,
        projection: &mut P,
        watch: impl FnMut(Progress),
    ) -> Result<(), ProjectError<LogError, P::Error>>
    where
        P: Projection<Aggregate: Aggregate<Event = R::Event>>,
    {
        self.start_projection().map_err(ProjectError::Source)?.run(projection, watch)
    }

    /// Takes a snapshot of the log, to make rows of on another thread while the device goes on.
    pub(crate) fn start_projection(&self) -> Result<Projecting, LogError> {
        Ok(Projecting(self.log.view()?))
    }
}

/// A snapshot of a log to make rows of.
#[derive(Debug)]
pub(crate) struct Projecting(LogView);

impl Projecting {
    pub(crate) fn run<P: Projection>(
        self,
        projection: &mut P,
        mut watch: impl FnMut(Progress),
    ) -> Result<(), ProjectError<LogError, P::Error>> {
        let mark = projection.mark().map_err(ProjectError::Projection)?;
        let mut cursor = mark.and_then(|mark| mark.cursor_of::<P>());
        loop {
            let read = self.0.read(|reader| {
                let page = changed_page(reader, cursor.as_ref(), PAGE)?;
                let mut rows = Vec::with_capacity(page.rows.len());
                for root in &page.rows {
                    rows.push((root.clone(), load::<P::Aggregate>(reader, root)?));
                }
                Ok::<_, LogError>((page, rows, reader.feed_end()?.number))
            });
            let (page, rows, total) = read.map_err(ProjectError::Source)?;
            if page.is_anew || cursor != Some(page.cursor) {
                let mark = Mark::new::<P>(page.cursor);
                let is_anew = page.is_anew;
                projection.save(Page { rows, mark, is_anew }).map_err(ProjectError::Projection)?;
                watch(Progress { done: page.cursor.number, total });
            }
            if page.is_last {
                return Ok(());
            }
            cursor = Some(page.cursor);
        }
    }
}

impl<E> ProjectError<LogError, E> {
    /// Returns whether the same call may work later, as [`LogError::is_retryable`] says. It does not know about the errors of the
    /// projection.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Source(error) if error.is_retryable())
    }
}
