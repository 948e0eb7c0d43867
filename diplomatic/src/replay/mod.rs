//! Replay of export files (`.dpl`): the events, and the state at any time, from a file and its seed alone.
//!
//! This module reads such files piece by piece and sorts their messages. It needs no store, network or async runtime,
//! and never writes. [`standard::export`](crate::standard::export) describes the layout.

mod damage;
mod entries;
mod error;
mod events;
mod fetch;
mod fold;
mod layout;
mod progress;
mod project;
mod salvage;
mod scan;
mod search;
mod source;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::num::NonZero;
use std::ops::Range;
use std::path::Path;

pub use damage::{Damage, DamageCause, DamageReport};
use entries::Entries;
#[cfg(feature = "store")]
use entries::Entry;
pub use error::ReplayError;
pub use events::{Events, Messages, Replayed};
use events::{Walk, Which};
use fetch::Vaults;
pub use fold::Folded;
use layout::Layout;
pub use progress::Progress;
use source::Source;

use crate::event::DiplomaticEvent;
#[cfg(feature = "store")]
use crate::order::Position;
use crate::parallel;
use crate::projecting::{ProjectError, Projection};
use crate::reducer::Reducer;
#[cfg(feature = "store")]
use crate::standard::Message;
use crate::standard::{Label, Seed, Timestamp};

/// An opened export file.
///
/// The file may be larger than memory: only about 90 bytes per message are kept, and contents are read on demand. A
/// replay uses up to four cores. To replay many files at once, give each [one thread](Self::with_threads) and
/// distribute the files over your own threads.
///
/// ```
/// use diplomatic::standard::{Body, EntityBody, EntityId, Message, Seed, Timestamp, export};
/// use diplomatic::{DiplomaticEvent, Meta, Reducer, Replay};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(DiplomaticEvent)]
/// enum Drink {
///     Drunk { cups: u32 },
/// }
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Day {
///     cups: u32,
/// }
///
/// impl Reducer for Day {
///     type Event = Drink;
///
///     fn apply(&mut self, event: Drink, _: &Meta) {
///         let Drink::Drunk { cups } = event;
///         self.cups += cups;
///     }
/// }
///
/// # let mut rng = rand::rng();
/// # let seed = Seed::generate(&mut rng);
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("day.dpl");
/// # let times = [8, 10].map(|hour| Timestamp::from_millis(hour * 3_600_000));
/// # let messages = times.map(|time| {
/// #     let body = EntityBody::new("drunk", b"\x81\xa4cups\x02").to_bytes();
/// #     Message::new(EntityId::fresh(&mut rng, time), time, 0, Body::new(body)).unwrap()
/// # });
/// # std::fs::write(&path, export::write(&seed, &export::usual_label(), &messages)?)?;
/// // The export of a day with two cups at eight o'clock and two more at ten.
/// let mut replay = Replay::open(&path, &seed)?;
/// for event in replay.events::<Drink>() {
///     let event = event?;
///     let Drink::Drunk { cups } = event.event;
///     println!("{cups} at {}", event.meta.changed);
/// }
/// let nine = Timestamp::from_millis(9 * 3_600_000);
/// assert_eq!(replay.fold::<Day>(Some(nine))?.state.cups, 2);
/// assert_eq!(replay.fold::<Day>(None)?.state.cups, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Replay<F = File> {
    label: Option<Label>,
    entries: Entries,
    vaults: Vaults<F>,
    damage: DamageReport,
}

impl Replay {
    /// Opens an export file: checks it as a whole, opens every head, and puts the messages in order.
    ///
    /// # Errors
    ///
    /// [`ReplayError`]. If the file is damaged, it names the damage, and [`recover`](Self::recover) can read the rest.
    /// Bodies are checked when they are read.
    pub fn open(path: impl AsRef<Path>, seed: &Seed) -> Result<Self, ReplayError> {
        Self::from_source(File::open(path)?, seed)
    }

    /// Opens every readable message of a damaged export file. [`damage`](Self::damage) says what is wrong and where.
    ///
    /// Each message that is found is fully checked, including its body. It is not always possible to tell whether the
    /// file once held others.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the file cannot be read or nothing in it can be opened.
    pub fn recover(path: impl AsRef<Path>, seed: &Seed) -> Result<Self, ReplayError> {
        Self::recover_from(File::open(path)?, seed)
    }
}

