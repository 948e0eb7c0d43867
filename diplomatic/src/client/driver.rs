//! Connects a session to the network and the clock.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;

use super::network::{HttpEvent, Network, Sent};
use super::shared::Shared;
use super::tasks::{self, Instant, Task, spawn};
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::sync::{Action, Failure, LiveEvent, Now, RequestId, Session, SyncLog};

/// How many chunks of a response may wait to be read before the host has to wait.
const CHUNKS: usize = 8;

/// How many reports a session handles before it is polled again.
const REPORTS: usize = 32;

/// Connects the session of one host to the network and the clock.
pub(super) struct Driver<R: Reducer> {
    host: usize,
    link: u32,
    shared: Arc<Shared<R>>,
    network: Network,
    /// `None` only while it is lent to a blocking thread.
    session: Option<Session>,
    started: Instant,
    requests: BTreeMap<RequestId, Request>,
    channel: Option<Channel>,
    /// The last request to sync that reached the session.
    asked: u64,
    /// How often there has been more to push, as far as the session knows.
    heard: u64,
}

/// A request in flight; dropping it aborts it.
struct Request {
    events: mpsc::Receiver<HttpEvent>,
    sent: Arc<Sent>,
    task: Task,
}

impl Drop for Request {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A live channel that is open or being opened; dropping it closes it.
struct Channel {
    id: RequestId,
    events: mpsc::Receiver<LiveEvent>,
    pings: mpsc::Sender<()>,
}

/// The events that a driver waits for.
enum Report {
    Http(RequestId, HttpEvent),
    Live(RequestId, LiveEvent),
    Pending,
    SyncAsked,
    WentOffline,
    WokeUp,
    Timeout,
}

impl<R: Reducer> Driver<R> {
    pub(super) fn new(host: usize, link: u32, session: Session, shared: Arc<Shared<R>>, network: Network) -> Self {
        Self {
            host,
            link,
            shared,
            network,
            session: Some(session),
            started: Instant::now(),
            requests: BTreeMap::new(),
            channel: None,
            asked: 0,
            heard: 0,
        }
    }

    /// Runs until the client is closed or the host unlinked.
    pub(super) async fn run(mut self) {
        while let Some(mut session) = self.poll().await {
            let report = self.next_report(&session).await;
            self.take(&mut session, report);
            for _ in 1..REPORTS {
                let Some(report) = self.ready_report(&session) else { break };
                self.take(&mut session, report);
            }
            self.session = Some(session);
        }
    }

    /// Reports how far the requests have been sent.
    fn report_sent(&self, session: &mut Session) {
        for (id, request) in &self.requests {
            if let Some((bytes, at)) = request.sent.take_progress() {
                let elapsed = at.saturating_duration_since(self.started);
                session.handle_sent(Now { elapsed, ..self.now() }, *id, bytes);
            }
        }
    }

    fn now(&self) -> Now {
        Now { wall: self.shared.now(), elapsed: self.started.elapsed() }
    }

    /// Lets the session work on the log and carries out its actions; `None` when the client is closed or the host unlinked.
    async fn poll(&mut self) -> Option<Session> {
        let mut session = self.session.take().filter(|_| self.shared.is_linked(self.host))?;
        self.report_sent(&mut session);
        let (link, now) = (self.link, self.now());
        let polling = self.shared.with_device(move |device| {
            let actions = poll_actions(&mut session, now, &mut device.session_log(link));
            let is_first_synced = device.is_first_synced(link);
            (session, actions, is_first_synced)
        });
        let (session, actions, is_first_synced) = polling.await.ok()?;
        for action in actions {
            self.carry_out(action);
        }
        let answered = session.is_settled().then_some(self.asked);
        let heard = self.heard;
        self.shared.publish(self.host, |report| report.update(session.status(), is_first_synced, heard, answered));
        self.prepare(session).await
    }

    /// Lets the session seal ahead while the host works.
    async fn prepare(&self, mut session: Session) -> Option<Session> {
        if !session.can_prepare() {
            return Some(session);
        }
        let link = self.link;
        let preparing = self.shared.with_device(move |device| {
            let log: &dyn SyncLog<Error = LogError> = &device.session_log(link);
            session.prepare(log);
            session
        });
        preparing.await.ok()
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Request { id, call, body } => {
                let (sender, events) = mpsc::channel(CHUNKS);
                let sent = Arc::new(Sent::default());
                let task = if self.shared.is_offline() {
                    spawn(async move { _ = sender.send(HttpEvent::Failed(Failure::Offline)).await })
                } else {
                    spawn(self.network.clone().call(call, body, sent.clone(), sender))
                };
                self.requests.insert(id, Request { events, sent, task });
            }
            Action::Cancel { id } => {
                self.requests.remove(&id);
            }
            Action::OpenLive { id, token } => {
                let (sender, events) = mpsc::channel(CHUNKS);
                let (pings, receiver) = mpsc::channel(1);
                // With no task to hold the sender, the channel counts as closed.
                if !self.shared.is_offline() {
                    spawn(self.network.clone().live(token, sender, receiver));
                }
                self.channel = Some(Channel { id, events, pings });
            }
            Action::CloseLive { id } => self.channel = self.channel.take().filter(|channel| channel.id != id),
            Action::Ping { id } => {
                if let Some(channel) = self.channel.as_ref().filter(|channel| channel.id == id) {
                    // A ping that is still waiting to be sent will do.
                    let _ = channel.pings.try_send(());
                }
            }
            Action::Arrived { .. } => self.shared.something_is_pending(Some(self.host)),
        }
    }

