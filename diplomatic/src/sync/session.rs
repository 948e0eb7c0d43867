//! The session, through which every event and every decision passes.

mod audit;
mod fetch;
mod listen;
mod pull;
mod push;
mod read;
mod settle;
mod witness;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::action::{Action, LiveEvent, RequestId};
use super::backoff::Gate;
use super::clock::HostClock;
use super::fetching::{Fetch, Fetching};
use super::live::Channel;
use super::pace::Pace;
use super::pushing::Pushing;
use super::random::Random;
use super::reading::{Pull, ReadingState};
use super::settling::{Settling, Unsettled};
use super::status::{BlockCause, HostStatus, Pause, Phase, Trouble};
use super::stream::{Garbled, ResponseStream};
use super::witnessing::Witnessing;
use super::{Cursor, Failure, Now, SessionConfig, SyncLog};
use crate::order::Position;
use crate::standard::calls::{Call, ResponseHead};
use crate::standard::{Encode, HostKeys, Seq, Status};

/// The sync of one device with one host, as a state machine.
///
/// It performs no I/O and reads no clock: events go in through the `handle_` methods, actions come out of
/// [`poll_action`](Self::poll_action), and the log is an argument. A device has one session per host. Sessions share
/// the log but have their own keys, cursors and queues.
///
/// # Call order
///
/// 1. Call [`poll_action`](Self::poll_action) until it returns `None`, and carry out each action. Do this at the start,
///    after every `handle_` call, and at the time of [`poll_timeout`](Self::poll_timeout). Only this call uses the log,
///    so it may block on storage.
/// 2. Publish [`status`](Self::status) if it changed.
/// 3. Wait for the first of these, and report it with the matching `handle_` call: bytes of a response, its end or its
///    failure, an event on the live channel, the time of [`poll_timeout`](Self::poll_timeout), or news from the app.
///    Read a response only while [`wants_chunks`](Self::wants_chunks) returns true, so that the host has to wait.
///
/// For a request, report its progress now and then with [`handle_sent`](Self::handle_sent), at the latest before its
/// timeout, any number of [`handle_chunk`](Self::handle_chunk), then one
/// [`handle_end`](Self::handle_end) or [`handle_failure`](Self::handle_failure). For a live channel, report one
/// [`LiveEvent::Opened`], [`NotSupported`](LiveEvent::NotSupported), [`Refused`](LiveEvent::Refused) or
/// [`Closed`](LiveEvent::Closed), and after `Opened` any number of frames and signs of life, then one `Closed`. Reports
/// about cancelled, closed or unknown IDs are ignored.
///
/// A session can be dropped at any time: whatever is not in the log is at the host, or can be made again.
#[derive(Debug)]
pub struct Session {
    pub(super) keys: Arc<HostKeys>,
    pub(super) config: SessionConfig,
    pub(super) random: Random,
    pub(super) clock: HostClock,
    pub(super) actions: VecDeque<Action>,
    pub(super) requests: BTreeMap<RequestId, Request>,
    pub(super) next_id: u64,
    /// Where the log stands; `None` until it was asked, and after it failed.
    pub(super) cursor: Option<Cursor>,
    pub(super) storage: Gate,
    pub(super) reading: ReadingState,
    pub(super) pushing: Pushing,
    pub(super) settling: Settling,
    pub(super) fetching: Fetching,
    pub(super) witnessing: Witnessing,
    pub(super) channel: Channel,
    pub(super) admission: Admission,
    pub(super) recount: bool,
    has_heard: bool,
    polled: Duration,
    pub(super) status: HostStatus,
}

/// A request that is on its way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) purpose: Purpose,
    /// The device's wall clock when it was sent.
    sent: crate::standard::Timestamp,
    pace: Pace,
    stream: ResponseStream,
    head: Option<ResponseHead>,
}

