//! A simulated world: devices, hosts, a bad network and virtual time, all from one seed, in one thread.
//!
//! A [`World`] first lives through a time of faults and then heals. After that every device must hold the same
//! messages, every host all of them, and every session must say that it is caught up. What a device emitted must never
//! vanish, whatever happened.
//!
//! The log and the host are parameters ([`DeviceLog`], [`WorldHost`]): the models here are quick, the real ones prove
//! the real thing.

mod chance;
mod host;
mod log;
mod long_lived;
mod lying;
mod network;
mod real;
mod withholding;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use chance::Chance;
use diplomatic::Position;
use diplomatic::standard::calls::{Call, PeekItem, PeekRequest, ResponseHead};
use diplomatic::standard::{Decode, Encode, HostKeys, Label, Message, PublicKey, Reader, Seed, Seq, Timestamp};
use diplomatic::sync::{Live, Now, Phase, Session, SessionConfig, SyncLog, Transport};
pub use host::{Answer, ModelHost, Quirks, Upgrade, WorldHost};
pub use log::{DeviceLog, Injected, ModelLink, ModelLog, Used};
pub use long_lived::LongLivedLog;
pub use lying::{BodyLie, Lies, LyingHost};
use network::Network;
pub use real::{RealHost, RealLog};
pub use withholding::withhold;

/// The moment at which every world begins.
pub const DAWN: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// How long healing may take.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);

/// How long nothing is emitted before devices have told each other what they emitted.
const QUIET: Duration = Duration::from_secs(10);

/// What a world is made of and how bad it is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many devices there are.
    pub devices: usize,
    /// How many hosts there are.
    pub hosts: usize,
    /// How many messages are emitted while the faults last.
    pub messages: u64,
    /// How long the faults last.
    pub faults: Duration,
    /// So many times in a thousand something happens to a request or a frame.
    pub badness: u64,
    /// Whether hosts are set back to old backups.
    pub restores: bool,
    /// So many writes to a log in a thousand fail.
    pub log_failures: u64,
}

impl Plan {
    /// Draws a plan.
    pub fn draw(chance: &mut Chance) -> Self {
        let many = chance.in_thousand(100);
        let most_hosts = if chance.in_thousand(300) { 3 } else { 1 };
        Self {
            devices: chance.between(2, if many { 8 } else { 3 }) as usize,
            hosts: chance.between(1, most_hosts) as usize,
            messages: chance.between(1, if many { 16 } else { 8 }),
            faults: Duration::from_secs(chance.between(5, 90)),
            badness: chance.below(500),
            restores: chance.in_thousand(400),
            log_failures: if chance.in_thousand(200) { 100 } else { 0 },
        }
    }
}

struct Device<L> {
    log: L,
    skew: i64,
    /// How often it was started; reports to an earlier life go nowhere.
    life: u32,
    sessions: BTreeMap<usize, Session>,
    links: BTreeSet<usize>,
    emitted: BTreeSet<Position>,
}

struct Host<H: WorldHost> {
    host: H,
    keys: HostKeys,
    backup: H::Backup,
    down_until: Duration,
}

/// Devices, hosts and what is between them.
pub struct World<L, H: WorldHost> {
    chance: Chance,
    plan: Plan,
    config: SessionConfig,
    now: Duration,
    devices: Vec<Device<L>>,
    hosts: Vec<Host<H>>,
    network: Network,
    /// Everything that was ever seen on a device, though compaction may have dropped it since.
    ever: BTreeMap<Position, Message>,
    /// A backup file that somebody kept.
    backup: Option<Vec<u8>>,
    trace: bool,
}

impl<L, H: WorldHost> std::fmt::Debug for World<L, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("plan", &self.plan).field("now", &self.now).finish_non_exhaustive()
    }
}

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

/// Lets the world of a seed run, made of what `log` and `host` make for a seed each.
///
/// # Errors
///
/// [`Broken`], when it does not heal.
pub fn run<L: DeviceLog, H: WorldHost>(
    seed: u64,
    trace: bool,
    log: impl FnMut(u64) -> L,
    host: impl FnMut(Quirks, u64) -> H,
) -> Result<(), Broken> {
    let mut chance = Chance::new(seed);
    let mut plan = Plan::draw(&mut chance);
    if L::FORGETS {
        // It takes some messages until there is something to forget.
        plan.messages = chance.between(5, 40);
    }
    let mut world = World::new(plan, chance, log, host);
    world.trace = trace;
    world.live().map_err(|fault| Broken { seed, fault })
}

