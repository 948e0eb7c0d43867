//! Devices and hosts in memory and in virtual time, connected by a bad network.

mod host;
mod network;

use std::fmt::Debug;
use std::time::Duration;

use host::MemoryHost;
use network::Network;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::Dice;
use super::diff::diff;
use super::model::{self, DAWN};
use crate::device::{Device, DeviceConfig, EmitError};
use crate::log::Backing;
use crate::reducer::Reducer;
use crate::standard::{EntityId, HostKeys, Label, Message, Seed, Timestamp};
use crate::sync::{Action, Live, Now, Phase, Session, SessionConfig};

/// How long the devices of a test may take to settle, in virtual time.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);

/// The devices and hosts of one user in virtual time. One seed determines everything that happens.
///
/// The network loses, delays, repeats and cuts what passes through it, and the devices' clocks are some seconds apart,
/// until [`settle`](Self::settle) lets everything through. Devices are numbered from 0. Only the disk, the network and
/// the hosts are simulated; the log, the encryption, the sync engine and the fold are real.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, DiplomaticEvent)]
/// # #[diplomatic(prefix = "todo")]
/// # enum TodoEvent {
/// #     Added { title: String },
/// #     #[diplomatic(overwrites = "todo")]
/// #     Renamed { todo: EntityId, title: String },
/// # }
/// # #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
/// # struct Todos { titles: BTreeMap<EntityId, String> }
/// # impl Reducer for Todos {
/// #     type Event = TodoEvent;
/// #     fn apply(&mut self, event: TodoEvent, at: &Meta) {
/// #         match event {
/// #             TodoEvent::Added { title } => drop(self.titles.insert(at.entity.clone(), title)),
/// #             TodoEvent::Renamed { todo, title } => {
/// #                 if let Some(old) = self.titles.get_mut(&todo) {
/// #                     *old = title;
/// #                 }
/// #             }
/// #         }
/// #     }
/// # }
/// use std::time::Duration;
///
/// use diplomatic::testing::Devices;
///
/// let mut devices = Devices::<Todos>::new(3, 1);
/// let milk = devices.emit(0, TodoEvent::Added { title: "milk".into() });
/// devices.settle();
/// devices.offline(1);
/// devices.emit(1, TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() });
/// devices.pass(Duration::from_secs(60));
/// assert_eq!(devices.read(2, |todos| todos.titles[&milk].clone()), "milk");
/// devices.settle();
/// assert_eq!(devices.read(2, |todos| todos.titles[&milk].clone()), "oat milk");
/// ```
pub struct Devices<R: Reducer> {
    seed: u64,
    dice: Dice,
    account: Seed,
    now: Duration,
    seats: Vec<Seat<R>>,
    hosts: Vec<MemoryHost>,
    network: Network,
}

/// A device's place in the test, which outlives restarts.
struct Seat<R: Reducer> {
    backing: Backing,
    /// `None` while it restarts.
    device: Option<Device<R>>,
    /// One for each host.
    links: Vec<u32>,
    sessions: Vec<Session>,
    online: bool,
    /// How far its clock is ahead, in milliseconds.
    skew: i64,
    /// How often it was started. Anything sent to an earlier run is lost.
    life: u32,
}

/// A device's end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    device: usize,
    life: u32,
    host: usize,
}

impl<R: Reducer> Devices<R> {
    /// Starts devices that are linked with one host.
    pub fn new(devices: usize, seed: u64) -> Self {
        Self::with_hosts(devices, 1, seed)
    }

    /// Starts devices that are linked with several hosts.
    pub fn with_hosts(devices: usize, hosts: usize, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let account = Seed::from_bytes(dice.bytes32());
        let seats = (0..devices).map(|_| Seat {
            backing: Backing::memory(),
            device: None,
            links: Vec::new(),
            sessions: Vec::new(),
            online: true,
            skew: 10_000 - i64::try_from(dice.below(20_000)).unwrap_or(0),
            life: 0,
        });
        let seats = seats.collect();
        let hosts = (0..hosts).map(|_| MemoryHost::default()).collect();
        let network = Network::new(20);
        let mut all = Self { seed, dice, account, now: Duration::ZERO, seats, hosts, network };
        (0..devices).for_each(|device| all.start(device));
        all
    }

