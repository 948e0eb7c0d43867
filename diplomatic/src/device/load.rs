//! Aggregates of a device: folded from the log when they are asked for.

use super::Device;
use crate::aggregate::Aggregate;
use crate::event::DiplomaticEvent;
use crate::fold::{Item, Kept, Source, fold_root};
use crate::log::{LogError, LogReader};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::EntityId;

/// How many messages are opened together at most.
const PAGE: usize = 1_024;

impl<R: Reducer> Device<R> {
    /// Folds an [aggregate](Aggregate) from the events of its root; `None` if it does not exist. It costs as much as the
    /// root has events.
    ///
    /// ```
    /// # mod app { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/titles.rs")); }
    /// # use app::*;
    /// # use diplomatic::{Backing, Device, Seed, Timestamp};
    /// # let rng: rand::rngs::StdRng = rand::make_rng();
    /// # let mut device = Device::<Todos>::open(Backing::memory(), &Seed::random(), rng)?;
    /// # let now = Timestamp::from_millis(1_764_000_000_000);
    /// let milk = device.emit(now, &TodoEvent::Added { title: "milk".into() })?;
    /// device.emit(now, &TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() })?;
    /// assert_eq!(device.load::<Todo>(&milk)?, Some(Todo { title: "oat milk".into() }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn load<A: Aggregate<Event = R::Event>>(&self, root: &EntityId) -> Result<Option<A>, LogError> {
        self.log.read(|reader| load(reader, root))
    }
}

/// Folds an aggregate from the events of its root.
pub(super) fn load<A: Aggregate>(reader: &LogReader<'_>, root: &EntityId) -> Result<Option<A>, LogError> {
    fold_root(&mut RootSource::new(reader, root)?)
}

/// What the log has of one root, as a fold reads it.
struct RootSource<'a, 't> {
    reader: &'a LogReader<'t>,
    root: &'a EntityId,
    /// The latest versions of its entity and of all registers that ever hung on it, in total order.
    latest: Vec<Position>,
}

impl<'a, 't> RootSource<'a, 't> {
    fn new(reader: &'a LogReader<'t>, root: &'a EntityId) -> Result<Self, LogError> {
        let mut latest = Vec::new();
        for entity in reader.entities_of_root(root)? {
            latest.extend(reader.winner(&entity)?.map(|winner| winner.position));
        }
        latest.sort_unstable();
        Ok(Self { reader, root, latest })
    }

    fn read<E: DiplomaticEvent>(&self, position: &Position) -> Result<Option<Item<E>>, LogError> {
        let stored = self.reader.message(position)?;
        Ok(stored.map(|stored| Item::within(stored.message, self.root)))
    }
}

impl<E: DiplomaticEvent> Source<E> for RootSource<'_, '_> {
    type Error = LogError;

    fn page(&mut self, after: Option<&Position>) -> Result<Vec<Item<E>>, LogError> {
        let from = after.map_or(0, |after| self.latest.partition_point(|position| position <= after));
        let mut page = Vec::new();
        for position in self.latest[from..].iter().take(PAGE) {
            page.extend(self.read(position)?);
        }
        Ok(page)
    }

    fn earlier(&mut self, entity: &EntityId, position: &Position) -> Result<Option<Item<E>>, LogError> {
        let stored = self.reader.version_before(entity, position)?;
        Ok(stored.map(|stored| Item::within(stored.message, self.root)))
    }

    fn item(&mut self, position: &Position) -> Result<Option<Item<E>>, LogError> {
        self.read(position)
    }

    fn kept_before(&mut self, _: Option<&Position>) -> Result<Option<Kept>, LogError> {
        Ok(None)
    }
}
