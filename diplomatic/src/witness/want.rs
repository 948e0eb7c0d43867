//! What a want says, and its bytes.

use serde::{Deserialize, Serialize};

use super::bin::{Bin, Bytes};
use super::kind::WANT;
use super::name::DeviceId;
use super::statement::{decode_positions, encode_positions, register_key};
use crate::order::Position;
use crate::standard::{EntityBody, EntityId, Message};

/// How many messages a want names at most for a host. When they are there, it names the next ones.
pub(crate) const MOST_WANTED: usize = 500;

/// How many of them are parts of attachments at most, which have up to 256 KiB each: every device that has them sends them.
pub(crate) const MOST_CHUNKS_WANTED: usize = 32;

/// With more than this of anything, a want is absurd.
const MOST_READ: usize = 1_000;

/// What a device lacks and asks others for. An empty one asks for nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) device: DeviceId,
    pub(crate) hosts: Vec<HostWant>,
}

/// What is to be put on a host again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostWant {
    /// The host's public key, as the account knows it.
    pub(crate) host: [u8; 32],
    /// Messages, and parts of attachments, which older versions do not find and pass over.
    pub(crate) messages: Vec<Position>,
    /// The messages of devices that no witness names, by their numbers.
    pub(crate) unnamed: Vec<Unnamed>,
    /// The numbers of bags that the host leaves out, or that cannot be read: first and last of each range. A device that
    /// has read them once compares the host's list with what it has.
    pub(crate) holes: Vec<(u64, u64)>,
}

impl HostWant {
    pub(crate) const fn is_empty(&self) -> bool {
        let Self { host: _, messages, unnamed, holes } = self;
        messages.is_empty() && unnamed.is_empty() && holes.is_empty()
    }
}

/// Messages of a device that no witness names, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unnamed {
    pub(crate) device: DeviceId,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    device: DeviceId,
    hosts: Vec<Section>,
}

#[derive(Serialize, Deserialize)]
struct Section {
    host: Bin<32>,
    messages: Bytes,
    #[serde(default)]
    unnamed: Vec<Unnamed>,
    #[serde(default)]
    holes: Vec<(u64, u64)>,
}

impl Want {
    /// Returns the entity of a device's wants.
    pub(crate) fn entity(device: &DeviceId) -> EntityId {
        EntityId::register(WANT, &register_key(device))
    }

    /// Returns the body of the message.
    pub(crate) fn to_body(&self) -> Vec<u8> {
        let Self { device, hosts } = self;
        let hosts = hosts.iter().map(|HostWant { host, messages, unnamed, holes }| Section {
            host: Bin(*host),
            messages: Bytes(encode_positions(messages)),
            unnamed: unnamed.clone(),
            holes: holes.clone(),
        });
        let payload = Payload { device: *device, hosts: hosts.collect() };
        let payload = rmp_serde::to_vec_named(&payload).expect("plain data serializes");
        EntityBody::new(WANT, &payload).to_bytes()
    }

    /// Reads a want; `None` if it is none, or says what cannot be.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let body = EntityBody::decode(message.body()?).ok().filter(|body| body.type_name == WANT)?;
        let Payload { device, hosts } = rmp_serde::from_slice(body.payload).ok()?;
        if hosts.len() > MOST_READ || Self::entity(&device) != *message.head().entity() {
            return None;
        }
        let hosts = hosts.into_iter().map(|Section { host, messages, unnamed, holes }| {
            if unnamed.len() > MOST_READ || holes.len() > MOST_READ {
                return None;
            }
            Some(HostWant { host: host.0, messages: decode_positions(&messages.0)?, unnamed, holes })
        });
        Some(Self { device, hosts: hosts.collect::<Option<_>>()? })
    }
}