impl<L: DeviceLog, H: WorldHost> World<L, H> {
    /// Makes a world that has not begun.
    pub fn new(
        plan: Plan,
        mut chance: Chance,
        mut log: impl FnMut(u64) -> L,
        mut host: impl FnMut(Quirks, u64) -> H,
    ) -> Self {
        let seed = Seed::from_bytes(chance.bytes32());
        let mut are_bodies_late = false;
        let hosts = (0..plan.hosts).map(|index| {
            let quirks = Quirks::draw(&mut chance);
            are_bodies_late |= quirks.late_bodies > 0;
            let mut host = host(quirks, chance.any());
            let keys = HostKeys::derive(&seed, &Label::with_index("host", index as u64));
            Host { backup: host.back_up(), host, keys, down_until: Duration::ZERO }
        });
        let hosts = hosts.collect();
        let devices = (0..plan.devices).map(|_| Device {
            log: log(chance.any()),
            skew: if chance.in_thousand(300) { chance.below(200_000_000) as i64 - 100_000_000 } else { 0 },
            life: 0,
            sessions: BTreeMap::new(),
            links: BTreeSet::new(),
            emitted: BTreeSet::new(),
        });
        let devices = devices.collect();
        let mut config = small_config(&mut chance);
        if !are_bodies_late && !H::LIES {
            // Looking again now and then would hide what was missed.
            config.recheck = PATIENCE * 2;
        }
        Self {
            plan,
            config,
            now: Duration::ZERO,
            devices,
            hosts,
            network: Network::new(plan.badness),
            chance,
            ever: BTreeMap::new(),
            backup: None,
            trace: false,
        }
    }

    /// Lives through the faults, heals, and checks.
    ///
    /// # Errors
    ///
    /// [`Fault`], when something was lost or nothing comes to rest.
    pub fn live(&mut self) -> Result<(), Fault> {
        let (devices, hosts) = (self.plan.devices, self.plan.hosts);
        for host in 0..hosts {
            let first = self.chance.below(devices as u64) as usize;
            self.link(first, host);
        }
        for device in 0..devices {
            self.devices[device].log.fail(self.plan.log_failures);
            if self.chance.in_thousand(700) {
                self.link(device, 0);
            }
        }
        let mut messages = self.plan.messages;
        let mut next_whim = Duration::ZERO;
        while self.now < self.plan.faults {
            if next_whim <= self.now {
                self.whim(&mut messages);
                let pause = self.plan.faults.as_millis() as u64 / (self.plan.messages * 3);
                next_whim = self.now + Duration::from_millis(self.chance.below(pause * 2) + 1);
            }
            self.step(next_whim);
        }
        self.heal(messages);
        self.settle()?;
        if L::FORGETS {
            self.live_on();
            self.settle()?;
        }
        Ok(())
    }