impl<F: Read + Seek> Replay<F> {
    /// Opens an export file like [`open`](Replay::open), from any reader.
    ///
    /// # Errors
    ///
    /// As for [`open`](Replay::open).
    pub fn from_source(file: F, seed: &Seed) -> Result<Self, ReplayError> {
        let mut source = Source::new(file)?;
        let layout = match Layout::read(&mut source)? {
            Ok(layout) => layout,
            Err(damage) if search::finds_any(&mut source, seed, 0)? => return Err(ReplayError::Damaged(damage)),
            Err(damage) => return Err(ReplayError::NotAnExport(damage)),
        };
        let check = match layout.head.verify(seed) {
            Ok(check) => check,
            Err(_) if search::finds_any(&mut source, seed, layout.index.start)? => {
                return Err(ReplayError::Damaged(Damage::new(layout.header(), DamageCause::Signature)));
            }
            Err(_) => return Err(ReplayError::WrongSeed),
        };
        let opener = scan::check_index(&mut source, &layout, check)?;
        let threads = parallel::usual_threads();
        let entries = Entries::sort(scan::scan(&mut source, &layout, &opener, threads)?);
        let Layout { head, bodies, .. } = layout;
        Ok(Self {
            label: Some(head.label().clone()),
            entries,
            vaults: Vaults { source, opener, bodies, moved: HashMap::new(), threads },
            damage: DamageReport::default(),
        })
    }

    /// Opens every readable message of a damaged export file like [`recover`](Replay::recover), from any reader.
    ///
    /// # Errors
    ///
    /// As for [`recover`](Replay::recover).
    pub fn recover_from(file: F, seed: &Seed) -> Result<Self, ReplayError> {
        salvage::salvage(Source::new(file)?, seed)
    }

    /// Sets the number of threads that open messages.
    #[must_use]
    pub const fn with_threads(mut self, threads: NonZero<usize>) -> Self {
        self.vaults.threads = threads;
        self
    }

    /// Returns the number of readable messages, without duplicates.
    pub fn len(&self) -> usize {
        self.entries.as_slice().len()
    }

    /// Returns whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the file's label; `None` if the header was lost.
    pub const fn label(&self) -> Option<&Label> {
        self.label.as_ref()
    }

    /// Returns the times of the first and the last change.
    pub fn times(&self) -> Option<(Timestamp, Timestamp)> {
        let entries = self.entries.as_slice();
        Some((entries.first()?.position().changed, entries.last()?.position().changed))
    }

    /// Returns the damage; none unless the file was [recovered](Replay::recover).
    pub const fn damage(&self) -> &DamageReport {
        &self.damage
    }

