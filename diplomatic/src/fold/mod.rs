//! From messages to a state: their contents, their meaning to an app, and the [fold](compute).
//!
//! This module does not know where messages are stored.

mod compute;
#[cfg(any(target_family = "wasm", test))]
pub(crate) mod crashed;
mod reading;
#[cfg(feature = "store")]
mod root;
mod rooted;
mod source;
mod trail;
mod unread;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "store")]
pub(crate) use compute::Taken;
pub(crate) use compute::{Cadence, Computed, compute};
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
pub use unread::{Quarantined, Unread};

use crate::reducer::{Meta, Reducer};
use crate::standard::Message;

/// Applies a message. The error is what a reducer that panicked said; the state is broken then.
pub(crate) fn apply<R: Reducer>(state: &mut R, events: Events<R::Event>, meta: &Meta) -> Result<(), String> {
    let apply = || match events {
        Events::One(event) => state.apply(event, meta),
        Events::Deletes(events) => events.into_iter().for_each(|event| state.apply(event, meta)),
    };
    #[cfg(any(target_family = "wasm", test))]
    let apply = || crashed::at_work(meta.message, apply);
    catch_unwind(AssertUnwindSafe(apply)).map_err(|panic| format!("the reducer panicked: {}", panic_message(&*panic)))
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

/// Returns the message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message")
}
