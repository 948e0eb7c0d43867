//! What processes tell each other: which accounts have new bags. Hints only, of which any may be lost.

use std::collections::HashMap;
use std::error::Error;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diplomatic::standard::{PublicKey, Seq};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_postgres::AsyncMessage;
use tokio_postgres::error::SqlState;

use super::connect::Database;
use super::fault::Fault;
use crate::store::{Change, Feed};

/// How often those who watch are told to look themselves: so long a lost hint goes unnoticed.
const BEAT: Duration = Duration::from_secs(8);
/// The same where the database passes no hints on.
const ALONE: Duration = Duration::from_millis(500);
/// How long to wait before a lost connection is made anew.
const PAUSE: Duration = Duration::from_millis(500);
/// A notification is shorter than 8000 bytes.
const PAYLOAD: usize = 7900;

/// The hints of this process and of others.
#[derive(Debug)]
pub(super) struct Hints {
    pub(super) feed: Feed,
    channel: String,
    /// Tells this process from others.
    own: String,
    delay: Duration,
    /// What others are to be told.
    outbox: Mutex<HashMap<PublicKey, Hint>>,
    news: Notify,
    /// Whether it was tried to listen.
    tried: watch::Sender<bool>,
}

/// What happened to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    Last(Seq),
    Deleted,
}

impl Hints {
    pub(super) fn new(channel: String, delay: Duration) -> Self {
        Self {
            feed: Feed::default(),
            channel,
            own: format!("{:016x}", rand::random::<u64>()),
            delay,
            outbox: Mutex::default(),
            news: Notify::new(),
            tried: watch::Sender::new(false),
        }
    }

    /// Tells those who watch here at once, and other processes soon.
    pub(super) fn tell(&self, user: PublicKey, hint: Hint) {
        self.feed.report(hint.about(user));
        let mut outbox = self.outbox();
        let last = outbox.entry(user).or_insert(hint);
        *last = match (*last, hint) {
            (Hint::Last(one), Hint::Last(other)) => Hint::Last(one.max(other)),
            (_, hint) => hint,
        };
        drop(outbox);
        self.news.notify_one();
    }

    pub(super) async fn until_listening(&self) {
        // The sender is `self`'s own, so that the wait cannot fail.
        let _ = self.tried.subscribe().wait_for(|tried| *tried).await;
    }

    fn outbox(&self) -> MutexGuard<'_, HashMap<PublicKey, Hint>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, payload: &str) {
        let (from, hints) = payload.split_once(' ').unwrap_or_default();
        // What happens here was told here when it happened.
        if from != self.own {
            let hints = hints.split(' ').filter_map(Hint::parse);
            hints.for_each(|(user, hint)| self.feed.report(hint.about(user)));
        }
    }

    /// Tells other processes what happens here, until the connection fails.
    async fn pass_on(&self, client: &tokio_postgres::Client) -> Fault {
        loop {
            self.news.notified().await;
            sleep(self.delay).await;
            let hints = std::mem::take(&mut *self.outbox());
            for payload in payloads(&self.own, hints) {
                if let Err(error) = client.execute("SELECT pg_notify($1, $2)", &[&self.channel, &payload]).await {
                    return error.into();
                }
            }
        }
    }
}

impl Hint {
    const fn about(self, user: PublicKey) -> Change {
        match self {
            Self::Last(last) => Change::Appended { user, last },
            Self::Deleted => Change::Deleted { user },
        }
    }

    fn write(self, user: &PublicKey) -> String {
        match self {
            Self::Last(last) => format!("{user}:{last}"),
            Self::Deleted => format!("{user}:"),
        }
    }

    fn parse(text: &str) -> Option<(PublicKey, Self)> {
        let (user, last) = text.split_once(':')?;
        let hint = if last.is_empty() { Self::Deleted } else { Self::Last(Seq::new(last.parse().ok()?)?) };
        Some((user.parse().ok()?, hint))
    }
}

