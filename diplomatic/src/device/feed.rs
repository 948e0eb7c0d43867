//! Feeds: which entities changed, and what arrived, from a cursor on.

use serde::{Deserialize, Serialize};

use super::Device;
use super::history::{Happened, HistoryEntry};
use crate::attachment::ChunkName;
use crate::following::FeedCursor;
use crate::log::{LogError, LogReader};
use crate::reducer::Reducer;
use crate::standard::EntityId;

/// A page of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FeedPage<T> {
    /// The rows, in order; none if the follower has read everything.
    pub rows: Vec<T>,
    /// How far the page goes. Keep it together with what the rows lead to, in one transaction if possible.
    pub cursor: FeedCursor,
    /// Whether this is the beginning of the feed: there was no cursor, or it belongs to another store or to a newer
    /// copy of this one. Whatever the follower made of earlier pages, it has to drop first.
    pub is_anew: bool,
    /// Whether nothing comes after this page for now.
    pub is_last: bool,
}

/// A message that arrived at this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Arrived<E> {
    /// The message: what happened, where it came from, and what has overwritten or deleted it by now.
    pub entry: HistoryEntry<E>,
    /// How far a follower has read that has dealt with this message.
    pub cursor: FeedCursor,
    /// Whether a message that is later in the total order had arrived before. One device whose clock runs ahead makes
    /// many messages late.
    pub is_late: bool,
    /// Whether this build cannot apply the message, as far as it is known when the page is read.
    pub is_unread: bool,
}

impl<R: Reducer> Device<R> {
    /// Returns the next page of the entities that changed after a cursor, like the changes feed of CouchDB: the ID of
    /// each *root*, an entity with its registers, once, in the order of the last changes. Deleted ones are among them.
    ///
    /// However late something arrives, a follower that looks at the roots of every page anew is right at the end, whatever
    /// it knew of them before.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Backing, Device, Seed, Timestamp};
    /// # let rng: rand::rngs::StdRng = rand::make_rng();
    /// # let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
    /// let now = Timestamp::from_millis(1_764_000_000_000);
    /// let milk = device.emit(now, &TodoEvent::Added { title: "milk".into() })?;
    /// let bread = device.emit(now, &TodoEvent::Added { title: "bread".into() })?;
    /// let page = device.changed_entities(None, 100)?;
    /// assert_eq!((page.rows, page.is_anew, page.is_last), (vec![milk.clone(), bread.clone()], true, true));
    ///
    /// device.emit(now, &TodoEvent::Renamed { todo: bread.clone(), title: "rolls".into() })?;
    /// device.emit(now, &TodoEvent::Removed { todo: milk.clone() })?;
    /// assert_eq!(device.changed_entities(Some(&page.cursor), 100)?.rows, [bread, milk]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn changed_entities(&self, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage<EntityId>, LogError> {
        self.log.read(|reader| changed_page(reader, after, limit))
    }

    /// Returns the next page of the messages that arrived after a cursor: each once, in the order in which they reached
    /// this device, whether it emitted them, a host brought them or they were imported.
    ///
    /// What compaction dropped before the follower came to it is left out, as are the framework's own messages. In a
    /// store that an earlier version wrote, which knew no order of arrival, what was there comes first, in the total
    /// order.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/todo.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Backing, Device, Seed, Timestamp};
    /// # let rng: rand::rngs::StdRng = rand::make_rng();
    /// # let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
    /// use diplomatic::history::Happened;
    ///
    /// let now = Timestamp::from_millis(1_764_000_000_000);
    /// // A new follower that is not interested in the past.
    /// let end = device.feed_end()?;
    /// device.emit(now, &TodoEvent::Added { title: "milk".into() })?;
    /// let page = device.arrivals(Some(&end), 100)?;
    /// assert_eq!(page.rows[0].entry.what, Happened::Event(TodoEvent::Added { title: "milk".into() }));
    /// assert!(!page.rows[0].is_late);
    /// assert!(device.arrivals(Some(&page.cursor), 100)?.rows.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn arrivals(&self, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage<Arrived<R::Event>>, LogError> {
        self.log.read(|reader| {
            let (mut cursor, is_anew) = begin(reader, after)?;
            let end = reader.feed_end()?;
            let (mut arrived, mut messages) = (Vec::new(), Vec::new());
            while messages.is_empty() && cursor.number < end.number {
                for arrival in reader.arrived_after(&cursor, limit.max(1))? {
                    cursor = arrival.cursor;
                    if !reader.is_own_kind(&arrival.position.to_bytes())?
                        && let Some(stored) = reader.message(&arrival.position)?
                        && ChunkName::of(stored.message.head()).is_none()
                    {
                        arrived.push(arrival);
                        messages.push(stored);
                    }
                }
            }
            let entries = self.entries(reader, messages)?.into_iter().zip(arrived);
            let rows = entries.map(|(entry, arrival)| {
                let is_unread = self.fold.unread().contains(&entry.position)
                    || matches!(entry.what, Happened::Unknown { .. } | Happened::Unreadable { .. });
                Arrived { entry, cursor: arrival.cursor, is_late: arrival.is_late, is_unread }
            });
            let rows = rows.collect();
            Ok(FeedPage { rows, cursor, is_anew, is_last: cursor.number == end.number })
        })
    }

    /// Returns the cursor of a follower that has read everything, for one that begins now.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn feed_end(&self) -> Result<FeedCursor, LogError> {
        self.log.read(|reader| reader.feed_end())
    }

    /// Returns how many messages have arrived.
    #[cfg(feature = "_client")]
    pub(crate) const fn arrived(&self) -> u64 {
        self.log.arrived()
    }
}

/// Returns where a follower goes on, and whether that is the beginning.
fn begin(reader: &LogReader<'_>, after: Option<&FeedCursor>) -> Result<(FeedCursor, bool), LogError> {
    match after {
        Some(after) if reader.knows_cursor(after)? => Ok((*after, false)),
        _ => Ok((reader.feed_start(), true)),
    }
}

/// Returns the next page of changed roots.
pub(super) fn changed_page(
    reader: &LogReader<'_>,
    after: Option<&FeedCursor>,
    limit: usize,
) -> Result<FeedPage<EntityId>, LogError> {
    let (mut cursor, is_anew) = begin(reader, after)?;
    let end = reader.feed_end()?;
    let mut rows = Vec::new();
    while rows.is_empty() && cursor.number < end.number {
        (rows, cursor) = reader.changed_after(&cursor, limit.max(1))?;
    }
    Ok(FeedPage { rows, cursor, is_anew, is_last: cursor.number == end.number })
}
