//! One session against a host in memory, event by event, in virtual time.

use std::time::Duration;

use diplomatic::Position;
use diplomatic::standard::calls::{Call, PushRequest, ResponseHead};
use diplomatic::standard::{Bag, Body, Encode, EntityId, HostKeys, Label, Message, Seed, Status, Timestamp};
use diplomatic::sync::{Action, LiveEvent, Now, Phase, RequestId, Session, SessionConfig};

use crate::world::{DeviceLog, ModelHost, ModelLog, Quirks, Upgrade, WorldHost};

/// The wall clock at the start, in milliseconds.
pub const DAWN: u64 = 1_800_000_000_000;
/// The length of an auth timestamp at that time.
pub const AUTH: usize = 102;

/// A session with its log and its host.
#[derive(Debug)]
pub struct Desk<H = ModelHost> {
    /// The session.
    pub session: Session,
    /// The log.
    pub log: ModelLog,
    /// The host.
    pub host: H,
    /// The keys for the host.
    pub keys: HostKeys,
    /// The time.
    pub now: Duration,
    /// How far the wall clock is off, in milliseconds.
    pub skew: i64,
    /// The open socket.
    pub socket: Option<RequestId>,
    /// Every request in the order in which it was sent.
    pub sent: Vec<(Call, Vec<u8>)>,
    /// How many messages were made. Devices with different counts make different ones.
    pub count: u64,
}

impl Desk {
    /// Makes a device that has not begun, and an empty host with quirks.
    pub fn new(quirks: Quirks) -> Self {
        Self::with(quirks, SessionConfig::default())
    }

    /// Makes one with other settings.
    pub fn with(quirks: Quirks, config: SessionConfig) -> Self {
        Self::at(ModelHost::new(quirks, 0), config)
    }

    /// Makes one whose session has nothing to do.
    pub fn settled(quirks: Quirks) -> Self {
        let mut desk = Self::new(quirks);
        desk.run();
        desk.sent.clear();
        desk
    }
}

impl<H: WorldHost> Desk<H> {
    /// Makes a device that has not begun, and gives it a host.
    pub fn at(host: H, config: SessionConfig) -> Self {
        let keys = HostKeys::derive(&Seed::from_bytes([7; 32]), &Label::default());
        let mut log = ModelLog::new(0);
        log.link(0);
        Self {
            session: Session::new(keys.clone(), config, &[1; 32]),
            log,
            host,
            keys,
            now: Duration::from_secs(1),
            skew: 0,
            socket: None,
            sent: Vec::new(),
            count: 0,
        }
    }

    /// Stops the program and starts it again: only the log stays.
    pub fn restart(&mut self) {
        self.session = Session::new(self.keys.clone(), SessionConfig::default(), &[1; 32]);
        self.socket = None;
        self.sent.clear();
    }

    /// Returns the time by the device's clocks.
    pub fn time(&self) -> Now {
        let wall = (DAWN + self.now.as_millis() as u64).saturating_add_signed(self.skew);
        Now { wall: Timestamp::from_millis(wall), elapsed: self.now }
    }

    /// Returns the time by the host's clock.
    pub fn host_time(&self) -> Timestamp {
        Timestamp::from_millis(DAWN + self.now.as_millis() as u64)
    }

    /// Takes what the session wants to be done now, without doing it.
    pub fn poll(&mut self) -> Vec<Action> {
        let now = self.time();
        let actions: Vec<_> = std::iter::from_fn(|| self.session.poll_action(now, &mut self.log.session(0))).collect();
        if self.session.can_prepare() {
            self.session.prepare(&self.log.session(0));
        }
        for action in &actions {
            if let Action::Request { call, body, .. } = action {
                self.sent.push((*call, body.clone()));
            }
        }
        actions
    }