    fn take(&mut self, session: &mut Session, report: Report) {
        let now = self.now();
        match report {
            Report::Http(id, HttpEvent::Chunk(bytes)) => session.handle_chunk(now, id, &bytes),
            Report::Http(id, HttpEvent::End) => {
                self.requests.remove(&id);
                session.handle_end(now, id);
            }
            Report::Http(id, HttpEvent::Failed(failure)) => {
                self.requests.remove(&id);
                session.handle_failure(now, id, failure);
            }
            Report::Live(id, event) => {
                if event.is_last() {
                    self.channel = None;
                }
                session.handle_live(now, id, event);
            }
            Report::Pending => {
                self.heard = self.shared.told(self.host);
                session.handle_pending();
            }
            Report::SyncAsked => {
                self.asked = self.shared.sync_request();
                self.heard = self.shared.told(self.host);
                // The request covers everything emitted before it.
                session.handle_pending();
                session.handle_network(now);
            }
            // The session notices at once that nothing can be sent, and its status says so.
            Report::WentOffline => self.start_afresh(session, now),
            Report::WokeUp => {
                self.network.renew();
                self.start_afresh(session, now);
            }
            Report::Timeout => {}
        }
    }

    /// Lets go of all connections, and lets the session try everything again.
    fn start_afresh(&mut self, session: &mut Session, now: Now) {
        for (id, request) in std::mem::take(&mut self.requests) {
            drop(request);
            session.handle_failure(now, id, Failure::Unreachable);
        }
        if let Some(channel) = self.channel.take() {
            session.handle_live(now, channel.id, LiveEvent::Closed);
        }
        session.handle_network(now);
    }

    async fn next_report(&mut self, session: &Session) -> Report {
        let timeout = session.poll_timeout().map(|at| at.saturating_sub(self.started.elapsed()));
        let shared = self.shared.clone();
        let host = self.host;
        tokio::select! {
            biased;
            report = self.network_report(session) => report,
            () = shared.sync_asked(host) => Report::SyncAsked,
            () = shared.pending(host) => Report::Pending,
            () = shared.cut(host) => Report::WentOffline,
            () = shared.awake(host) => Report::WokeUp,
            () = sleep(timeout) => Report::Timeout,
        }
    }

    /// Waits for the next network event; forever if nothing is in flight.
    fn network_report(&mut self, session: &Session) -> impl Future<Output = Report> {
        poll_fn(|context| {
            for (&id, request) in &mut self.requests {
                if session.wants_chunks(id)
                    && let Poll::Ready(event) = request.events.poll_recv(context)
                {
                    // A task that ends without a final event was stopped by the runtime.
                    let event = event.unwrap_or(HttpEvent::Failed(Failure::Cut));
                    return Poll::Ready(Report::Http(id, event));
                }
            }
            if let Some(channel) = &mut self.channel
                && let Poll::Ready(event) = channel.events.poll_recv(context)
            {
                return Poll::Ready(Report::Live(channel.id, event.unwrap_or(LiveEvent::Closed)));
            }
            Poll::Pending
        })
    }

    /// Returns the network events that have already arrived.
    fn ready_report(&mut self, session: &Session) -> Option<Report> {
        for (&id, request) in &mut self.requests {
            if session.wants_chunks(id)
                && let Ok(event) = request.events.try_recv()
            {
                return Some(Report::Http(id, event));
            }
        }
        let channel = self.channel.as_mut()?;
        channel.events.try_recv().ok().map(|event| Report::Live(channel.id, event))
    }
}

/// Lets the session work on a log. The sessions of all reducers share this code, so that an app need not compile the sync engine.
fn poll_actions(session: &mut Session, now: Now, log: &mut dyn SyncLog<Error = LogError>) -> Vec<Action> {
    std::iter::from_fn(|| session.poll_action(now, log)).collect()
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tasks::sleep(time).await,
        None => std::future::pending().await,
    }
}