/// What a request is for, and what is still expected of its response.
#[derive(Debug)]
pub(super) enum Purpose {
    Register,
    Peek,
    Pull(Pull),
    Review,
    Settle(BTreeMap<Seq, Unsettled>),
    Fetch(Fetch),
    Push,
}

/// How a host's objections to who calls, and when, are met: each once at once, then with pauses.
#[derive(Debug, Default)]
pub(super) struct Admission {
    register: bool,
    registered: bool,
    corrected: bool,
}

/// Why a response is not read on.
enum Stop {
    SomethingElse,
    Garbled,
}

impl From<Garbled> for Stop {
    fn from(_: Garbled) -> Self {
        Self::Garbled
    }
}

impl Session {
    /// Starts a session.
    ///
    /// `random_seed` should differ between sessions, so that devices do not retry in step.
    pub fn new(keys: HostKeys, config: SessionConfig, random_seed: &[u8; 32]) -> Self {
        Self {
            channel: Channel::new(&config),
            pushing: Pushing::new(&config),
            keys: Arc::new(keys),
            config,
            random: Random::new(random_seed),
            clock: HostClock::default(),
            actions: VecDeque::new(),
            requests: BTreeMap::new(),
            next_id: 0,
            cursor: None,
            storage: Gate::new(),
            reading: ReadingState::default(),
            settling: Settling::default(),
            fetching: Fetching::default(),
            witnessing: Witnessing::default(),
            admission: Admission::default(),
            recount: true,
            has_heard: false,
            polled: Duration::ZERO,
            status: HostStatus::default(),
        }
    }

    /// Returns the next action, or `None` if there is nothing to do for now.
    ///
    /// Reads and writes the log. If that fails, nothing is lost: the session is [blocked](BlockCause::Storage) for a
    /// while, then continues from what the log holds.
    pub fn poll_action<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Option<Action> {
        if self.actions.is_empty() {
            self.polled = now.elapsed;
            self.expire_requests(now);
            self.watch_channel(now);
            if self.storage.is_open(now.elapsed) && self.advance(now, log).is_err() {
                self.on_storage_failure(now);
            }
            self.schedule_look(now);
            self.refresh_status(now);
        }
        self.actions.pop_front()
    }

