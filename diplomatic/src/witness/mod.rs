//! What the devices of an account tell one another, so that none has to trust a host.
//!
//! A *witness* says how many messages a device has emitted and which they are. It is an ordinary message, which the
//! framework hides from apps. A host gets it only after it acknowledged everything that the witness covers. So a device
//! that read a witness and lacks a message that it names knows that the message is withheld. A *want* asks the other
//! devices to put such messages on the host again.
//!
//! This module knows what these messages say, and nothing of where they are kept.

#[cfg(feature = "store")]
mod bin;
#[cfg(feature = "store")]
mod chain;
mod kind;
#[cfg(feature = "store")]
mod name;
#[cfg(feature = "store")]
mod ranges;
#[cfg(feature = "store")]
mod statement;
#[cfg(feature = "store")]
mod want;

#[cfg(feature = "store")]
pub(crate) use chain::ChainHash;
#[cfg(feature = "store")]
pub(crate) use kind::is_own_type;
pub(crate) use kind::{Kind, kind};
#[cfg(feature = "store")]
pub use name::DeviceId;
#[cfg(feature = "store")]
pub(crate) use name::short_name;
#[cfg(feature = "store")]
pub(crate) use ranges::Ranges;
#[cfg(feature = "store")]
pub(crate) use statement::{Count, MOST_NAMED, Witness};
#[cfg(feature = "store")]
pub(crate) use want::{HostWant, MOST_CHUNKS_WANTED, MOST_WANTED, Unnamed, Want};
