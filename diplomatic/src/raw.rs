//! Messages of any app as events, for tools that do not know the app's types.

use serde::{Deserialize, Serialize};

use crate::event::{DecodeEventError, DiplomaticEvent, Draft, EncodeEventError, EventType, Stored, Target};
use crate::reducer::{Meta, Reducer};
use crate::standard::{EntityBody, EntityId};

/// A message of any app, as an event.
///
/// Every message of an account can be read as a `RawEvent`, so a tool can sync, inspect, write to and replay any
/// account. The event's [`Meta`] holds its entity, time and origin.
///
/// ```
/// use diplomatic::raw::{Raw, RawEvent};
/// use diplomatic::event::Target;
/// use diplomatic::{Backing, Device, Seed, Timestamp};
///
/// let mut rng: rand::rngs::StdRng = rand::make_rng();
/// let seed = Seed::generate(&mut rng);
/// let mut device = Device::<Raw>::open(Backing::memory(), &seed, rng)?;
/// let added = RawEvent::Typed {
///     type_name: "todo.added".to_owned(),
///     target: Target::Fresh,
///     payload: b"\x81\xa5title\xa4milk".to_vec(),
///     group: None,
///     parent: None,
/// };
/// let milk = device.emit(Timestamp::from_millis(1_764_000_000_000), &added)?;
/// let history = device.history(None, 10)?;
/// assert_eq!(history[0].meta.entity, milk);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawEvent {
    /// A message with a type: an entity body, or the value of a singleton.
    Typed {
        /// The type's name.
        type_name: String,
        /// The entity. For a message that was read, it is [`Target::Singleton`] or [`Target::Entity`].
        target: Target,
        /// The content: one MessagePack value.
        payload: Vec<u8>,
        /// The group (`gid`); a singleton has none.
        group: Option<String>,
        /// The parent entity (`pid`); a singleton has none.
        parent: Option<EntityId>,
    },
    /// A body that follows neither convention. Emitting it creates a new entity.
    Bare {
        /// The body.
        body: Vec<u8>,
    },
    /// A delete.
    Deleted {
        /// The deleted entity.
        entity: EntityId,
    },
}

// Keeps the compiler from suggesting this type to those who forgot to derive their enum.
#[diagnostic::do_not_recommend]
impl DiplomaticEvent for RawEvent {
    const TYPES: &'static [EventType] = &[];
    const READS_ALL: bool = true;

    fn to_draft(&self) -> Result<Draft, EncodeEventError> {
        Ok(match self {
            Self::Typed { type_name, target: Target::Singleton, payload, .. } => {
                let (entity, body) = (Some(EntityId::singleton(type_name)), payload.clone());
                Draft::Bare { entity, body, key: Vec::new() }
            }
            Self::Typed { type_name, target, payload, group, parent } => {
                let parent = parent.clone();
                let (entity, key) = match target {
                    Target::Register { key } => (Some(EntityId::register(type_name, key)), key.clone()),
                    Target::Entity(entity) => (Some(entity.clone()), Vec::new()),
                    _ => (None, Vec::new()),
                };
                let body = EntityBody { type_name, payload, group: group.as_deref(), parent };
                Draft::Bare { entity, body: body.to_bytes(), key }
            }
            Self::Bare { body } => Draft::Bare { entity: None, body: body.clone(), key: Vec::new() },
            Self::Deleted { entity } => Draft::Delete { entity: entity.clone() },
        })
    }

    fn from_stored(stored: Stored<'_>) -> Result<Self, DecodeEventError> {
        let Stored::Message(message) = stored else { return Err(DecodeEventError::UnknownType) };
        let entity = message.head().entity();
        let Some(body) = message.body() else { return Ok(Self::Deleted { entity: entity.clone() }) };
        let (type_name, target, payload, group, parent) = match (entity.singleton_type(), EntityBody::decode(body)) {
            (Some(type_name), _) => (type_name, Target::Singleton, body, None, None),
            (None, Ok(EntityBody { type_name, payload, group, parent })) => {
                (type_name, Target::Entity(entity.clone()), payload, group, parent)
            }
            (None, Err(_)) => return Ok(Self::Bare { body: body.to_vec() }),
        };
        let (type_name, payload, group) = (type_name.to_owned(), payload.to_vec(), group.map(str::to_owned));
        Ok(Self::Typed { type_name, target, payload, group, parent })
    }
}

/// The empty state, for tools that only store, sync and show messages.
///
/// It can open an app's log. The app's snapshots stay valid; those that new messages invalidate are dropped.
///
/// ```
/// use diplomatic::raw::Raw;
/// use diplomatic::{Client, Seed};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A backup of any app's account.
/// # let folder = tempfile::tempdir()?;
/// # let (seed, backup) = (Seed::random(), folder.path().join("backup.dpl"));
/// let client = Client::<Raw>::builder(seed).in_memory().open().await?;
/// client.sync().await?;
/// let exported = client.export(backup).await?;
/// println!("{} messages", exported.messages);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raw;

impl Reducer for Raw {
    type Event = RawEvent;

    const IS_EMPTY: bool = true;

    fn apply(&mut self, _: RawEvent, _: &Meta) {}
}
