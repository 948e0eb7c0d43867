//! Messages of any app, as events: for tools that know no types.

use serde::{Deserialize, Serialize};

use crate::event::{DecodeEventError, DiplomaticEvent, Draft, EncodeEventError, EventType, Stored, Target};
use crate::reducer::{Meta, Reducer};
use crate::standard::{EntityBody, EntityId};

/// A message of any app, as an event.
///
/// Every message of an account reads as one. With it, a tool syncs, tells the history of, writes to and replays any
/// account; when a message was changed, what it is about, and where it came from stands in its [`Meta`].
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
    /// Something of a type: an entity body, or the value of a singleton.
    Typed {
        /// The type's name.
        type_name: String,
        /// What it is about. Of a message that was read, it is [`Target::Singleton`] or [`Target::Entity`].
        target: Target,
        /// The content: one MessagePack value.
        payload: Vec<u8>,
        /// The group (`gid`); a singleton has none.
        group: Option<String>,
        /// The parent entity (`pid`); a singleton has none.
        parent: Option<EntityId>,
    },
    /// A body that follows neither convention; when emitted, it is about a new entity.
    Bare {
        /// The body.
        body: Vec<u8>,
    },
    /// A delete.
    Deleted {
        /// The entity that goes.
        entity: EntityId,
    },
}

// Who forgot to derive an enum is not helped by this one.
#[diagnostic::do_not_recommend]
impl DiplomaticEvent for RawEvent {
    const TYPES: &'static [EventType] = &[];
    const READS_ALL: bool = true;

    fn to_draft(&self) -> Result<Draft, EncodeEventError> {
        Ok(match self {
            Self::Typed { type_name, target: Target::Singleton, payload, .. } => {
                Draft::Bare { entity: Some(EntityId::singleton(type_name)), body: payload.clone() }
            }
            Self::Typed { type_name, target, payload, group, parent } => {
                let parent = parent.clone();
                let entity = match target {
                    Target::Register { key } => Some(EntityId::register(type_name, key)),
                    Target::Entity(entity) => Some(entity.clone()),
                    _ => None,
                };
                let body = EntityBody { type_name, payload, group: group.as_deref(), parent };
                Draft::Bare { entity, body: body.to_bytes() }
            }
            Self::Bare { body } => Draft::Bare { entity: None, body: body.clone() },
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

/// The state of a tool that only stores, syncs and shows messages: none.
///
/// A log that is open with it may be an app's: what the app keeps of its state stays good, or goes where new messages
/// spoil it.
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

    fn apply(&mut self, _: &RawEvent, _: &Meta) {}
}