    /// Returns when to call [`poll_action`](Self::poll_action) if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if let Some(until) = self.storage.until()
            && self.cursor.is_none()
        {
            return Some(until);
        }
        let requests = self
            .requests
            .iter()
            .filter(|(id, _)| self.wants_chunks(**id))
            .map(|(_, request)| request.pace.deadline(&self.config))
            .min();
        let timers = self.reading_timers().into_iter().chain(self.push_timers()).chain(self.channel_timers());
        // What was due at the last poll and is not done waits for something else.
        timers
            .chain(self.settling_timers())
            .chain([self.witnessing.again_at, requests])
            .flatten()
            .filter(|at| *at > self.polled)
            .min()
    }

    /// Returns whether to read more of a response. Otherwise, leave the bytes unread.
    pub fn wants_chunks(&self, id: RequestId) -> bool {
        match self.requests.get(&id).map(|request| &request.purpose) {
            Some(Purpose::Peek) => !self.is_listing_paused(),
            _ => true,
        }
    }

    /// Returns the status, as of the last [`poll_action`](Self::poll_action) that returned `None`.
    pub const fn status(&self) -> &HostStatus {
        &self.status
    }

    /// Returns whether nothing is in flight or due, as of the last [`poll_action`](Self::poll_action) that returned
    /// `None`: everything has been read and pushed, or waits for the end of a pause.
    pub fn is_settled(&self) -> bool {
        let now = self.polled;
        // Pushing waits for reading.
        // While the cause of failing pushes is looked for, there is more to come.
        let is_probing = self.pushing.is_probing() && self.reading.gate.failures() == 0;
        let rests = if self.is_reading_idle() {
            let is_proved = self.cursor.is_none_or(|cursor| cursor.own.is_none());
            let is_busy = self.settling.is_busy(now) || self.fetching.is_due;
            self.pushing.is_resting(now) && !is_probing && is_proved && !is_busy
        } else {
            !self.reading.gate.is_open(now)
        };
        !self.storage.is_open(now) || rests && self.requests.is_empty()
    }

    /// Returns whether [`prepare`](Self::prepare) has something to do.
    pub fn can_prepare(&self) -> bool {
        self.pushing.can_prepare()
    }

    /// Seals what is to be pushed next while the host works on the last PUSH. Optional, since it only saves time: call it
    /// when all actions have been carried out and [`can_prepare`](Self::can_prepare) returns true.
    pub fn prepare<L: SyncLog + ?Sized>(&mut self, log: &L) {
        let keys = &self.keys;
        self.pushing.prepare(|after, limits| log.outgoing(after, limits, &mut |message| keys.seal(message)).ok());
    }

    /// Handles bytes of a response with HTTP status 200, split anywhere.
    pub fn handle_chunk(&mut self, now: Now, id: RequestId, bytes: &[u8]) {
        let Some(mut request) = self.requests.remove(&id) else { return };
        request.pace.on_arrival(now.elapsed, bytes.len(), &self.config);
        request.stream.extend(bytes);
        let Err(stop) = self.on_bytes(now, &mut request) else {
            self.requests.insert(id, request);
            return;
        };
        self.actions.push_back(Action::Cancel { id });
        let pause = match stop {
            Stop::SomethingElse => Pause::Blocked(BlockCause::SomethingElse),
            Stop::Garbled => Pause::Trouble(Trouble::Garbled),
        };
        self.on_failed(now, request.purpose, pause);
    }

    /// Handles progress in sending a request: so many bytes of its body have been sent so far. `now` is when that was.
    pub fn handle_sent(&mut self, now: Now, id: RequestId, bytes: u64) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.pace.on_sent(now.elapsed, bytes);
        }
    }

    /// Handles the regular end of a response.
    pub fn handle_end(&mut self, now: Now, id: RequestId) {
        let Some(request) = self.requests.remove(&id) else { return };
        match request.head {
            None => self.on_failed(now, request.purpose, Pause::Blocked(BlockCause::SomethingElse)),
            Some(_) if !request.stream.is_empty() => {
                self.on_failed(now, request.purpose, Pause::Trouble(Trouble::Garbled));
            }
            Some(head) if head.status.is_success() => self.on_finished(now, request.purpose),
            Some(head) => {
                if head.status.name().is_some() {
                    self.clock.measure(request.sent, &head, now.wall);
                }
                self.on_refused(now, request.purpose, head.status);
            }
        }
    }

    /// Handles the failure of a request, or of its response. What arrived before remains valid.
    pub fn handle_failure(&mut self, now: Now, id: RequestId, failure: Failure) {
        if let Some(request) = self.requests.remove(&id) {
            self.on_failed_transport(now, request.purpose, failure);
        }
    }

    /// Handles an event on a live channel.
    pub fn handle_live(&mut self, now: Now, id: RequestId, event: LiveEvent) {
        self.on_live(now, id, event);
    }

    /// Call this when the log has more for this host: the app emitted, or another host delivered something.
    pub fn handle_pending(&mut self) {
        self.pushing.on_pending();
        self.pushing.begin_again();
        self.pushing.gate.hurry();
        self.fetching.is_due = true;
        self.reading.gate.hurry();
        self.recount = true;
    }

    /// Tries everything now. Call this when the network is back, the device wakes up, or the user asks.
    pub fn handle_network(&mut self, now: Now) {
        for gate in [&mut self.storage, &mut self.reading.gate, &mut self.pushing.gate] {
            gate.open(now.elapsed);
        }
        self.reading.doubt();
        if !self.pushing.refused.is_empty() {
            self.pushing.refused_until = now.elapsed;
        }
        self.recount = true;
        self.doubt_channel(now);
    }

    /// Sends a request: the auth timestamp, and what `write` appends.
    pub(super) fn request(&mut self, now: Now, call: Call, purpose: Purpose, write: impl FnOnce(&mut Vec<u8>)) {
        let id = self.fresh_id();
        let mut body = self.keys.authenticate(self.clock.time(now)).to_bytes();
        write(&mut body);
        let stream = ResponseStream::default();
        let pace = Pace::new(now.elapsed, body.len(), &self.config);
        self.requests.insert(id, Request { purpose, sent: now.wall, pace, stream, head: None });
        self.actions.push_back(Action::Request { id, call, body });
    }

    pub(super) const fn fresh_id(&mut self) -> RequestId {
        self.next_id += 1;
        RequestId(self.next_id)
    }

    pub(super) fn is_requested(&self, is: impl Fn(&Purpose) -> bool) -> bool {
        self.requests.values().any(|request| is(&request.purpose))
    }

    /// Gives up the requests for a purpose.
    pub(super) fn cancel(&mut self, is: impl Fn(&Purpose) -> bool) {
        self.requests.retain(|id, request| {
            let is_given_up = is(&request.purpose);
            if is_given_up {
                self.actions.push_back(Action::Cancel { id: *id });
            }
            !is_given_up
        });
    }

    /// Goes on as far as it goes without the network: first what came in, then what is to go out.
    fn advance<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        self.load(log)?;
        self.take_in(now, log)?;
        self.digest_frames(log)?;
        self.take_in(now, log)?;
        self.end_reading(now, log)?;
        self.digest_review(now, log)?;
        self.settle(log)?;
        self.store_fetched(log)?;
        self.acknowledge(now, log)?;
        if self.recount {
            self.status.pending = log.pending()?;
            (self.status.to_send, self.status.to_fetch) = log.bodies()?;
            // What is wanted may be listed by now.
            self.fetching.is_due |= self.status.to_fetch.parts > 0;
            self.recount = false;
            self.witnessing.is_asked = true;
            if self.status.pending > self.pushing.refused() {
                self.pushing.on_pending();
            }
        }
        if self.reading.gate.is_open(now.elapsed) {
            if self.admission.register {
                if !self.is_requested(|purpose| matches!(purpose, Purpose::Register)) {
                    self.request(now, Call::User, Purpose::Register, |_| {});
                }
                return Ok(());
            }
            self.request_reading(now, log)?;
        }
        if self.is_reading_idle() {
            self.request_unsettled(now, log)?;
            self.request_wanted(now, log)?;
            self.request_push(now, log)?;
            self.request_held(now, log)?;
            self.open_channel(now);
            if self.proof_due().is_some_and(|at| at <= now.elapsed) && self.pushing.is_resting(now.elapsed) {
                self.reading.peek_wanted = true;
                self.request_reading(now, log)?;
            }
        } else if self.may_push_meanwhile(now) {
            self.request_push(now, log)?;
        }
        Ok(())
    }

    fn load<L: SyncLog + ?Sized>(&mut self, log: &L) -> Result<(), L::Error> {
        if self.cursor.is_none() {
            let cursor = log.cursor()?;
            self.load_skipped(log)?;
            self.cursor = Some(cursor);
            self.reading.start_from(cursor);
        }
        Ok(())
    }

    /// Forgets all that is not in the log, and what is on its way, and waits.
    fn on_storage_failure(&mut self, now: Now) {
        let pause = Pause::Blocked(BlockCause::Storage);
        self.storage.on_failure(now.elapsed, pause, &self.config, &mut self.random);
        self.cancel(|_| true);
        self.reading.forget();
        self.reading.next_audit = now.elapsed;
        self.pushing.forget();
        self.cursor = None;
        self.recount = true;
    }

    fn expire_requests(&mut self, now: Now) {
        let paused = self.is_listing_paused();
        let mut expired = Vec::new();
        for (id, request) in &mut self.requests {
            if paused && matches!(request.purpose, Purpose::Peek) {
                request.pace.pause(now.elapsed);
            } else if request.pace.deadline(&self.config) <= now.elapsed {
                let failure = if request.pace.has_response() { Failure::TooSlow } else { Failure::Timeout };
                expired.push((*id, failure));
            }
        }
        for (id, failure) in expired {
            self.actions.push_back(Action::Cancel { id });
            self.handle_failure(now, id, failure);
        }
    }

    fn on_bytes(&mut self, now: Now, request: &mut Request) -> Result<(), Stop> {
        let head = match request.head {
            Some(head) => head,
            None => {
                let Some(head) = request.stream.head().map_err(|_| Stop::SomethingElse)? else { return Ok(()) };
                request.head = Some(head);
                if head.status.is_success() {
                    self.clock.measure(request.sent, &head, now.wall);
                    self.has_heard = true;
                    self.admission.corrected = false;
                    if matches!(request.purpose, Purpose::Push) {
                        self.pushing.on_head(head);
                    }
                }
                head
            }
        };
        if !head.status.is_success() {
            // A refusal is a head and nothing more: a page with any text in it is none.
            return if request.stream.is_empty() { Ok(()) } else { Err(Stop::SomethingElse) };
        }
        match &mut request.purpose {
            Purpose::Register if request.stream.is_empty() => Ok(()),
            // Nothing follows, so nothing of it needs to be kept.
            Purpose::Register => return Err(Stop::Garbled),
            Purpose::Peek => self.on_listed(&mut request.stream),
            Purpose::Pull(pull) => self.on_bodies(now, pull, &mut request.stream),
            Purpose::Review => self.on_reviewed(&mut request.stream),
            Purpose::Settle(unsettled) => self.settling.on_bodies(unsettled, &mut request.stream),
            Purpose::Fetch(fetch) => self.fetching.on_bodies(fetch, &mut request.stream),
            Purpose::Push => self.pushing.on_answers(&mut request.stream),
        }
        .map_err(Stop::from)
    }

    fn on_finished(&mut self, now: Now, purpose: Purpose) {
        match purpose {
            Purpose::Push => self.pushing.gate.on_success(),
            _ => self.reading.gate.on_success(),
        }
        self.admission.registered = matches!(purpose, Purpose::Register);
        match purpose {
            Purpose::Register => self.admission.register = false,
            Purpose::Peek => self.on_listing_end(true),
            Purpose::Pull(pull) => self.on_bodies_end(now, pull.missing),
            Purpose::Review => self.on_review_end(true),
            Purpose::Settle(missing) => self.on_settle_end(missing),
            Purpose::Fetch(fetch) => self.fetching.on_end(&fetch),
            Purpose::Push => self.pushing.on_end(None),
        }
    }

    /// Meets a host's refusal of a whole request. The two that a client can mend are mended at once, but not twice in
    /// a row.
    fn on_refused(&mut self, now: Now, purpose: Purpose, status: Status) {
        match status {
            Status::CLOCK_OUT_OF_SYNC if !self.admission.corrected => {
                self.admission.corrected = true;
                self.give_back(purpose, status.into());
            }
            Status::USER_NOT_REGISTERED if !self.admission.registered && !matches!(purpose, Purpose::Register) => {
                self.admission.register = true;
                self.give_back(purpose, status.into());
            }
            Status::INVALID_REQUEST if matches!(purpose, Purpose::Push) => {
                // Our host's answer to what is too large; others may dislike one of the messages.
                self.pushing.on_too_large();
                self.pushing.on_end(Some(status.into()));
            }
            _ => {
                let pause = match purpose {
                    Purpose::Register if matches!(Pause::from(status), Pause::Blocked(BlockCause::Refused(_))) => {
                        Pause::Blocked(BlockCause::Registration(status))
                    }
                    _ => status.into(),
                };
                self.admission.registered = false;
                self.on_failed(now, purpose, pause);
            }
        }
    }

    fn on_failed_transport(&mut self, now: Now, purpose: Purpose, failure: Failure) {
        if matches!(purpose, Purpose::Push) && !self.pushing.on_transport_failure(&failure) {
            // One message that is too large for the host says nothing of the host.
            self.pushing.on_end(Some(failure.into()));
            return;
        }
        self.on_failed(now, purpose, failure.into());
    }

    fn on_failed(&mut self, now: Now, purpose: Purpose, pause: Pause) {
        let (first, other) = match purpose {
            Purpose::Push => (&mut self.pushing.gate, &mut self.reading.gate),
            _ => (&mut self.reading.gate, &mut self.pushing.gate),
        };
        first.on_failure(now.elapsed, pause.clone(), &self.config, &mut self.random);
        if pause.asked().is_some()
            && let Some(until) = first.until()
        {
            // The host asks for it whatever the request is.
            other.shut_until(now.elapsed, until, pause.clone());
            self.channel.gate.shut_until(now.elapsed, until, pause.clone());
        }
        // Perhaps the host stored some of a PUSH: look before pushing again. Anything else was for reading.
        self.reading.peek_wanted = true;
        self.give_back(purpose, pause);
    }

    /// Puts what a request was for back to where it came from.
    fn give_back(&mut self, purpose: Purpose, pause: Pause) {
        match purpose {
            Purpose::Register => {}
            // The log still wants what it wanted. A body that breaks the response must not hold up the others.
            Purpose::Fetch(fetch) => {
                if pause == Pause::Trouble(Trouble::Garbled)
                    && let Some((_, head)) = fetch.missing.first_key_value()
                {
                    self.fetching.missed.push(Position::of(head.head()));
                }
            }
            Purpose::Peek => self.on_listing_end(false),
            Purpose::Pull(pull) => self.reading.window.want_again(pull.missing),
            Purpose::Review => self.on_review_end(false),
            Purpose::Settle(_) => self.settling.end_round(self.polled, &self.config),
            Purpose::Push => self.pushing.on_end(Some(pause)),
        }
    }

    fn refresh_status(&mut self, now: Now) {
        self.status.phase = self.phase(now);
        self.status.live = self.channel.live();
        self.status.live_failure.clone_from(&self.channel.failure);
        self.status.refused = self.pushing.refused();
        self.status.refusal = self.pushing.last_refusal();
        self.status.refused_message = self.pushing.last_refused();
        (self.status.skipped, self.status.holes) = self.settling.count();
        self.status.audits = self.reading.audits;
        self.status.withheld = self.witnessing.withheld;
        self.status.clock_offset = self.clock.worth_telling();
    }

    fn phase(&self, now: Now) -> Phase {
        if !self.storage.is_open(now.elapsed)
            && let Some((until, pause)) = self.storage.shut()
        {
            return pausing(pause, self.storage.failures(), until);
        }
        if let Some((until, pause)) = self.reading.gate.shut() {
            return pausing(pause, self.reading.gate.failures(), until);
        }
        let progress = self.progress();
        match () {
            () if !self.has_heard => Phase::Connecting,
            () if !self.cursor.is_some_and(|cursor| cursor.caught_up) => Phase::FirstSync(progress),
            () if progress.done < progress.total => Phase::CatchingUp(progress),
            () if !self.reading.has_caught_up() => Phase::Connecting,
            () if self.status.pending <= self.pushing.refused() => Phase::CaughtUp,
            () => match self.pushing.gate.shut() {
                Some((until, pause)) => pausing(pause, self.pushing.gate.failures(), until),
                None => Phase::Pushing,
            },
        }
    }
}

fn pausing(pause: Pause, failures: u32, retry_at: Duration) -> Phase {
    match pause {
        Pause::Trouble(trouble) => Phase::Waiting { trouble, failures, retry_at },
        Pause::Blocked(cause) => Phase::Blocked { cause, retry_at },
    }
}
