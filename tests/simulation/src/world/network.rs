//! The network between devices and hosts: it drops, delays, repeats, cuts and reorders.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use diplomatic::standard::calls::Call;
use diplomatic::sync::{Action, Failure, LiveEvent, RequestId};

use super::{Chance, DeviceLog, End, Upgrade, User, World, WorldHost, is_browser};

/// What is on its way, and who is connected.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// So many times in a thousand something goes wrong.
    pub(super) badness: u64,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event>,
    count: u64,
    sockets: Vec<Socket>,
    /// The response of a request that the device does not read at the moment.
    held: Vec<(End, RequestId, u64, Event)>,
}

#[derive(Debug)]
struct Socket {
    end: End,
    id: RequestId,
    user: User,
    /// Nothing passes any more, and nobody is told.
    is_dead: bool,
    /// When the last frame arrives: the next comes after it.
    last: Duration,
}

#[derive(Debug)]
pub(super) enum Event {
    Request { end: End, id: RequestId, call: Call, body: Vec<u8>, is_repeat: bool },
    Chunk { end: End, id: RequestId, bytes: Vec<u8> },
    Finished { end: End, id: RequestId, failure: Option<Failure> },
    Upgrade { end: End, id: RequestId, token: String },
    Live { end: End, id: RequestId, event: LiveEvent },
}

impl Network {
    pub(super) fn new(badness: u64) -> Self {
        Self { badness, ..Self::default() }
    }

    pub(super) fn next_event(&self) -> Option<Duration> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.events.is_empty()
    }

    fn goes_wrong(&self, chance: &mut Chance) -> bool {
        chance.in_thousand(self.badness)
    }

    fn send(&mut self, at: Duration, event: Event) {
        self.count += 1;
        self.send_as(self.count, at, event);
    }

    fn send_as(&mut self, number: u64, at: Duration, event: Event) {
        self.queue.push(Reverse((at, number)));
        self.events.insert(number, event);
    }

    fn travel(&self, chance: &mut Chance) -> Duration {
        let slow = self.goes_wrong(chance) && chance.in_thousand(300);
        Duration::from_millis(if slow { chance.between(100, 40_000) } else { chance.between(1, 80) })
    }

    /// Makes some sockets of a host dead: nothing passes, and nobody is told.
    pub(super) fn kill_sockets(&mut self, host: usize, chance: &mut Chance) {
        for socket in self.sockets.iter_mut().filter(|socket| socket.end.host == host) {
            socket.is_dead |= chance.in_thousand(500);
        }
    }

    /// Closes the sockets of a host that goes down; devices with a dead one are not told.
    pub(super) fn close_sockets(&mut self, host: usize, now: Duration, chance: &mut Chance) {
        for socket in self.sockets.extract_if(.., |socket| socket.end.host == host).collect::<Vec<_>>() {
            if !socket.is_dead {
                let at = socket.last.max(now + self.travel(chance));
                self.send(at, Event::Live { end: socket.end, id: socket.id, event: LiveEvent::Closed });
            }
        }
    }

    pub(super) fn forget_device(&mut self, device: usize) {
        self.sockets.retain(|socket| socket.end.device != device);
        self.held.retain(|(end, ..)| end.device != device);
    }

    /// Tells whether anything comes through on a socket.
    fn passes(&self, end: End, id: RequestId) -> bool {
        self.sockets.iter().any(|socket| (socket.end, socket.id) == (end, id) && !socket.is_dead)
    }

    /// Sends a response in pieces, perhaps not all of them.
    fn respond(&mut self, end: End, id: RequestId, body: Vec<u8>, now: Duration, chance: &mut Chance) {
        let mut at = now + self.travel(chance);
        if self.goes_wrong(chance) && chance.in_thousand(200) {
            // Nothing comes, and nobody is told.
            return;
        }
        let cut = self.goes_wrong(chance) && chance.in_thousand(400);
        let body = if cut { &body[..chance.below(body.len() as u64) as usize] } else { &body[..] };
        let mut rest = body;
        while !rest.is_empty() {
            let len = if chance.in_thousand(800) { rest.len() } else { chance.between(1, rest.len() as u64) as usize };
            let (chunk, left) = rest.split_at(len);
            self.send(at, Event::Chunk { end, id, bytes: chunk.to_vec() });
            at += Duration::from_millis(chance.below(20));
            rest = left;
        }
        self.send(at, Event::Finished { end, id, failure: cut.then_some(Failure::Cut) });
    }
}

impl<L: DeviceLog, H: WorldHost> World<L, H> {
    /// Does what a session wants until it wants nothing.
    pub(super) fn drive(&mut self, device: usize, host: usize) {
        let now = self.time_of(device);
        let mut arrived = false;
        loop {
            let driven = &mut self.devices[device];
            let life = driven.life;
            let Some(session) = driven.sessions.get_mut(&host) else { return };
            let Some(action) = session.poll_action(now, &mut driven.log.session(host)) else { break };
            self.note(|| format!("device {device} host {host}: {action:?}"));
            arrived |= matches!(action, Action::Arrived { .. });
            self.carry_out(End { device, life, host }, action);
        }
        let driven = &mut self.devices[device];
        if let Some(session) = driven.sessions.get_mut(&host).filter(|session| session.can_prepare()) {
            session.prepare(&driven.log.session(host));
        }
        if self.trace
            && let Some(session) = self.devices[device].sessions.get(&host)
        {
            eprintln!("           device {device} host {host}: {:?}", session.status());
        }
        self.read_on(device, host);
        if arrived {
            self.tell_pending(device, Some(host));
        }
    }