    /// Sets how often something goes wrong in the network, in percent. The default is 20.
    #[must_use]
    pub fn badness(mut self, percent: u64) -> Self {
        self.network.badness = percent.min(90);
        self
    }

    /// Emits an event on a device.
    ///
    /// # Panics
    ///
    /// Panics if the event cannot be emitted; see [`try_emit`](Self::try_emit).
    #[track_caller]
    pub fn emit(&mut self, device: usize, event: R::Event) -> EntityId {
        self.try_emit(device, event).unwrap_or_else(|error| panic!("device {device} refuses the event: {error}"))
    }

    /// Emits an event on a device.
    ///
    /// # Errors
    ///
    /// [`EmitError`]; nothing is stored then.
    pub fn try_emit(&mut self, device: usize, event: R::Event) -> Result<EntityId, EmitError> {
        let now = self.time_of(device).wall;
        let entity = self.device(device).emit(now, &event)?;
        self.tell_pending(device, None);
        Ok(entity)
    }

    /// Calls `look` with the state of a device.
    pub fn read<T>(&self, device: usize, look: impl FnOnce(&R) -> T) -> T {
        self.seats[device].device.as_ref().expect("it is open between the steps").read(look)
    }

    /// Takes a device off the network.
    pub fn offline(&mut self, device: usize) {
        self.seats[device].online = false;
        self.network.disconnect(device, self.now);
    }

    /// Reconnects a device to the network.
    pub fn online(&mut self, device: usize) {
        self.seats[device].online = true;
        let now = self.time_of(device);
        for host in 0..self.hosts.len() {
            self.seats[device].sessions[host].handle_network(now);
            self.drive(device, host);
        }
    }

    /// Ends a device's program and restarts it from its store.
    pub fn restart(&mut self, device: usize) {
        self.seats[device].life += 1;
        self.network.disconnect(device, self.now);
        self.start(device);
    }

