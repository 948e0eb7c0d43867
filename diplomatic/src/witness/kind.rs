//! Which messages are the framework's own.

use crate::standard::{EntityBody, Message};

pub(super) const WITNESS: &str = "dip.witness";
pub(super) const WANT: &str = "dip.want";

/// A kind of message that the framework writes and reads itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Witness,
    Want,
}

/// Returns what a message of the framework's own is; `None` for a message of an app.
pub(crate) fn kind(message: &Message) -> Option<Kind> {
    let entity = message.head().entity();
    // Most messages end here.
    if !entity.is_derived() || entity.singleton_type().is_some() {
        return None;
    }
    match EntityBody::decode(message.body()?).ok()?.type_name {
        WITNESS => Some(Kind::Witness),
        WANT => Some(Kind::Want),
        _ => None,
    }
}

/// Tells whether a type is the framework's own.
#[cfg(feature = "store")]
pub(crate) fn is_own_type(type_name: &str) -> bool {
    matches!(type_name, WITNESS | WANT)
}
