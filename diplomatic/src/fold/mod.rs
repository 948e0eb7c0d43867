//! From messages to a state: what each says, what it is to an app, and how it is applied.
//!
//! It decides nothing about which messages count, nor in which order; that is for those who hold them.

mod reading;
mod unread;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use reading::Reading;
#[cfg(feature = "testing")]
pub(crate) use reading::read_event;
#[cfg(feature = "store")]
pub(crate) use reading::{delete_is_event, event_type};
pub use unread::{Quarantined, Unread};

use crate::order::Position;
use crate::reducer::{Meta, Origin, Reducer};
use crate::standard::EntityId;

/// Applies a message that counts, or notes why it cannot be. The error is what a reducer that panicked said; the
/// state is broken then.
pub(crate) fn apply<R: Reducer>(
    state: &mut R,
    unread: &mut Unread,
    position: &Position,
    entity: &EntityId,
    reading: Reading<R::Event>,
    origin: impl FnOnce() -> Origin,
) -> Result<(), String> {
    let (event, event_type) = match reading {
        Reading::Event { event, event_type } => (event, event_type),
        Reading::Delete { event } => (event, ""),
        Reading::SilentDelete => return Ok(()),
        Reading::Unknown { type_name } => {
            unread.note_unknown(position, type_name);
            return Ok(());
        }
        Reading::Unfit { reason } => {
            unread.quarantine(position, entity.clone(), reason);
            return Ok(());
        }
    };
    let meta = Meta::new(entity.clone(), position.changed, event_type, origin());
    catch_unwind(AssertUnwindSafe(|| state.apply(&event, &meta))).map_err(|panic| panic_text("the reducer", &*panic))
}

pub(crate) fn panic_text(who: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("{who} panicked: {}", text.unwrap_or("without a message"))
}