    /// Sets how many milliseconds a device's clock is ahead; negative if it is behind.
    pub fn set_clock(&mut self, device: usize, ahead: i64) {
        self.seats[device].skew = ahead;
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    /// Repairs the network, reconnects all devices, waits until all of them report that they are caught up, and checks
    /// that they have the same state. Afterwards, the network is as bad as before.
    ///
    /// # Panics
    ///
    /// Panics if the devices do not settle or disagree. The message shows the seed and the difference.
    #[track_caller]
    pub fn settle(&mut self)
    where
        R: PartialEq + Debug,
    {
        let badness = std::mem::take(&mut self.network.badness);
        (0..self.seats.len()).for_each(|device| self.online(device));
        let end = self.now + PATIENCE;
        while !self.is_at_rest() {
            if self.now >= end {
                let phases: Vec<_> = self.sessions().map(|session| session.status().phase.clone()).collect();
                panic!("the devices of seed {} are not at rest after {PATIENCE:?}: {phases:?}", self.seed);
            }
            self.step(end);
        }
        self.network.badness = badness;
        self.agree();
    }

    /// Checks that the state of every device is the result of sorting and folding its messages.
    #[track_caller]
    fn agree(&self)
    where
        R: PartialEq + Debug,
    {
        let seed = self.seed;
        let Some(messages) = self.seats.first().map(messages) else { return };
        let (folded, _) = model::state::<R>(&messages);
        for device in 0..self.seats.len() {
            self.read(device, |state| {
                assert!(
                    *state == folded,
                    "device {device} of seed {seed} is not in the state that its messages give; `check_reducer` finds \
                     out why. The fold (-) and the device (+):\n{}",
                    diff(&folded, state)
                );
            });
        }
    }

    fn start(&mut self, device: usize) {
        let config = DeviceConfig { snapshot_events: 4, ..DeviceConfig::default() };
        let rng = StdRng::from_seed(self.dice.bytes32());
        let seat = &mut self.seats[device];
        seat.sessions.clear();
        // The file can have only one owner, so drop the old one first.
        seat.device = None;
        let opened = Device::open_with(seat.backing.clone(), &self.account, rng, config);
        let mut opened = opened.expect("memory does not fail");
        let labels = (0..self.hosts.len()).map(|host| Label::with_index("host", host as u64));
        let labels: Vec<Label> = labels.collect();
        seat.links = labels.iter().map(|label| opened.link_host(label).expect("memory does not fail")).collect();
        seat.device = Some(opened);
        for label in &labels {
            let keys = HostKeys::derive(&self.account, label);
            seat.sessions.push(Session::new(keys, SessionConfig::default(), &self.dice.bytes32()));
        }
        for host in 0..labels.len() {
            self.drive(device, host);
        }
    }

    fn device(&mut self, device: usize) -> &mut Device<R> {
        self.seats[device].device.as_mut().expect("it is open between the steps")
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.seats.iter().flat_map(|seat| &seat.sessions)
    }

    fn host_time(&self) -> Timestamp {
        DAWN.plus(self.now)
    }

    fn time_of(&self, device: usize) -> Now {
        let wall = self.host_time().as_millis().saturating_add_signed(self.seats[device].skew);
        Now { wall: Timestamp::from_millis(wall), elapsed: self.now }
    }

    /// Carries out the actions of a session until there are none.
    fn drive(&mut self, device: usize, host: usize) {
        let now = self.time_of(device);
        let mut arrived = false;
        loop {
            let Seat { device: log, links, sessions, life, .. } = &mut self.seats[device];
            let (Some(log), Some(session)) = (log, sessions.get_mut(host)) else { return };
            let Some(action) = session.poll_action(now, &mut log.session_log(links[host])) else { break };
            arrived |= matches!(action, Action::Arrived { .. });
            let end = End { device, life: *life, host };
            self.carry_out(end, action);
        }
        self.read_on(device, host);
        if arrived {
            self.tell_pending(device, Some(host));
        }
    }

    /// Tells a device's sessions, except that of one host, that there is more to push.
    fn tell_pending(&mut self, device: usize, but: Option<usize>) {
        for host in (0..self.hosts.len()).filter(|host| Some(*host) != but) {
            if let Some(session) = self.seats[device].sessions.get_mut(host) {
                session.handle_pending();
                self.drive(device, host);
            }
        }
    }

    /// Handles the next event, unless it is after `until`.
    fn step(&mut self, until: Duration) {
        let mut next = until.min(self.network.next().unwrap_or(until));
        let mut due = None;
        for (device, seat) in self.seats.iter().enumerate() {
            for (host, session) in seat.sessions.iter().enumerate() {
                if let Some(at) = session.poll_timeout().filter(|at| *at <= next) {
                    next = at;
                    due = Some((device, host));
                }
            }
        }
        self.now = self.now.max(next);
        match due {
            Some((device, host)) => self.drive(device, host),
            None => self.deliver(),
        }
    }

    /// Returns whether every session reports that nothing is left to do, and all devices have the same messages.
    fn is_at_rest(&self) -> bool {
        let calm = self.sessions().all(|session| {
            let status = session.status();
            status.phase == Phase::CaughtUp && status.pending == 0 && status.live != Live::Down
        });
        calm && self.network.is_idle() && self.have_the_same()
    }

    fn have_the_same(&self) -> bool {
        let mut all = self.seats.iter().map(|seat| {
            let device = seat.device.as_ref().expect("it is open between the steps");
            device.messages().expect("memory does not fail")
        });
        let first = all.next();
        all.all(|messages| Some(&messages) == first.as_ref())
    }
}

fn messages<R: Reducer>(seat: &Seat<R>) -> Vec<Message> {
    let device = seat.device.as_ref().expect("it is open between the steps");
    device.stored().expect("memory does not fail")
}

impl<R: Reducer> Debug for Devices<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Devices")
            .field("seed", &self.seed)
            .field("devices", &self.seats.len())
            .field("hosts", &self.hosts.len())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
