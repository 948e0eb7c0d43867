//! What the code of the derive macro names.

mod bytes;
mod field;
mod key_parent;
mod parts;
mod payload;
mod upcast;

pub use serde;

pub use self::bytes::{ByteField, serialize_bytes};
pub use self::field::{EntityField, GroupField, ParentField, ParentId};
pub use self::key_parent::{key_parent, key_parent_by};
pub use self::parts::{count_types, join_types, names_differ};
pub use self::payload::{nothing, read_fields, read_nothing, read_value, register_target, write_payload};
pub use self::upcast::{Upcast, other_variant, upcast};
pub use crate::event::{DecodeEventError, DiplomaticEvent, Draft, EncodeEventError, EventType, Shape, Stored, Target};
pub use crate::standard::EntityId;
