//! The network between devices and hosts: it loses, delays, repeats and cuts at random.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Devices, End};
use crate::reducer::Reducer;
use crate::standard::PublicKey;
use crate::standard::calls::{AuthToken, Call};
use crate::sync::{Action, Failure, LiveEvent, RequestId};
use crate::testing::Dice;

/// The messages in flight and the open connections.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// How often something goes wrong, in percent.
    pub(super) badness: u64,
    /// Ordered by time of arrival, then by the order in which they were sent.
    on_the_way: BTreeMap<(Duration, u64), (End, RequestId, Packet)>,
    sent: u64,
    sockets: Vec<Socket>,
    /// Responses that a session is not reading at the moment.
    held: Vec<(End, RequestId, Packet)>,
}

#[derive(Debug)]
struct Socket {
    end: End,
    id: RequestId,
    user: PublicKey,
    /// When the last frame arrives; the next comes after it.
    last: Duration,
}

#[derive(Debug)]
pub(super) enum Packet {
    Request(Call, Vec<u8>),
    Upgrade(AuthToken),
    Chunk(Vec<u8>),
    End(Option<Failure>),
    Live(LiveEvent),
}

impl Network {
    pub(super) fn new(badness: u64) -> Self {
        Self { badness, ..Self::default() }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.on_the_way.is_empty() && self.held.is_empty()
    }

    fn send(&mut self, at: Duration, end: End, id: RequestId, packet: Packet) {
        self.sent += 1;
        self.on_the_way.insert((at, self.sent), (end, id, packet));
    }

    fn goes_wrong(&self, dice: &mut Dice) -> bool {
        dice.percent(self.badness)
    }

    fn arrival(&self, now: Duration, dice: &mut Dice) -> Duration {
        let slow = self.goes_wrong(dice) && dice.percent(30);
        now + Duration::from_millis(if slow { dice.below(40_000) } else { dice.below(80) } + 1)
    }

    /// Ends all connections of a device and notifies it if it is still running.
    pub(super) fn disconnect(&mut self, device: usize, now: Duration) {
        for socket in self.sockets.extract_if(.., |socket| socket.end.device == device).collect::<Vec<_>>() {
            self.send(now, socket.end, socket.id, Packet::Live(LiveEvent::Closed));
        }
        self.held.retain(|(end, ..)| end.device != device);
    }
}

impl<R: Reducer> Devices<R> {
    /// Sends a session's message.
    pub(super) fn carry_out(&mut self, end: End, action: Action) {
        let online = self.seats[end.device].online;
        let Self { network, dice, now, .. } = self;
        let at = network.arrival(*now, dice);
        let lost = !online || network.goes_wrong(dice) && dice.percent(50);
        match action {
            Action::Request { id, .. } if lost => {
                network.send(at, end, id, Packet::End(Some(Failure::Unreachable)));
            }
            Action::Request { id, call, body } => {
                if network.goes_wrong(dice) && dice.percent(30) {
                    let again = network.arrival(at, dice);
                    // The answer to it is lost.
                    let copy = End { life: u32::MAX, ..end };
                    network.send(again, copy, id, Packet::Request(call, body.clone()));
                }
                network.send(at, end, id, Packet::Request(call, body));
            }
            Action::OpenLive { id, .. } if lost => network.send(at, end, id, Packet::Live(LiveEvent::Closed)),
            Action::OpenLive { id, token } => network.send(at, end, id, Packet::Upgrade(token)),
            Action::CloseLive { id } => network.sockets.retain(|socket| (socket.end, socket.id) != (end, id)),
            Action::Ping { id } => {
                if network.sockets.iter().any(|socket| (socket.end, socket.id) == (end, id)) {
                    network.send(at, end, id, Packet::Live(LiveEvent::Alive));
                }
            }
            Action::Cancel { .. } | Action::Arrived { .. } => {}
        }
    }

    /// Delivers the next message that is due.
    pub(super) fn deliver(&mut self) {
        if self.network.next().is_none_or(|at| at > self.now) {
            return;
        }
        let Some((_, (end, id, packet))) = self.network.on_the_way.pop_first() else { return };
        match packet {
            Packet::Request(call, body) => self.at_host(end, id, call, &body),
            Packet::Upgrade(token) => self.upgrade(end, id, &token),
            packet => self.report(end, id, packet),
        }
    }

