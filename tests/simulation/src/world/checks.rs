//! What has to hold when a world has healed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diplomatic::Position;
use diplomatic::standard::calls::{Call, PeekItem, PeekRequest, ResponseHead};
use diplomatic::standard::{Decode, Encode, Message, Reader, Seq};
use diplomatic::sync::{Live, Phase, SyncLog};

use super::{DeviceLog, Host, PATIENCE, QUIET, World, WorldHost};

/// What was wrong with a world in the end.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}: {fault}")]
pub struct Broken {
    /// The seed from which it comes again.
    pub seed: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What was wrong with a world in the end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It did not come to rest.
    #[error("not at rest after {0:?}: {1:?}")]
    Restless(Duration, Vec<(usize, usize, Phase)>),
    /// A message that a device emitted is gone from it.
    #[error("device {0} lost what it emitted")]
    Vanished(usize),
    /// A device says that it is caught up and lacks messages.
    #[error("device {0} lacks {1} of the messages")]
    Lacks(usize, usize),
    /// A host lacks messages though all devices say that they are caught up.
    #[error("host {0} lacks {1} of the messages")]
    HostLacks(usize, usize),
    /// A state is not what its messages make.
    #[error("the state of device {0} is wrong: {1}")]
    WrongState(usize, String),
    /// Two devices with the same messages have different states.
    #[error("the state of device {0} is not that of device 0")]
    StatesDiffer(usize),
    /// A device does not know of everything that others have emitted, or misses some of it.
    #[error("device {0} knows of {1} messages of others, not of {2}, and misses {3}")]
    NotWitnessed(usize, u64, u64, u64),
    /// A device does not say what a host withholds from it.
    #[error("device {0} does not say that {1} messages are withheld from it: {2}")]
    NotReported(usize, u64, String),
    /// A device cannot open what live events refer to, or its store is wrong.
    #[error("device {0} cannot open {1} attachments: {2}")]
    NotOpened(usize, usize, String),
    /// Something is left in a queue.
    #[error("device {0} has something queued for host {1}")]
    Queued(usize, usize),
}

