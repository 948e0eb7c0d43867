//! Lists of entities, a page at a time.

use std::ops::{Bound, RangeBounds};

use super::Device;
use super::history::HistoryEntry;
use crate::log::{Bucket, LogError, Order, Place};
use crate::reducer::Reducer;
use crate::standard::{EntityId, Timestamp};

/// Which entities a list has, and in which order.
///
/// An entity is in it while a message with content counts for it; its entry is that message.
///
/// ```
/// use diplomatic::list::Query;
/// use diplomatic::Timestamp;
///
/// let today = Timestamp::from_millis(1_764_000_000_000);
/// let query = Query::of_type("todo.added").by_change().within(today..).limit(50);
/// # let _ = query;
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    bucket: Bucket,
    order: Order,
    from: Timestamp,
    to: Timestamp,
    limit: usize,
}

impl Query {
    /// Lists the entities with events of this type.
    pub fn of_type(type_name: impl Into<String>) -> Self {
        Self::new(Bucket::Type(type_name.into()))
    }

    /// Lists the entities of this group (`gid`).
    pub fn of_group(group: impl Into<String>) -> Self {
        Self::new(Bucket::Group(group.into()))
    }

    /// Lists the entities that hang on this one (`pid`).
    pub const fn of_parent(parent: EntityId) -> Self {
        Self::new(Bucket::Parent(parent))
    }

    const fn new(bucket: Bucket) -> Self {
        Self { bucket, order: Order::Created, from: Timestamp::EPOCH, to: Timestamp::MAX, limit: 100 }
    }

    /// Orders by the last change, and not by creation.
    #[must_use]
    pub const fn by_change(mut self) -> Self {
        self.order = Order::Changed;
        self
    }

    /// Lists only entities whose time, the one that the list is ordered by, is within these.
    #[must_use]
    pub fn within(mut self, times: impl RangeBounds<Timestamp>) -> Self {
        let millis = |time: &Timestamp| time.as_millis();
        self.from = match times.start_bound() {
            Bound::Included(time) => *time,
            Bound::Excluded(time) => Timestamp::from_millis(millis(time) + 1),
            Bound::Unbounded => Timestamp::EPOCH,
        };
        self.to = match times.end_bound() {
            Bound::Included(time) => *time,
            Bound::Excluded(time) if millis(time) == 0 => {
                self.limit = 0;
                *time
            }
            Bound::Excluded(time) => Timestamp::from_millis(millis(time) - 1),
            Bound::Unbounded => Timestamp::MAX,
        };
        self
    }

    /// Sets how many entries a page has at most; 100 if it is not set.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// A part of a list.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
/// # use app::*;
/// # use diplomatic::list::Query;
/// # use diplomatic::{Backing, Device, Seed, Timestamp};
/// # let rng: rand::rngs::StdRng = rand::make_rng();
/// # let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
/// let now = Timestamp::from_millis(1_764_000_000_000);
/// for title in ["milk", "bread", "cheese"] {
///     device.emit(now, &TodoEvent::Added { title: title.into() })?;
/// }
/// let query = Query::of_type("todo.added").limit(2);
/// let mut page = device.list(&query, None)?;
/// assert_eq!(page.entries.len(), 2);
/// while let Some(next) = page.next {
///     page = device.list(&query, Some(&next))?;
///     assert_eq!(page.entries.len(), 1);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page<E> {
    /// The entries, in the list's order.
    pub entries: Vec<HistoryEntry<E>>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<PageStart>,
}

/// Where a page begins. It stays good while entities come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageStart(Place);

impl<R: Reducer> Device<R> {
    /// Returns a page of a list of entities: the first, or the one that begins at `start`.
    ///
    /// The index is made in the log when it is first asked for, which takes a while in a long one, and kept up to date
    /// from then on. Pages come from it without loading more than they show.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn list(&mut self, query: &Query, start: Option<&PageStart>) -> Result<Page<R::Event>, LogError> {
        if !self.log.read(|reader| reader.has_index())? {
            self.log.write(|writer| writer.build_index())?;
        }
        let Query { bucket, order, from, to, limit } = query;
        if from > to || *limit == 0 {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        self.log.read(|reader| {
            let found =
                reader.list(bucket, *order, &(*from..=*to), start.map(|start| &start.0), limit.saturating_add(1))?;
            // One more than asked for tells whether there is a next page.
            let next =
                if found.len() > *limit { found.get(limit - 1).map(|(place, _)| PageStart(*place)) } else { None };
            let entries = found.into_iter().take(*limit).map(|(_, stored)| self.entry(reader, stored));
            Ok(Page { entries: entries.collect::<Result<_, _>>()?, next })
        })
    }
}
