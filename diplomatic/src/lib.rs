//! Placeholder.

#[cfg(feature = "engine")]
mod event;
#[cfg(feature = "engine")]
mod order;
pub mod standard;
#[cfg(feature = "engine")]
pub mod sync;

#[cfg(feature = "derive")]
pub use diplomatic_derive::DiplomaticEvent;
#[cfg(feature = "engine")]
pub use event::{DecodeEventError, DiplomaticEvent, Draft, EncodeEventError, EventType, Shape, Stored, Target};
#[cfg(feature = "engine")]
pub use order::{Clock, Position, Tick};

/// What the derive macro's code names; not for other use.
#[cfg(feature = "derive")]
#[doc(hidden)]
pub mod __private;
