//! What is known of the account's other devices, and what is missing of them.

use std::fmt;

use diplomatic::Timestamp;
use diplomatic::peers::{Peer, Peers};
use serde::Serialize;

use crate::shown::Shown;
use crate::time::{Local, rfc3339};

/// What is wrong with other devices, in one sentence each.
pub(crate) fn troubles(peers: &Peers) -> impl Iterator<Item = String> {
    missing(peers).into_iter().chain(forked(peers))
}

/// What is missing of other devices, in one sentence.
pub(crate) fn missing(peers: &Peers) -> Option<String> {
    let missing = peers.missing_in_words(|since| format!("since {} ({})", Local(since), whose(peers)))?;
    Some(format!("Missing: {missing}"))
}

/// Names the devices of which something is missing, as `dip status` does there.
fn whose(peers: &Peers) -> String {
    let name = |peer: &Peer| {
        let id = short(&peer.id.to_string());
        peer.name.as_ref().map_or_else(|| id.clone(), |name| format!("{id}, {}", Shown(name)))
    };
    let names: Vec<String> = peers.devices.iter().filter(|peer| peer.missing > 0).map(name).collect();
    format!("device {}", names.join("; "))
}

/// The first digits of a device's ID, which tell a person's devices apart.
pub(crate) fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

fn forked(peers: &Peers) -> Option<String> {
    let first = peers.forked().next()?;
    let since = first.fork.map_or(Timestamp::EPOCH, |fork| fork.since);
    let who = match peers.forked().count() {
        1 => "Fork: a device has contradicted itself".to_owned(),
        more => format!("Fork: {more} devices have contradicted themselves"),
    };
    Some(format!("{who} since {}, as two do that share a store: {}", Local(since), peers.remedy_for_forks()))
}

/// A device, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Known {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When it last spoke of itself.
    heard: Option<String>,
    emitted: u64,
    missing: u64,
    missing_since: Option<String>,
    forked: bool,
}

impl Known {
    pub(crate) fn all(peers: &Peers) -> Vec<Self> {
        peers.devices.iter().map(Self::of).collect()
    }

    fn of(peer: &Peer) -> Self {
        Self {
            id: peer.id.to_string(),
            name: peer.name.clone(),
            heard: peer.heard.and_then(rfc3339),
            emitted: peer.emitted,
            missing: peer.missing,
            missing_since: peer.missing_since.and_then(rfc3339),
            forked: peer.fork.is_some(),
        }
    }
}

/// One line for people: which device it is, and when it was last heard of.
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, heard, .. } = self;
        write!(f, "{}", short(id))?;
        if let Some(name) = name {
            write!(f, " ({})", Shown(name))?;
        }
        match heard {
            Some(heard) => write!(f, ", last heard of {heard}"),
            None => f.write_str(", not heard of yet"),
        }
    }
}
