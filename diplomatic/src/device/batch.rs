//! Events that are written together.

use std::marker::PhantomData;

use crate::event::{DiplomaticEvent, Draft, EncodeEventError, Target};
use crate::standard::{EntityId, Timestamp};

/// Events that are written together: all of them or none. [`push`](Self::push) names the entity of each before anything
/// is written, so that later events can refer to it.
///
/// [`Device::transact`](crate::Device::transact) and `Client::transact` lend one to the decision.
#[derive(Debug)]
pub struct Batch<E> {
    time: Timestamp,
    ids: blake3::OutputReader,
    pub(super) events: Vec<Pushed>,
    failed: Option<EncodeEventError>,
    event: PhantomData<fn(E)>,
}

/// An event to be written, and the entity that it is about.
#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) draft: Draft,
    pub(super) entity: EntityId,
    /// Whether nothing can be known of the entity, since its ID was made for this event.
    pub(super) is_new: bool,
}

impl<E: DiplomaticEvent> Batch<E> {
    /// Begins a batch whose new entities are created at `time`.
    pub(super) fn new(time: Timestamp, random: &[u8; 32]) -> Self {
        let ids = blake3::Hasher::new_keyed(random).finalize_xof();
        Self { time, ids, events: Vec::new(), failed: None, event: PhantomData }
    }

    /// Adds an event, and returns the ID of its entity, which is new for a fact.
    ///
    /// If the event cannot be serialized, the transaction fails with
    /// [`EmitError::Encode`](crate::error::EmitError::Encode).
    pub fn push(&mut self, event: E) -> EntityId {
        self.push_ref(&event)
    }

    pub(super) fn push_ref(&mut self, event: &E) -> EntityId {
        match event.to_draft() {
            Ok(draft) => self.push_draft(draft),
            Err(error) => {
                self.failed.get_or_insert(error);
                self.new_entity()
            }
        }
    }

    /// Returns the ID of a new entity, for an event with `#[diplomatic(entity = "...")]`.
    pub fn new_entity(&mut self) -> EntityId {
        let mut id = [0; 8];
        self.ids.fill(&mut id);
        EntityId::new(&id, self.time)
    }

    /// Returns how many events were added.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns whether no event was added.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns what was added, unless some of it cannot be serialized.
    pub(super) fn finish(self) -> Result<Vec<Pushed>, EncodeEventError> {
        self.failed.map_or(Ok(self.events), Err)
    }

    fn push_draft(&mut self, draft: Draft) -> EntityId {
        let known = match &draft {
            Draft::Delete { entity } => Some(entity.clone()),
            Draft::Bare { entity, .. } => entity.clone(),
            Draft::Content { type_name, target, .. } => match target {
                Target::Fresh => None,
                Target::Register { key } => Some(EntityId::register(type_name, key)),
                Target::Entity(entity) => Some(entity.clone()),
                Target::Singleton => Some(EntityId::singleton(type_name)),
            },
        };
        let is_new = known.is_none();
        let entity = known.unwrap_or_else(|| self.new_entity());
        self.events.push(Pushed { draft, entity: entity.clone(), is_new });
        entity
    }
}
