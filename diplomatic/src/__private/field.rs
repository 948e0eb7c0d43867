//! What a field must be to have a part in the message beside the payload.

use std::borrow::Cow;
use std::sync::Arc;

use crate::standard::EntityId;

/// A field that is the message's entity id.
#[diagnostic::on_unimplemented(
    message = "the field that `entity` or `deletes` names is a `{Self}`, but must be an `EntityId`",
    label = "not an `EntityId`",
    note = "make the field an `EntityId`, or name another field in the attribute"
)]
pub trait EntityField: Sized {
    /// Returns the entity id.
    fn to_entity(&self) -> EntityId;

    /// Makes the field from the message's entity id.
    fn from_entity(entity: &EntityId) -> Self;
}

impl EntityField for EntityId {
    fn to_entity(&self) -> EntityId {
        self.clone()
    }

    fn from_entity(entity: &EntityId) -> Self {
        entity.clone()
    }
}

/// A field that names the message's parent entity.
#[diagnostic::on_unimplemented(
    message = "the field that `pid` names is a `{Self}`, but must be an `EntityId` or an `Option<EntityId>`",
    label = "not an `EntityId`",
    note = "make the field an `EntityId` or an `Option<EntityId>`, or name another field in the attribute"
)]
pub trait ParentField {
    /// Returns the parent, if there is one.
    fn to_parent(&self) -> Option<EntityId>;
}

impl ParentField for EntityId {
    fn to_parent(&self) -> Option<EntityId> {
        Some(self.clone())
    }
}

impl<T: ParentId> ParentField for Option<T> {
    fn to_parent(&self) -> Option<EntityId> {
        self.as_ref().map(ParentId::to_id)
    }
}

/// What may stand in an `Option` that names a parent.
#[diagnostic::on_unimplemented(
    message = "the field that `pid` names is an `Option<{Self}>`, but must be an `EntityId` or an `Option<EntityId>`",
    label = "not an `EntityId`",
    note = "make the field an `EntityId` or an `Option<EntityId>`, or name another field in the attribute"
)]
pub trait ParentId {
    /// Returns the parent.
    fn to_id(&self) -> EntityId;
}

impl ParentId for EntityId {
    fn to_id(&self) -> EntityId {
        self.clone()
    }
}

/// A field that names the message's group.
#[diagnostic::on_unimplemented(
    message = "the field that `gid` names is a `{Self}`, but must be a `String` or an `Option<String>`",
    label = "not a string",
    note = "make the field a `String` or an `Option<String>`, or name another field in the attribute"
)]
pub trait GroupField {
    /// Returns the group, if there is one.
    fn to_group(&self) -> Option<String>;
}

/// Implements [`GroupField`] for the owned forms of a string.
macro_rules! group_fields {
    ($($string:ty),*) => {$(
        impl GroupField for $string {
            fn to_group(&self) -> Option<String> {
                Some(String::from(&**self))
            }
        }

        impl GroupField for Option<$string> {
            fn to_group(&self) -> Option<String> {
                self.as_ref().and_then(GroupField::to_group)
            }
        }
    )*};
}

group_fields!(String, Box<str>, Arc<str>, Cow<'static, str>);