    /// Returns the live events in the total order: those that nothing in the file overwrites or deletes.
    ///
    /// Applying them to a state gives the same result as [`fold`](Self::fold), unless the reducer panics.
    pub fn events<E: DiplomaticEvent>(&mut self) -> Events<'_, F, E> {
        let len = self.len();
        Events::new(self, Which::CountingAmong(len), 0..len)
    }

    /// Returns the events that were live at a time, ignoring everything later.
    pub fn events_until<E: DiplomaticEvent>(&mut self, until: Timestamp) -> Events<'_, F, E> {
        let count = self.entries.count_until(Some(until));
        Events::new(self, Which::CountingAmong(count), 0..count)
    }

    /// Returns every event in the total order, including overwritten and deleted ones.
    pub fn history<E: DiplomaticEvent>(&mut self) -> Events<'_, F, E> {
        let len = self.len();
        Events::new(self, Which::All, 0..len)
    }

    /// Returns every message of any type in the total order, including overwritten and deleted ones.
    pub fn messages(&mut self) -> Messages<'_, F> {
        Messages::new(self)
    }

    /// Folds the state at a time, or at the last message, ignoring everything later.
    ///
    /// If the reducer panics on an event, the event is quarantined, as on a device.
    ///
    /// # Errors
    ///
    /// [`ReplayError`], also if the body of a live message is damaged.
    pub fn fold<R: Reducer>(&mut self, until: Option<Timestamp>) -> Result<Folded<R>, ReplayError> {
        fold::fold(self, until)
    }

    /// Brings the rows of a [`Projection`] up to date with this file, and reports the progress to `watch` after every page.
    /// All rows are made anew, unless they were made of the same messages by the same version of the projection.
    ///
    /// To project many files at once, give each [one thread](Self::with_threads) and distribute them over your own.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Backing, Device, Replay, Seed, Timestamp};
    /// # let rng: rand::rngs::StdRng = rand::make_rng();
    /// # let seed = Seed::random();
    /// # let mut device = Device::<Todos>::open(Backing::memory(), &seed, rng)?;
    /// # let now = Timestamp::from_millis(1_764_000_000_000);
    /// # let milk = device.emit(now, &TodoEvent::Added { title: "milk".into() })?;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("todos.dpl");
    /// # device.export(&path, &seed)?;
    /// let mut titles = Titles::default();
    /// Replay::open(&path, &seed)?.project(&mut titles, |_| ())?;
    /// assert_eq!(titles.rows[&milk], "milk");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ProjectError`]. The pages saved before stay, and the next call makes all rows anew.
    pub fn project<P: Projection>(
        &mut self,
        projection: &mut P,
        watch: impl FnMut(Progress),
    ) -> Result<(), ProjectError<ReplayError, P::Error>> {
        project::project(self, projection, watch)
    }

    /// Returns the positions of up to `most` messages, starting at a place in the order.
    #[cfg(feature = "store")]
    pub(crate) fn positions(&self, from: usize, most: usize) -> Vec<Position> {
        let from = self.entries.as_slice().get(from..).unwrap_or_default();
        from.iter().take(most).map(Entry::position).collect()
    }

    /// Reads the messages of a range of places which are wanted, perhaps only the first of them, so that they need not
    /// much memory. Returns them, and the place to go on from.
    #[cfg(feature = "store")]
    pub(crate) fn read(
        &mut self,
        places: Range<usize>,
        mut is_wanted: impl FnMut(usize) -> bool,
    ) -> Result<(SealedMessages, usize), ReplayError> {
        let mut walk = self.walk(Which::All, places);
        let places = walk.choose(|_, place| is_wanted(place));
        let next = walk.left.start;
        let entries: Vec<&Entry> = places.iter().map(|&place| &walk.entries.as_slice()[place]).collect();
        let sealed = walk.vaults.read(&entries)?;
        Ok((SealedMessages { places, sealed }, next))
    }

    /// Returns what opens messages that were read, on any thread.
    #[cfg(feature = "store")]
    pub(crate) const fn opener(&self) -> MessageOpener<'_> {
        MessageOpener { entries: &self.entries, opening: self.vaults.opening() }
    }

    fn walk(&mut self, which: Which, left: Range<usize>) -> Walk<'_, F> {
        Walk { entries: &self.entries, vaults: &mut self.vaults, which, left }
    }
}

/// Messages that were read of a file, and are not open yet.
#[cfg(feature = "store")]
#[derive(Debug)]
pub(crate) struct SealedMessages {
    places: Vec<usize>,
    sealed: fetch::Sealed,
}

/// Opens messages that were read of a file.
#[cfg(feature = "store")]
pub(crate) struct MessageOpener<'a> {
    entries: &'a Entries,
    opening: fetch::Opening<'a>,
}

#[cfg(feature = "store")]
impl MessageOpener<'_> {
    /// Opens the messages and makes of each what `make` says; of a damaged one, returns the damage.
    pub(crate) fn open<T: Send>(
        &self,
        messages: &SealedMessages,
        make: impl Fn(Message) -> T + Sync,
    ) -> Vec<Result<T, Damage>> {
        let SealedMessages { places, sealed } = messages;
        let entries: Vec<&Entry> = places.iter().map(|&place| &self.entries.as_slice()[place]).collect();
        self.opening.open(&entries, sealed, |_, message| message.map(&make))
    }
}

impl<F> fmt::Debug for Replay<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("label", &self.label)
            .field("len", &self.entries.as_slice().len())
            .field("damage", &self.damage)
            .finish_non_exhaustive()
    }
}
