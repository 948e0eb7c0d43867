//! A simulated world: devices, hosts, a bad network and virtual time, all from one seed, in one thread.
//!
//! A [`World`] first lives through a time of faults and then heals. After that every device must hold the same
//! messages, every host all of them, and every session must say that it is caught up. What a device emitted must never
//! vanish, whatever happened.
//!
//! The log and the host are parameters ([`DeviceLog`], [`WorldHost`]): the models here are quick, the real ones prove
//! the real thing.

mod chance;
mod checks;
mod host;
mod log;
mod long_lived;
mod lying;
mod network;
mod real;
mod whims;
mod withholding;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use chance::Chance;
pub use checks::{Broken, Fault};
use diplomatic::Position;
use diplomatic::standard::{HostKeys, Label, Message, PublicKey, Seed, Timestamp};
use diplomatic::sync::{Now, Session, SessionConfig, Transport};
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

    fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>10.3} {}", self.now.as_secs_f64(), text());
        }
    }
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
