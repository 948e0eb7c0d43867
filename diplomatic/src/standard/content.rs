//! What a message says, by the two conventions for bodies.

use super::{EntityBody, EntityId, Message};

/// What a message says.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// Its entity is gone.
    Delete,
    /// Something of a type.
    Typed {
        type_name: &'a str,
        /// One MessagePack value.
        payload: &'a [u8],
        #[cfg_attr(not(feature = "replay"), expect(dead_code, reason = "only folds look for registers"))]
        parent: Option<EntityId>,
    },
    /// A body that follows neither convention; any bytes are a body to the standard.
    Opaque,
}

impl<'a> Content<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        let Some(body) = message.body() else { return Self::Delete };
        if let Some(type_name) = message.head().entity().singleton_type() {
            return Self::Typed { type_name, payload: body, parent: None };
        }
        match EntityBody::decode(body) {
            Ok(EntityBody { type_name, payload, parent, .. }) => Self::Typed { type_name, payload, parent },
            Err(_) => Self::Opaque,
        }
    }

    /// Returns the entity that the message names as its parent.
    #[cfg(feature = "store")]
    pub(crate) const fn parent(&self) -> Option<&EntityId> {
        match self {
            Self::Typed { parent, .. } => parent.as_ref(),
            Self::Delete | Self::Opaque => None,
        }
    }

    /// Returns the root of a message about `entity`, as far as it can be told without the app's types: for a register,
    /// the entity on which it hangs; otherwise the entity. The delete of a register does not say on what it hung:
    /// `None`.
    #[cfg(feature = "replay")]
    pub(crate) fn root(&self, entity: &EntityId) -> Option<EntityId> {
        match self {
            Self::Delete if entity.is_derived() => None,
            Self::Typed { parent: Some(parent), .. } if entity.is_derived() && !parent.is_derived() => {
                Some(parent.clone())
            }
            Self::Delete | Self::Typed { .. } | Self::Opaque => Some(entity.clone()),
        }
    }

    /// Returns the type's name; an opaque body has the empty one.
    #[cfg(feature = "store")]
    pub(crate) const fn type_name(&self) -> Option<&'a str> {
        match self {
            Self::Delete => None,
            Self::Typed { type_name, .. } => Some(type_name),
            Self::Opaque => Some(""),
        }
    }
}
