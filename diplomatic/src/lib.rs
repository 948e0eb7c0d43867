//! Placeholder.

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "engine")]
mod content;
#[cfg(feature = "client")]
mod device;
#[cfg(feature = "engine")]
mod event;
#[cfg(feature = "client")]
mod log;
#[cfg(feature = "engine")]
mod order;
#[cfg(feature = "engine")]
mod reducer;
pub mod standard;
#[cfg(feature = "engine")]
pub mod sync;

#[cfg(feature = "client")]
pub use client::{
    AddressError, Changes, Client, ClientBuilder, HostReport, OpenError, StatusChanges, SyncStatus, TlsError,
};
#[cfg(feature = "client")]
pub use device::{Device, DeviceConfig, DeviceLink, EmitError, Quarantined, Unread};
#[cfg(feature = "derive")]
pub use diplomatic_derive::DiplomaticEvent;
#[cfg(feature = "engine")]
pub use event::{DecodeEventError, DiplomaticEvent, Draft, EncodeEventError, EventType, Shape, Stored, Target};
#[cfg(feature = "client")]
pub use log::{Backing, LogError, OpenLogError, StorageError};
#[cfg(feature = "engine")]
pub use order::{Clock, Position, Tick};
#[cfg(feature = "engine")]
pub use reducer::{Meta, Origin, Reducer};

/// What the derive macro's code names; not for other use.
#[cfg(feature = "derive")]
#[doc(hidden)]
pub mod __private;
