//! Lists of entities, page by page: what their messages come to, or their latest messages.

use std::fmt;
use std::ops::{Bound, RangeBounds};

use serde::{Deserialize, Serialize};

use super::Device;
use super::history::HistoryEntry;
use super::load::load;
use crate::aggregate::Aggregate;
use crate::log::{Bucket, LogError, LogReader, Order, Place, StoredMessage};
use crate::reducer::Reducer;
use crate::standard::serde_forms::text_or_bytes;
use crate::standard::{Content, EntityId, Timestamp, write_hex};

/// The entities in a list, and their order.
///
/// The list contains every matching entity whose latest message has content.
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

    /// Lists the entities in this group (`gid`).
    pub fn of_group(group: impl Into<String>) -> Self {
        Self::new(Bucket::Group(group.into()))
    }

    /// Lists the entities with this parent (`pid`).
    pub const fn of_parent(parent: EntityId) -> Self {
        Self::new(Bucket::Parent(parent))
    }

    const fn new(bucket: Bucket) -> Self {
        Self { bucket, order: Order::Created, from: Timestamp::EPOCH, to: Timestamp::MAX, limit: 100 }
    }

    /// Orders by the last change instead of creation.
    #[must_use]
    pub const fn by_change(mut self) -> Self {
        self.order = Order::Changed;
        self
    }

    /// Lists only entities whose time is in this range. It is the time by which the list is ordered.
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

    /// Sets the maximum number of entries on a page; the default is 100.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// A page of a list.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
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
/// let mut page = device.list::<Todo>(&query, None)?;
/// assert_eq!(page.entries.len(), 2);
/// while let Some(next) = page.next {
///     page = device.list(&query, Some(&next))?;
///     assert_eq!(page.entries.len(), 1);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries, in order.
    pub entries: Vec<T>,
    /// The start of the next page; `None` on the last page.
    pub next: Option<PageStart>,
}

/// The start of a page. It stays valid when entities are added or deleted, and can be kept by serde.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageStart(Place);

impl From<PageStart> for [u8; Place::LEN] {
    fn from(start: PageStart) -> Self {
        start.0.into_bytes()
    }
}

impl From<[u8; Place::LEN]> for PageStart {
    fn from(bytes: [u8; Place::LEN]) -> Self {
        Self(Place::from_bytes(bytes))
    }
}

/// Shows hex digits, which mean nothing to anybody else.
impl fmt::Display for PageStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &<[u8; Place::LEN]>::from(*self))
    }
}

text_or_bytes!(PageStart, Place::LEN, "114 hex digits of the start of a page");

impl<R: Reducer> Device<R> {
    /// Returns a page of the entities that match a query, each with its [aggregate](Aggregate): the first page, or the one
    /// at `start`. A register in the list stands for the entity on which it hangs. Entities that have no aggregate are left
    /// out.
    ///
    /// The first call builds an index in the log, which takes a while if the log is long. From then on, the index is kept
    /// up to date, and a page loads only its own entities.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn list<A: Aggregate<Event = R::Event>>(
        &mut self,
        query: &Query,
        start: Option<&PageStart>,
    ) -> Result<Page<(EntityId, A)>, LogError> {
        self.ready_index()?;
        self.log.read(|reader| aggregates(reader, query, start))
    }

    /// Returns a page of the entities that match a query like [`list`](Self::list), each with its latest message.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn list_latest(
        &mut self,
        query: &Query,
        start: Option<&PageStart>,
    ) -> Result<Page<HistoryEntry<R::Event>>, LogError> {
        self.ready_index()?;
        self.log.read(|reader| {
            let Page { entries, next } = latest(reader, query, start)?;
            Ok(Page { entries: self.entries(reader, entries)?, next })
        })
    }

    /// Builds the index, unless it is there.
    pub(crate) fn ready_index(&mut self) -> Result<(), LogError> {
        if self.log.read(|reader| reader.has_index())? {
            return Ok(());
        }
        self.log.write(|writer| writer.build_index())
    }
}

/// Returns a page of aggregates.
pub(super) fn aggregates<A: Aggregate>(
    reader: &LogReader<'_>,
    query: &Query,
    start: Option<&PageStart>,
) -> Result<Page<(EntityId, A)>, LogError> {
    let Page { entries: listed, next } = latest(reader, query, start)?;
    let mut entries = Vec::with_capacity(listed.len());
    for StoredMessage { message, .. } in listed {
        let Some(root) = Content::of(&message).root(message.head().entity()) else { continue };
        if let Some(aggregate) = load(reader, &root)? {
            entries.push((root, aggregate));
        }
    }
    Ok(Page { entries, next })
}

/// Returns a page of the latest messages of entities.
fn latest(reader: &LogReader<'_>, query: &Query, start: Option<&PageStart>) -> Result<Page<StoredMessage>, LogError> {
    let Query { bucket, order, from, to, limit } = query;
    if from > to || *limit == 0 {
        return Ok(Page { entries: Vec::new(), next: None });
    }
    // One more than asked for tells whether there is a next page.
    let most = limit.saturating_add(1);
    let found = reader.list(bucket, *order, &(*from..=*to), start.map(|start| &start.0), most)?;
    let next = if found.len() > *limit { found.get(limit - 1).map(|(place, _)| PageStart(*place)) } else { None };
    Ok(Page { entries: found.into_iter().take(*limit).map(|(_, stored)| stored).collect(), next })
}
