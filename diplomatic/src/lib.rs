//! Placeholder.

#[cfg(feature = "engine")]
mod event;
pub mod standard;

/// # Examples
///
/// ```
/// use diplomatic::standard::{EntityId, Timestamp};
/// use diplomatic::{DiplomaticEvent, Draft, EncodeEventError, Target};
///
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "todo")]
/// enum TodoEvent {
///     // Every one counts, and is a new entity.
///     Added { title: String },
///     // The latest per `todo` counts.
///     #[diplomatic(overwrites = "todo")]
///     Renamed { todo: EntityId, title: String },
///     // The latest per list and day counts; all of a list are one group.
///     #[diplomatic(overwrites("list", "day"), gid = "list")]
///     Planned { list: String, day: u16, hours: f32 },
///     // The whole of an entity. `type` keeps the name that the type had before the variant was renamed.
///     #[diplomatic(entity = "id", type = "todo.note")]
///     Annotated { id: EntityId, text: String, #[serde(default)] pinned: bool },
///     #[diplomatic(deletes = "todo")]
///     Removed { todo: EntityId },
///     // One value for the account.
///     #[diplomatic(singleton)]
///     Theme(String),
/// }
///
/// let milk = EntityId::new(b"milkmilk", Timestamp::EPOCH);
/// let renamed = TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".to_owned() };
/// let Draft::Content { type_name, target, parent, .. } = renamed.to_draft()? else { unreachable!() };
/// assert_eq!(type_name, "todo.renamed");
/// assert!(matches!(target, Target::Register { .. }));
/// assert_eq!(parent, Some(milk));
/// # Ok::<_, EncodeEventError>(())
/// ```
///
/// # Reference
///
#[cfg(feature = "derive")]
#[doc(inline)]
pub use diplomatic_derive::DiplomaticEvent;
#[cfg(feature = "engine")]
pub use event::{DecodeEventError, DiplomaticEvent, Draft, EncodeEventError, EventType, Shape, Stored, Target};

/// What the derive macro's code names; not for other use.
#[cfg(feature = "derive")]
#[doc(hidden)]
pub mod __private;