    fn carry_out(&mut self, end: End, action: Action) {
        let Self { network, chance, now, .. } = self;
        let at = *now + network.travel(chance);
        match action {
            Action::Request { id, call, body } => {
                if network.goes_wrong(chance) && chance.in_thousand(500) {
                    if chance.in_thousand(700) {
                        let failure = Some(if chance.in_thousand(500) { Failure::Cut } else { Failure::Unreachable });
                        network.send(at, Event::Finished { end, id, failure });
                    }
                    return;
                }
                if network.goes_wrong(chance) && chance.in_thousand(300) {
                    let again = at + network.travel(chance);
                    network.send(again, Event::Request { end, id, call, body: body.clone(), is_repeat: true });
                }
                network.send(at, Event::Request { end, id, call, body, is_repeat: false });
            }
            Action::OpenLive { id, token } => {
                if network.goes_wrong(chance) && chance.in_thousand(500) {
                    if chance.in_thousand(700) {
                        network.send(at, Event::Live { end, id, event: LiveEvent::Closed });
                    }
                    return;
                }
                network.send(at, Event::Upgrade { end, id, token: token.to_string() });
            }
            Action::CloseLive { id } => network.sockets.retain(|socket| (socket.end, socket.id) != (end, id)),
            Action::Ping { .. } if is_browser(end.device) => panic!("a browser cannot ping"),
            Action::Ping { id } if network.passes(end, id) => {
                network.send(at, Event::Live { end, id, event: LiveEvent::Alive });
            }
            _ => {}
        }
    }

    /// Lets the next thing on its way arrive, if its time has come.
    pub(super) fn deliver(&mut self) {
        if self.network.next_event().is_none_or(|at| at > self.now) {
            return;
        }
        let Some(Reverse((_, number))) = self.network.queue.pop() else { return };
        let Some(event) = self.network.events.remove(&number) else { return };
        match event {
            Event::Request { end, id, call, body, is_repeat } => self.on_request(end, id, call, &body, is_repeat),
            Event::Upgrade { end, id, token } => self.on_upgrade(end, id, &token),
            event => self.report(number, event),
        }
    }

    fn on_request(&mut self, end: End, id: RequestId, call: Call, body: &[u8], is_repeat: bool) {
        let time = self.host_time();
        let host = &mut self.hosts[end.host];
        let Self { network, chance, now, .. } = self;
        if host.down_until > *now {
            let failure = Some(Failure::Unreachable);
            network.send(*now + network.travel(chance), Event::Finished { end, id, failure });
            return;
        }
        let answer = host.host.call_of(end.device, time, call.path(), body);
        if let Some((user, frame)) = answer.frame {
            for index in 0..network.sockets.len() {
                let travel = network.travel(chance);
                let socket = &mut network.sockets[index];
                if socket.end.host == end.host && socket.user == user && !socket.is_dead {
                    socket.last = socket.last.max(*now + travel);
                    let (at, end, id) = (socket.last, socket.end, socket.id);
                    network.send(at, Event::Live { end, id, event: LiveEvent::Frame(frame.clone()) });
                }
            }
        }
        if !is_repeat {
            network.respond(end, id, answer.body, *now, chance);
        }
    }

    fn on_upgrade(&mut self, end: End, id: RequestId, token: &str) {
        let time = self.host_time();
        let host = &mut self.hosts[end.host];
        let Self { network, chance, now, .. } = self;
        let at = *now + network.travel(chance);
        let upgrade = if host.down_until > *now { Upgrade::Refused(502) } else { host.host.upgrade(time, token) };
        let event = match upgrade {
            Upgrade::Open(user) => {
                let is_dead = network.goes_wrong(chance) && chance.in_thousand(200);
                network.sockets.push(Socket { end, id, user, is_dead, last: at });
                LiveEvent::Opened
            }
            // A browser does not tell why.
            _ if is_browser(end.device) => LiveEvent::Closed,
            Upgrade::NotSupported => LiveEvent::NotSupported,
            Upgrade::Refused(status) => LiveEvent::Refused(status),
        };
        network.send(at, Event::Live { end, id, event });
    }

    /// Reports to a session, unless its device was restarted meanwhile.
    fn report(&mut self, number: u64, event: Event) {
        let end = match &event {
            Event::Chunk { end, .. } | Event::Finished { end, .. } | Event::Live { end, .. } => *end,
            Event::Request { .. } | Event::Upgrade { .. } => return,
        };
        let now = self.time_of(end.device);
        let device = &mut self.devices[end.device];
        let Some(session) = device.sessions.get_mut(&end.host).filter(|_| device.life == end.life) else { return };
        match event {
            Event::Chunk { id, .. } | Event::Finished { id, .. }
                if !session.wants_chunks(id)
                    || self.network.held.iter().any(|(held_end, held, ..)| (*held_end, *held) == (end, id)) =>
            {
                self.network.held.push((end, id, number, event));
                return;
            }
            Event::Chunk { id, bytes, .. } => session.handle_chunk(now, id, &bytes),
            Event::Finished { id, failure: None, .. } => session.handle_end(now, id),
            Event::Finished { id, failure: Some(failure), .. } => session.handle_failure(now, id, failure),
            Event::Live { id, event, .. } => session.handle_live(now, id, event),
            Event::Request { .. } | Event::Upgrade { .. } => {}
        }
        self.drive(end.device, end.host);
    }

    /// Sends what was held back on its way again, once the session reads on.
    fn read_on(&mut self, device: usize, host: usize) {
        let Some(session) = self.devices[device].sessions.get(&host) else { return };
        let Self { network, now, .. } = self;
        let held = network
            .held
            .extract_if(.., |(end, id, ..)| (end.device, end.host) == (device, host) && session.wants_chunks(*id));
        let held: Vec<_> = held.collect();
        for (_, _, number, event) in held {
            // With their old numbers they stay before what follows them.
            network.send_as(number, *now, event);
        }
    }
}
