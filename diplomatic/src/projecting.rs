//! Projections: rows elsewhere that follow a log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::event::DiplomaticEvent;
use crate::following::FeedCursor;
use crate::standard::EntityId;

/// Rows elsewhere, such as in SQLite, Postgres or a search index, that follow the entities of a log: for each root, what
/// its [`Aggregate`] comes to.
///
/// [`Client::projector`](crate::Client::projector) and [`Device::project`](crate::Device::project) keep the rows up to date
/// with a log, and [`Replay::project`](crate::Replay::project) makes them from an export file. The rows and the [`Mark`] that
/// says how far they go are saved in one transaction, so a crash never leaves them wrong: they are those of an earlier
/// moment, and the next run goes on from there. All rows are made anew if the mark belongs to another store, to another
/// [version](Self::VERSION) of the projection, or to other event types.
///
/// ```
/// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
/// # use app::{Todo, TodoEvent, Todos};
/// use std::collections::BTreeMap;
/// use std::convert::Infallible;
///
/// use diplomatic::projection::{Mark, Page};
/// use diplomatic::{Backing, Device, EntityId, Projection, Seed, Timestamp};
///
/// /// Stands for a table of titles, and a table with one row for the mark.
/// #[derive(Default)]
/// struct Titles {
///     rows: BTreeMap<EntityId, String>,
///     mark: Option<Mark>,
/// }
///
/// impl Projection for Titles {
///     type Aggregate = Todo;
///     type Error = Infallible;
///
///     fn mark(&mut self) -> Result<Option<Mark>, Infallible> {
///         Ok(self.mark)
///     }
///
///     // With a database: all of this in one transaction.
///     fn save(&mut self, page: Page<Todo>) -> Result<(), Infallible> {
///         if page.is_anew {
///             self.rows.clear();
///         }
///         for (id, todo) in page.rows {
///             match todo {
///                 Some(todo) => drop(self.rows.insert(id, todo.title)),
///                 None => drop(self.rows.remove(&id)),
///             }
///         }
///         self.mark = Some(page.mark);
///         Ok(())
///     }
/// }
///
/// # let rng: rand::rngs::StdRng = rand::make_rng();
/// # let now = Timestamp::from_millis(1_764_000_000_000);
/// # let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
/// let milk = device.emit(now, &TodoEvent::Added { title: "milk".into() })?;
/// let mut titles = Titles::default();
/// device.project(&mut titles, |progress| println!("{} of {}", progress.done, progress.total))?;
/// assert_eq!(titles.rows[&milk], "milk");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Projection: Send + 'static {
    /// What rows are made of.
    type Aggregate: Aggregate;

    /// Why rows cannot be read or saved.
    type Error;

    /// The version of the rows. Increase it whenever the same events give other rows, such as when the aggregate's
    /// `apply` changes: then all rows are made anew. New event types do so by themselves.
    const VERSION: u32 = 0;

    /// Returns the mark that was saved last; `None` if there is none or it cannot be read.
    ///
    /// # Errors
    ///
    /// Those of the database.
    fn mark(&mut self) -> Result<Option<Mark>, Self::Error>;

    /// Saves the rows of a page, and its mark, in one transaction.
    ///
    /// # Errors
    ///
    /// Those of the database. Nothing may be saved then; the same rows, or newer ones of the same roots, come again.
    fn save(&mut self, page: Page<Self::Aggregate>) -> Result<(), Self::Error>;
}

/// Rows to save.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<A> {
    /// The roots that changed, and what they are now. If it is `None`, delete the row if there is one.
    pub rows: Vec<(EntityId, Option<A>)>,
    /// How far the rows go, together with those of the pages before.
    pub mark: Mark,
    /// Whether to delete all earlier rows first.
    pub is_anew: bool,
}

/// How far the rows of a projection go: which version of them, in which store, up to which message.
///
/// It can be kept as text, or by serde.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mark {
    fingerprint: [u8; 8],
    cursor: FeedCursor,
}

impl Mark {
    pub(crate) fn new<P: Projection>(cursor: FeedCursor) -> Self {
        Self { fingerprint: fingerprint::<P>(), cursor }
    }

    /// Returns the cursor, if the rows are of this version of the projection.
    pub(crate) fn cursor_of<P: Projection>(&self) -> Option<FeedCursor> {
        (self.fingerprint == fingerprint::<P>()).then_some(self.cursor)
    }
}

/// Identifies what rows must have been made by to be of use: this version of the projection, and these event types.
fn fingerprint<P: Projection>() -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&P::VERSION.to_be_bytes());
    for event_type in <P::Aggregate as Aggregate>::Event::TYPES {
        hasher.update(format!("{event_type:?}").as_bytes());
    }
    *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// A text is not a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mark of a projection is 64 hex digits; without one, all rows are made anew")]
pub struct MarkParseError;

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{}", u64::from_be_bytes(self.fingerprint), self.cursor)
    }
}

impl FromStr for Mark {
    type Err = MarkParseError;

    fn from_str(text: &str) -> Result<Self, MarkParseError> {
        let (fingerprint, cursor) = text.split_at_checked(16).ok_or(MarkParseError)?;
        let is_hex = fingerprint.bytes().all(|digit| digit.is_ascii_hexdigit());
        let fingerprint = u64::from_str_radix(fingerprint, 16).ok().filter(|_| is_hex).ok_or(MarkParseError)?;
        let cursor = cursor.parse().map_err(|_| MarkParseError)?;
        Ok(Self { fingerprint: fingerprint.to_be_bytes(), cursor })
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        mark.to_string()
    }
}

impl TryFrom<String> for Mark {
    type Error = MarkParseError;

    fn try_from(text: String) -> Result<Self, MarkParseError> {
        text.parse()
    }
}

/// Why rows could not be brought up to date.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError<S, E> {
    /// The log or the file could not be read.
    #[error(transparent)]
    Source(S),
    /// The rows could not be read or saved.
    #[error(transparent)]
    Projection(E),
}

crate::standard::never_retryable::never_retryable!(MarkParseError);
