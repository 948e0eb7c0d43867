//! What is known of the account's other devices, from their witnesses.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Device;
use crate::log::{Absent, LogError, PeerRecord};
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::Timestamp;
use crate::witness::DeviceId;

/// What is known of the account's devices from what they say of themselves and of each other.
///
/// The `Display` form is part of a sentence for people, about what is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Peers {
    /// This device's own ID; `None` before it has told others anything.
    pub this_device: Option<DeviceId>,
    /// The other devices, by their IDs.
    pub devices: Vec<Peer>,
    /// How many of the messages in which devices speak of themselves made no sense. They are ignored.
    pub odd: u64,
    /// The messages that are missing and that a host should have, by the number of the link.
    withheld: Vec<(u32, u64)>,
}

/// Another device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Peer {
    /// Its ID.
    pub id: DeviceId,
    /// What its user calls it, if it says so.
    pub name: Option<String>,
    /// When it last spoke of itself, by its own clock; `None` if others speak of it and it does not.
    pub heard: Option<Timestamp>,
    /// How many messages it has emitted, as far as anybody said.
    pub emitted: u64,
    /// How many of them are missing here.
    pub missing: u64,
    /// Since when the first of them has existed, by the clock of whoever said so; `None` if none is missing.
    pub missing_since: Option<Timestamp>,
    /// Where what it says of itself contradicts what it or others said before.
    pub fork: Option<Fork>,
}

/// A contradiction in what a device says of itself: there are two devices with its ID, since a store was copied; or some of
/// its messages were withheld from it or from this device, and it started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fork {
    /// After how many messages the contradiction is found.
    pub messages: u64,
    /// When the contradicting word was given.
    pub since: Timestamp,
}

impl Peers {
    /// Returns whether no message of any device is known to be missing.
    pub fn is_complete(&self) -> bool {
        self.missing() == 0
    }

    /// Returns how many messages are missing.
    pub fn missing(&self) -> u64 {
        self.devices.iter().map(|peer| peer.missing).sum()
    }

    /// Returns since when the first missing message has existed; `None` if none is missing.
    pub fn missing_since(&self) -> Option<Timestamp> {
        self.devices.iter().filter_map(|peer| peer.missing_since).min()
    }

    /// Returns the devices that contradict themselves.
    pub fn forked(&self) -> impl Iterator<Item = &Peer> {
        self.devices.iter().filter(|peer| peer.fork.is_some())
    }

    /// Returns whether a host has what is missing, by the word of those who sent it there, and does not list it.
    pub const fn is_withheld(&self) -> bool {
        !self.withheld.is_empty()
    }

    /// Returns what the user can do about what is missing.
    pub fn remedy(&self) -> &'static str {
        if self.is_withheld() {
            "sync the device that has them, or add another host"
        } else {
            "sync the device that has them"
        }
    }

    /// Returns what the user can do about devices that contradict themselves.
    pub const fn remedy_for_forks(&self) -> &'static str {
        "do not copy a store to another device: link the other device with the seed, and it syncs"
    }

    /// Returns what is missing, since when and what the user can do about it, in one sentence for people; `None` if nothing
    /// is missing. `since` shows the time at which the first missing message existed, such as "since 14:02".
    pub fn missing_in_words(&self, since: impl FnOnce(Timestamp) -> String) -> Option<String> {
        let since = since(self.missing_since()?);
        let withheld = if self.is_withheld() { "; the host withholds what was stored there" } else { "" };
        Some(format!("{self} {since}{withheld}: {}", self.remedy()))
    }

    /// Returns how many of the missing messages a link's host should have and does not list.
    pub(super) fn withheld(&self, link: u32) -> u64 {
        self.withheld.iter().find(|(other, _)| *other == link).map_or(0, |(_, count)| *count)
    }

    fn note_withheld(&mut self, link: u32, messages: u64) {
        match self.withheld.iter_mut().find(|(other, _)| *other == link) {
            Some((_, count)) => *count += messages,
            None => self.withheld.push((link, messages)),
        }
    }
}

/// Part of a sentence: what is missing, and that hosts withhold it.
impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices = self.devices.iter().filter(|peer| peer.missing > 0).count();
        let of = if devices == 1 { "another device".to_owned() } else { format!("{devices} other devices") };
        match self.missing() {
            0 => f.write_str("nothing is missing"),
            1 => write!(f, "1 message of {of} is missing"),
            missing => write!(f, "{missing} messages of {of} are missing"),
        }
    }
}

impl<R: Reducer> Device<R> {
    /// Returns what is known of the account's other devices, and what is missing of them.
    ///
    /// # Errors
    ///
    /// [`LogError`].
    pub fn peers(&self) -> Result<Peers, LogError> {
        let links: Vec<u32> = self.log.links().iter().filter(|link| link.is_linked).map(|link| link.number).collect();
        self.log.read(|reader| {
            let this_device = reader.device()?;
            let absent = reader.absent()?;
            let mut peers = Peers { this_device, odd: reader.odd_witnesses()?, ..Peers::default() };
            for (id, record) in reader.peers()? {
                peers.add(id, &record, &absent, &links);
            }
            Ok(peers)
        })
    }
}

impl<R: Reducer> Device<R> {
    /// Returns the same, and reads it only if it may have changed.
    pub(crate) fn peers_now(&mut self) -> Result<&Peers, LogError> {
        let version = self.log.peers_version();
        let known = self.peers.take().filter(|(known, _)| *known == version);
        let known = match known {
            Some(known) => known,
            None => (version, self.peers()?),
        };
        Ok(&self.peers.insert(known).1)
    }
}

impl Peers {
    fn add(&mut self, id: DeviceId, record: &PeerRecord, absent: &[(Position, Absent)], links: &[u32]) {
        let fork = record.fork.as_ref();
        let fork = fork.map(|fork| Fork { messages: fork.n, since: Timestamp::from_millis(fork.since) });
        if self.this_device == Some(id) && fork.is_none() {
            return;
        }
        let absent: Vec<&Absent> =
            absent.iter().map(|(_, absent)| absent).filter(|absent| absent.device == id).collect();
        let missing = absent.len() as u64 + record.gaps.iter().map(|gap| gap.messages).sum::<u64>();
        let since = absent.iter().map(|absent| absent.since).chain(record.gaps.iter().map(|gap| gap.since)).min();
        for absent in &absent {
            let hosts: BTreeSet<u32> = absent.links.iter().copied().filter(|link| links.contains(link)).collect();
            hosts.into_iter().for_each(|link| self.note_withheld(link, 1));
        }
        for gap in record.gaps.iter().filter(|gap| links.contains(&gap.link)) {
            self.note_withheld(gap.link, gap.messages);
        }
        self.devices.push(Peer {
            id,
            name: record.name.clone(),
            heard: (record.heard > 0).then(|| Timestamp::from_millis(record.heard)),
            emitted: record.last.max(record.verified.n).max(record.seen.count.n),
            missing,
            missing_since: since.map(Timestamp::from_millis),
            fork,
        });
    }
}
