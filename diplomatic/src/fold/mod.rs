//! From messages to a state: their contents, their meaning to an app, and the [fold](compute).
//!
//! This module does not know where messages are stored.

mod compute;
#[cfg(any(target_family = "wasm", test))]
pub(crate) mod crashed;
mod panic;
mod reading;
#[cfg(feature = "store")]
mod root;
mod rooted;
mod source;
mod trail;
mod unread;

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "store")]
pub(crate) use compute::Taken;
pub(crate) use compute::{Cadence, Computed, compute};
pub use panic::ReducerPanic;
pub(crate) use panic::panic_message;
pub(crate) use reading::Reading;
#[cfg(feature = "testing")]
pub(crate) use reading::read_event;
#[cfg(feature = "store")]
pub(crate) use reading::{delete_is_event, event_type, read_delete};
#[cfg(feature = "store")]
pub(crate) use root::root_of;
pub(crate) use rooted::fold_root;
pub(crate) use source::{Events, Item, Kept, Source};
pub(crate) use unread::UnreadEntry;
#[cfg(feature = "testing")]
pub(crate) use unread::window;
pub use unread::{QuarantineReason, Quarantined, Unread};

use crate::reducer::{Meta, Reducer};
use crate::standard::Message;

/// Applies a message. After a panic, the state is broken.
pub(crate) fn apply<R: Reducer>(state: &mut R, events: Events<R::Event>, meta: &Meta) -> Result<(), ReducerPanic> {
    let apply = || match events {
        Events::One(event) => state.apply(event, meta),
        Events::Deletes(events) => events.into_iter().for_each(|event| state.apply(event, meta)),
    };
    #[cfg(any(target_family = "wasm", test))]
    let apply = || crashed::at_work(meta.message, apply);
    catch_unwind(AssertUnwindSafe(apply)).map_err(|panic| ReducerPanic::of(&*panic))
}

/// Reads a state that was serialized, and has it rebuild what that leaves out; `None` if either fails.
pub(crate) fn read_state<R: Reducer>(bytes: &[u8]) -> Option<R> {
    catch_unwind(|| {
        let mut state: R = rmp_serde::from_slice(bytes).ok()?;
        state.loaded();
        Some(state)
    })
    .unwrap_or_default()
}

/// Returns about how many bytes a message takes when it is read.
pub(crate) fn weight(message: &Message) -> usize {
    const FIXED: usize = 256;
    FIXED + message.body().map_or(0, <[u8]>::len)
}