impl<L: DeviceLog, H: WorldHost> World<L, H> {
    /// Comes to rest, and waits until every device knows what the others have emitted.
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        self.come_to_rest()?;
        let (quiet, end) = (self.now + QUIET, self.now + PATIENCE);
        while self.now < quiet {
            self.step(quiet);
        }
        // A request whose answer was lost may still have to be given up.
        while self.check_witnesses().is_err() && self.now < end {
            self.step(end);
        }
        self.come_to_rest()?;
        self.check_witnesses()?;
        self.open_attachments()
    }

    /// Opens on every device all attachments that live events refer to, and once more when there is room again.
    fn open_attachments(&mut self) -> Result<(), Fault> {
        self.open_all()?;
        self.devices.iter_mut().for_each(|device| device.log.make_room());
        self.open_all()
    }

    fn open_all(&mut self) -> Result<(), Fault> {
        let end = self.now + PATIENCE;
        loop {
            let mut missing = None;
            for device in 0..self.plan.devices {
                let opened = self.devices[device].log.open_attachments();
                match opened {
                    Ok(0) => {}
                    Ok(count) => {
                        missing = Some((device, count));
                        self.tell_pending(device, None);
                    }
                    Err(reason) => return Err(Fault::NotOpened(device, 0, reason)),
                }
            }
            let Some((device, count)) = missing else { return Ok(()) };
            if self.now >= end {
                return Err(Fault::NotOpened(device, count, format!("{:?}", self.phases())));
            }
            let pause = self.now + QUIET;
            while self.now < pause {
                self.step(pause);
            }
        }
    }

    pub(super) fn come_to_rest(&mut self) -> Result<(), Fault> {
        let end = self.now + PATIENCE;
        while !self.is_at_rest() {
            if self.now >= end {
                if self.trace {
                    self.show_lists();
                }
                self.check()?;
                return Err(Fault::Restless(PATIENCE, self.phases()));
            }
            self.step(end);
        }
        self.check()
    }

    /// Checks that every device knows how much every other has emitted.
    pub(super) fn check_witnesses(&mut self) -> Result<(), Fault> {
        let all: u64 = self.devices.iter().map(|device| device.emitted.len() as u64).sum();
        for (index, device) in self.devices.iter_mut().enumerate() {
            let others = all - device.emitted.len() as u64;
            match device.log.witnessed() {
                // A device whose clock was set back far gives itself a new name, and knows its old self as another.
                Some((known, missing)) if missing > 0 || !(others..=all).contains(&known) => {
                    return Err(Fault::NotWitnessed(index, known, others, missing));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells whether every session says that nothing is left to do, and every message has come through.
    fn is_at_rest(&mut self) -> bool {
        let calm = self.devices.iter().flat_map(|device| device.sessions.values()).all(|session| {
            let status = session.status();
            status.is_in_sync() && status.live != Live::Down
        });
        calm && !self.network.is_busy() && self.check().is_ok()
    }

    pub(super) fn check(&mut self) -> Result<(), Fault> {
        let logs: Vec<BTreeMap<Position, Message>> =
            self.devices.iter_mut().map(|device| device.log.messages()).collect();
        let mut all = BTreeMap::new();
        logs.iter().for_each(|log| all.extend(log.clone()));
        if L::FORGETS {
            self.ever.append(&mut all);
            all.clone_from(&self.ever);
        }
        let forgettable = if L::FORGETS { overwritten(&all) } else { BTreeSet::new() };
        for (index, (device, log)) in self.devices.iter().zip(&logs).enumerate() {
            let mut gone = device.emitted.iter().filter(|position| !log.contains_key(position));
            if gone.any(|position| !forgettable.contains(position)) {
                return Err(Fault::Vanished(index));
            }
        }
        let needed: Vec<&Position> = all.keys().filter(|position| !forgettable.contains(position)).collect();
        for (index, log) in logs.iter().enumerate() {
            let lacking = needed.iter().filter(|position| !log.contains_key(position)).count();
            if lacking > 0 {
                return Err(Fault::Lacks(index, lacking));
            }
        }
        let mut first = None;
        for (index, device) in self.devices.iter_mut().enumerate() {
            let state = device.log.state(&all).map_err(|reason| Fault::WrongState(index, reason))?;
            if *first.get_or_insert_with(|| state.clone()) != state {
                return Err(Fault::StatesDiffer(index));
            }
        }
        for host in 0..self.hosts.len() {
            let held = self.held_by(host);
            let lacking = needed.iter().filter(|position| !held.contains(position)).count();
            if lacking > 0 {
                return Err(Fault::HostLacks(host, lacking));
            }
        }
        for (index, device) in self.devices.iter().enumerate() {
            if let Some((host, _)) = device.sessions.iter().find(|(_, session)| session.status().pending > 0) {
                return Err(Fault::Queued(index, *host));
            }
        }
        Ok(())
    }

    fn phases(&self) -> Vec<(usize, usize, Phase)> {
        let devices = self.devices.iter().enumerate();
        devices
            .flat_map(|(index, device)| {
                device.sessions.iter().map(move |(host, session)| (index, *host, session.status().phase.clone()))
            })
            .collect()
    }

    /// Asks a host for everything that it has.
    fn held_by(&mut self, host: usize) -> BTreeSet<Position> {
        let time = self.host_time();
        let Host { host, keys, .. } = &mut self.hosts[host];
        let mut body = keys.authenticate(time).to_bytes();
        PeekRequest { after: Seq::ZERO }.encode(&mut body);
        let answer = host.call(time, Call::Peek.path(), &body).body;
        let mut reader = Reader::new(&answer);
        let mut heads = Vec::new();
        if ResponseHead::read(&mut reader).is_ok_and(|head| head.status.is_success()) {
            while let Ok(item) = PeekItem::read(&mut reader) {
                heads.push(item.head);
            }
        }
        keys.open_heads(&heads).iter().flatten().map(|opened| Position::of(opened.head())).collect()
    }

    /// Shows what every host lists, and which devices have it.
    fn show_lists(&mut self) {
        let time = self.host_time();
        for Host { host, keys, .. } in &mut self.hosts {
            let mut body = keys.authenticate(time).to_bytes();
            PeekRequest { after: Seq::ZERO }.encode(&mut body);
            let answer = host.call(time, Call::Peek.path(), &body).body;
            let mut reader = Reader::new(&answer);
            let _ = ResponseHead::read(&mut reader);
            while let Ok(item) = PeekItem::read(&mut reader) {
                let Ok(head) = keys.open_head(&item.head) else { continue };
                let position = Position::of(head.head());
                let has: Vec<bool> =
                    self.devices.iter_mut().map(|device| device.log.messages().contains_key(&position)).collect();
                println!("{} {} {has:?}", item.seq, position.hash);
            }
        }
        for device in &mut self.devices {
            println!(
                "{:?}",
                device.log.session(0).cursor().map(|cursor| (cursor.seq, cursor.read.map(|mark| mark.seq)))
            );
        }
    }
}

/// Returns the messages after which there is another of the same entity.
fn overwritten(messages: &BTreeMap<Position, Message>) -> BTreeSet<Position> {
    let mut last = BTreeMap::new();
    let of_entity =
        |(position, message): (&Position, &Message)| last.insert(message.head().entity().clone(), *position);
    messages.iter().filter_map(of_entity).collect()
}