    /// Polls, and returns the request for a call that must be among the actions.
    pub fn request(&mut self, wanted: Call) -> (RequestId, Vec<u8>) {
        let actions = self.poll();
        let found = actions.iter().find_map(|action| match action {
            Action::Request { id, call, body } if *call == wanted => Some((*id, body.clone())),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("a {wanted:?} among {actions:?}"))
    }

    /// Answers a request.
    pub fn answer(&mut self, id: RequestId, body: &[u8]) {
        self.session.handle_chunk(self.time(), id, body);
        self.session.handle_end(self.time(), id);
    }

    /// Returns the head of a response.
    pub fn head(&self, status: Status) -> Vec<u8> {
        ResponseHead::unlimited(status, self.host_time(), self.host_time()).to_bytes()
    }

    /// Lets the host answer everything until nothing is asked.
    pub fn run(&mut self) {
        loop {
            let actions = self.poll();
            if actions.is_empty() {
                return;
            }
            actions.into_iter().for_each(|action| self.carry_out(action));
        }
    }

    /// Carries out an action with the help of the host.
    pub fn carry_out(&mut self, action: Action) {
        match action {
            Action::Request { id, call, body } => {
                let answer = self.host.call(self.host_time(), call.path(), &body);
                self.answer(id, &answer.body);
                if let Some((_, frame)) = answer.frame {
                    self.frame(frame);
                }
            }
            Action::OpenLive { id, token } => {
                let event = match self.host.upgrade(self.host_time(), &token.to_string()) {
                    Upgrade::Open(_) => {
                        self.socket = Some(id);
                        LiveEvent::Opened
                    }
                    Upgrade::NotSupported => LiveEvent::NotSupported,
                    Upgrade::Refused(status) => LiveEvent::Refused(status),
                };
                self.session.handle_live(self.time(), id, event);
            }
            Action::CloseLive { .. } => self.socket = None,
            _ => {}
        }
    }

    /// Delivers a frame, if the socket is open.
    pub fn frame(&mut self, frame: Vec<u8>) {
        if let Some(socket) = self.socket {
            self.session.handle_live(self.time(), socket, LiveEvent::Frame(frame));
        }
    }

    /// Lets time pass and the host answer everything meanwhile, pings too if `alive`.
    pub fn pass(&mut self, duration: Duration, alive: bool) {
        let end = self.now + duration;
        self.run();
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            for action in self.poll() {
                match action {
                    Action::Ping { id } if alive => self.session.handle_live(self.time(), id, LiveEvent::Alive),
                    action => self.carry_out(action),
                }
            }
            self.run();
        }
        self.now = end;
    }

    /// Makes a new message whose body has this length; with 0 it is a delete.
    pub fn message(&mut self, len: usize) -> Message {
        self.count += 1;
        let entity = EntityId::new(&self.count.to_be_bytes(), Timestamp::from_millis(DAWN));
        Message::new(entity, Timestamp::from_millis(DAWN), 0, Body::new(vec![1; len])).expect("a small message")
    }

    /// Puts a new message into the log, and tells the session.
    pub fn emit(&mut self, len: usize) -> Position {
        let message = self.message(len);
        let position = Position::of(message.head());
        self.log.put(message);
        self.session.handle_pending();
        position
    }

    /// Seals a new message, as another device of the user would.
    pub fn seal(&mut self, len: usize) -> Bag {
        let message = self.message(len);
        self.keys.seal(&message)
    }

    /// Pushes messages as another device of the user would, and returns the frame.
    pub fn others_push(&mut self, lens: &[usize]) -> Vec<u8> {
        let mut body = self.keys.authenticate(self.host_time()).to_bytes();
        self.host.call(self.host_time(), Call::User.path(), &body.clone());
        PushRequest { bags: lens.iter().map(|len| self.seal(*len)).collect() }.encode(&mut body);
        self.host.call(self.host_time(), Call::Push.path(), &body).frame.expect("they are stored").1
    }

    /// Returns the calls sent so far.
    pub fn calls(&self) -> Vec<Call> {
        self.sent.iter().map(|(call, _)| *call).collect()
    }

    /// Returns how many messages the log has.
    pub fn count_here(&mut self) -> usize {
        self.log.messages().len()
    }

    /// Returns the phase of the status.
    pub fn phase(&self) -> Phase {
        self.session.status().phase.clone()
    }
}