    fn at_host(&mut self, end: End, id: RequestId, call: Call, body: &[u8]) {
        let time = self.host_time();
        let (response, frame) = self.hosts[end.host].call(time, call, body);
        let Self { network, dice, now, .. } = self;
        if let Some((user, frame)) = frame {
            for index in 0..network.sockets.len() {
                let arrival = network.arrival(*now, dice);
                let socket = &mut network.sockets[index];
                if socket.end.host == end.host && socket.user == user {
                    socket.last = socket.last.max(arrival);
                    let (at, end, id) = (socket.last, socket.end, socket.id);
                    network.send(at, end, id, Packet::Live(LiveEvent::Frame(frame.clone())));
                }
            }
        }
        let mut at = network.arrival(*now, dice);
        let is_cut = network.goes_wrong(dice) && dice.percent(40);
        let len = if is_cut { dice.below(response.len() as u64) as usize } else { response.len() };
        let (first, second) = response[..len].split_at(dice.below(len as u64 + 1) as usize);
        for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
            network.send(at, end, id, Packet::Chunk(part.to_vec()));
            at += Duration::from_millis(dice.below(10));
        }
        network.send(at, end, id, Packet::End(is_cut.then_some(Failure::Cut)));
    }

    fn upgrade(&mut self, end: End, id: RequestId, token: &AuthToken) {
        let user = self.hosts[end.host].upgrade(self.host_time(), token);
        let is_there = self.seats[end.device].life == end.life && self.seats[end.device].online;
        let Self { network, dice, now, .. } = self;
        let at = network.arrival(*now, dice);
        let event = match user {
            Some(user) => {
                if is_there {
                    network.sockets.push(Socket { end, id, user, last: at });
                }
                LiveEvent::Opened
            }
            None => LiveEvent::Refused(401),
        };
        network.send(at, end, id, Packet::Live(event));
        if network.goes_wrong(dice) && dice.percent(30) {
            // The connection ends some time later.
            network.sockets.retain(|socket| (socket.end, socket.id) != (end, id));
            let end_at = at + Duration::from_millis(dice.below(30_000));
            network.send(end_at, end, id, Packet::Live(LiveEvent::Closed));
        }
    }

    /// Reports to a session unless its device has been restarted or gone offline.
    fn report(&mut self, end: End, id: RequestId, packet: Packet) {
        let now = self.time_of(end.device);
        let seat = &mut self.seats[end.device];
        if seat.life != end.life {
            return;
        }
        let packet = match packet {
            Packet::Chunk(_) | Packet::End(None) if !seat.online => Packet::End(Some(Failure::Cut)),
            Packet::Live(LiveEvent::Opened | LiveEvent::Frame(_) | LiveEvent::Alive) if !seat.online => {
                Packet::Live(LiveEvent::Closed)
            }
            packet => packet,
        };
        let Some(session) = seat.sessions.get_mut(end.host) else { return };
        let is_held = self.network.held.iter().any(|(held_end, held, _)| (*held_end, *held) == (end, id));
        match packet {
            Packet::Chunk(_) | Packet::End(_) if is_held || !session.wants_chunks(id) => {
                self.network.held.push((end, id, packet));
                return;
            }
            Packet::Chunk(bytes) => session.handle_chunk(now, id, &bytes),
            Packet::End(None) => session.handle_end(now, id),
            Packet::End(Some(failure)) => session.handle_failure(now, id, failure),
            Packet::Live(event) => session.handle_live(now, id, event),
            Packet::Request(..) | Packet::Upgrade(_) => {}
        }
        self.drive(end.device, end.host);
    }

    /// Resumes responses that were held back, once the session reads again.
    pub(super) fn read_on(&mut self, device: usize, host: usize) {
        let Self { network, seats, now, .. } = self;
        let session = &seats[device].sessions[host];
        let is_wanted = |end: &End, id: RequestId| (end.device, end.host) == (device, host) && session.wants_chunks(id);
        let held: Vec<_> = network.held.extract_if(.., |(end, id, _)| is_wanted(end, *id)).collect();
        for (end, id, packet) in held {
            network.send(*now, end, id, packet);
        }
    }
}