/// Writes hints into as many notifications as it takes: who tells, and then each hint.
fn payloads(own: &str, hints: HashMap<PublicKey, Hint>) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    for (user, hint) in hints {
        let text = hint.write(&user);
        match payloads.last_mut() {
            Some(payload) if payload.len() + 1 + text.len() <= PAYLOAD => {
                payload.push(' ');
                payload.push_str(&text);
            }
            _ => payloads.push(format!("{own} {text}")),
        }
    }
    payloads
}

/// Exchanges hints with other processes for ever, and tells those who watch now and then to look themselves.
pub(super) async fn exchange(database: &Database, hints: &Hints, failing: &AtomicBool) {
    let listening = async {
        let mut first = true;
        loop {
            let fault = listen(database, hints, failing, first).await;
            hints.tried.send_replace(true);
            first = false;
            if is_unknown(&fault) {
                tracing::info!("the database passes no hints on: this host looks for them itself");
                loop {
                    sleep(ALONE).await;
                    hints.outbox().clear();
                    hints.feed.report(Change::Missed);
                }
            }
            failing.store(fault.is_outage(), Ordering::Release);
            tracing::warn!(error = &fault as &dyn Error, "the connection that hints come on is lost");
            sleep(PAUSE).await;
        }
    };
    let beat = async {
        let mut next = Instant::now();
        loop {
            next = (next + BEAT).max(Instant::now());
            sleep_until(next).await;
            hints.feed.report(Change::Missed);
        }
    };
    tokio::join!(listening, beat);
}

/// Tells whether a database knows nothing of notifications.
fn is_unknown(fault: &Fault) -> bool {
    let unknown = [&SqlState::FEATURE_NOT_SUPPORTED, &SqlState::SYNTAX_ERROR, &SqlState::UNDEFINED_FUNCTION];
    matches!(fault, Fault::Database(error) if error.code().is_some_and(|code| unknown.contains(&code)))
}

/// Listens and tells on a connection of its own until that fails.
async fn listen(database: &Database, hints: &Hints, failing: &AtomicBool, first: bool) -> Fault {
    let (client, mut connection) = match database.connect_alone().await {
        Ok(connected) => connected,
        Err(fault) => return fault,
    };
    let talking = async {
        if let Err(error) = client.batch_execute(&format!("LISTEN {}", hints.channel)).await {
            return error.into();
        }
        failing.store(false, Ordering::Release);
        hints.tried.send_replace(true);
        if !first {
            // What was told in between went by.
            hints.feed.report(Change::Missed);
        }
        hints.pass_on(&client).await
    };
    let hearing = async {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(notification))) => hints.hear(notification.payload()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return error.into(),
                // The client reports it.
                None => pending().await,
            }
        }
    };
    tokio::select! { fault = talking => fault, fault = hearing => fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_read_as_they_are_written_in_notifications_that_are_short_enough() {
        let seq = |number| Seq::new(number).unwrap();
        let hint = |number: u32| if number == 7 { Hint::Deleted } else { Hint::Last(seq(u64::from(number) << 30)) };
        let user = |number: u32| PublicKey::from_bytes([number.to_be_bytes(); 8].concat().try_into().unwrap());
        let hints: HashMap<_, _> = (0..1000).map(|number| (user(number), hint(number))).collect();
        let payloads = payloads("me", hints.clone());
        assert!(payloads.len() > 5 && payloads.iter().all(|payload| payload.len() <= PAYLOAD));
        let texts = payloads.iter().flat_map(|payload| payload.split(' ').skip(1));
        assert_eq!(texts.map(|text| Hint::parse(text).unwrap()).collect::<HashMap<_, _>>(), hints);
        assert!(payloads.iter().all(|payload| payload.starts_with("me ")));
        for text in ["", ":", "abc:1", "me"] {
            assert_eq!(Hint::parse(text), None);
        }
    }
}