    /// Comes to rest, and waits until every device knows what the others have emitted.
    fn settle(&mut self) -> Result<(), Fault> {
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

    /// Goes on when every host has everything, so that there is something to forget; operators still make mistakes.
    fn live_on(&mut self) {
        self.note(|| "living on".into());
        let mut messages = self.plan.messages;
        for _ in 0..self.plan.messages * 2 {
            self.whim(&mut messages);
            let next = self.now + Duration::from_millis(self.chance.below(2000) + 1);
            while self.now < next {
                self.step(next);
            }
        }
    }

    fn come_to_rest(&mut self) -> Result<(), Fault> {
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
    fn check_witnesses(&mut self) -> Result<(), Fault> {
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

    /// Does something that a user, a power cut or an operator might do.
    fn whim(&mut self, messages: &mut u64) {
        let device = self.chance.below(self.plan.devices as u64) as usize;
        let host = self.chance.below(self.plan.hosts as u64) as usize;
        match self.chance.below(if L::FORGETS { 24 } else { 16 }) {
            0..=6 if *messages > 0 => {
                *messages -= 1;
                self.emit(device);
            }
            7 => self.restart(device),
            8 => {
                let backup = self.hosts[host].host.back_up();
                self.hosts[host].backup = backup;
            }
            9 if self.plan.restores => self.restore(host),
            10 => self.hosts[host].down_until = self.now + Duration::from_millis(self.chance.below(20_000)),
            11 => self.link(device, host),
            12 => self.network.kill_sockets(host, &mut self.chance),
            13 if self.chance.in_thousand(200) => {
                self.devices[device].skew = self.chance.below(200_000_000) as i64 - 100_000_000;
            }
            14 => self.tell_network(device),
            15.. => self.use_tools(device),
            _ => {}
        }
    }

    fn heal(&mut self, messages: u64) {
        self.note(|| "healing".into());
        self.network.badness = 0;
        for host in &mut self.hosts {
            host.down_until = Duration::ZERO;
            host.host.heal();
        }
        for device in 0..self.plan.devices {
            self.devices[device].log.fail(0);
            if self.devices[device].log.update() {
                self.restart(device);
            }
            self.link(device, 0);
        }
        for _ in 0..messages {
            let device = self.chance.below(self.plan.devices as u64) as usize;
            self.emit(device);
        }
    }

    fn link(&mut self, device: usize, host: usize) {
        if self.devices[device].links.insert(host) {
            self.note(|| format!("device {device} links host {host}"));
            self.devices[device].log.link(host);
            self.start_session(device, host);
        }
    }

    fn start_session(&mut self, device: usize, host: usize) {
        let keys = self.hosts[host].keys.clone();
        let mut config = self.config.clone();
        if is_browser(device) {
            config.transport = Transport::BROWSER;
        }
        let session = Session::new(keys, config, &self.chance.bytes32());
        self.devices[device].sessions.insert(host, session);
        self.drive(device, host);
    }

    fn restart(&mut self, device: usize) {
        self.note(|| format!("device {device} restarts"));
        let links: Vec<usize> = self.devices[device].links.iter().copied().collect();
        self.network.forget_device(device);
        let started = &mut self.devices[device];
        started.life += 1;
        started.log.restart();
        started.sessions.clear();
        for host in links {
            self.start_session(device, host);
        }
    }

    fn restore(&mut self, host: usize) {
        self.note(|| format!("host {host} is restored"));
        let Host { host: restored, backup, .. } = &mut self.hosts[host];
        restored.restore(backup);
        self.network.close_sockets(host, self.now, &mut self.chance);
    }

    fn tell_network(&mut self, device: usize) {
        let now = self.time_of(device);
        let hosts: Vec<usize> = self.devices[device].sessions.keys().copied().collect();
        for host in hosts {
            if let Some(session) = self.devices[device].sessions.get_mut(&host) {
                session.handle_network(now);
            }
            self.drive(device, host);
        }
    }

    fn emit(&mut self, device: usize) {
        let now = self.time_of(device).wall;
        let emitting = &mut self.devices[device];
        let emitted = emitting.log.emit(now, &mut self.chance);
        emitting.emitted.extend(&emitted);
        for position in emitted {
            self.note(|| format!("device {device} emits {}", position.hash));
        }
        self.tell_pending(device, None);
    }

    /// Does something that people do now and then: undo, compact, export, import.
    fn use_tools(&mut self, device: usize) {
        let now = self.time_of(device).wall;
        let (chance, log) = (&mut self.chance, &mut self.devices[device].log);
        if L::FORGETS {
            self.ever.extend(log.messages());
        }
        let Some(used) = log.use_tools(now, chance, &mut self.backup) else { return };
        self.devices[device].emitted.extend(&used.emitted);
        self.note(|| format!("device {device}: {}", used.what));
        for position in used.emitted {
            self.note(|| format!("device {device} emits {}", position.hash));
        }
        self.tell_pending(device, None);
    }

    /// Tells a device's sessions, but for one host's, that there may be more to push.
    fn tell_pending(&mut self, device: usize, but: Option<usize>) {
        let hosts: Vec<usize> =
            self.devices[device].sessions.keys().copied().filter(|host| Some(*host) != but).collect();
        for host in hosts {
            if let Some(session) = self.devices[device].sessions.get_mut(&host) {
                session.handle_pending();
            }
            self.drive(device, host);
        }
    }

    fn time_of(&self, device: usize) -> Now {
        let host_time = self.host_time().as_millis();
        let wall = host_time.saturating_add_signed(self.devices[device].skew);
        Now { wall: Timestamp::from_millis(wall), elapsed: self.now }
    }

    fn host_time(&self) -> Timestamp {
        DAWN.plus(self.now)
    }

    /// Lets the next thing happen, but nothing after `until`.
    fn step(&mut self, until: Duration) {
        let mut next = until.min(self.network.next_event().unwrap_or(until));
        let mut due = None;
        for (index, device) in self.devices.iter().enumerate() {
            for (host, session) in &device.sessions {
                if let Some(at) = session.poll_timeout().filter(|at| *at <= next) {
                    next = at;
                    due = Some((index, *host));
                }
            }
        }
        self.now = self.now.max(next);
        match due {
            Some((device, host)) => self.drive(device, host),
            None => self.deliver(),
        }
    }

    fn phases(&self) -> Vec<(usize, usize, Phase)> {
        let devices = self.devices.iter().enumerate();
        devices
            .flat_map(|(index, device)| {
                device.sessions.iter().map(move |(host, session)| (index, *host, session.status().phase.clone()))
            })
            .collect()
    }

    /// Tells whether every session says that nothing is left to do, and every message has come through.
    fn is_at_rest(&mut self) -> bool {
        let calm = self.devices.iter().flat_map(|device| device.sessions.values()).all(|session| {
            let status = session.status();
            status.is_in_sync() && status.live != Live::Down
        });
        calm && !self.network.is_busy() && self.check().is_ok()
    }

    fn check(&mut self) -> Result<(), Fault> {
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

    fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>10.3} {}", self.now.as_secs_f64(), text());
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

/// Returns whether a device is a browser, whose sockets can do less. In worlds of three devices or more, one is.
const fn is_browser(device: usize) -> bool {
    device % 3 == 2
}

/// Limits so small that a few messages fill them.
fn small_config(chance: &mut Chance) -> SessionConfig {
    let mut config = SessionConfig::default();
    if chance.in_thousand(700) {
        config.push.bags = chance.between(1, 5) as usize;
        config.push.bytes = chance.between(300, 3000) as usize;
        config.pull_bodies = chance.between(1, 4) as usize;
        config.pull_bytes = chance.between(1, 2000);
        config.window = chance.between(1, 8) as usize;
    }
    config
}

/// A device's end of a connection: device, its life, and the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    device: usize,
    life: u32,
    host: usize,
}

/// A user whom a socket belongs to.
type User = PublicKey;
