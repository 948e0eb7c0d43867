//! One person's account, and what the host acknowledged of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diplomatic::standard::{Bag, Body, Encode, EntityId, HostKeys, Label, Message, Seed, Signature, Timestamp};
use tokio::time::Instant;

/// For how long a signed time is used again: a host takes it for 30 s.
const FRESH: Duration = Duration::from_secs(10);

pub(crate) struct Account {
    keys: HostKeys,
    auth: Mutex<Option<(Instant, Vec<u8>)>>,
    /// By seq, when and what.
    acknowledged: Mutex<BTreeMap<u64, (Instant, Signature)>>,
    /// When which seq was heard of, by each of the sockets.
    heard: Mutex<Vec<(u64, Instant)>>,
}

impl Account {
    pub(crate) fn random() -> Self {
        let keys = HostKeys::derive(&Seed::from_bytes(rand::random()), &Label::default());
        Self { keys, auth: Mutex::default(), acknowledged: Mutex::default(), heard: Mutex::default() }
    }

    pub(crate) fn bags(&self, count: usize, body: usize) -> Vec<Bag> {
        let mut rng = rand::rng();
        let mut bag = || {
            let now = now();
            let entity = EntityId::fresh(&mut rng, now);
            // Bodies of this size are never too large.
            let message = Message::new(entity, now, 0, Body::new(vec![7; body])).ok()?;
            Some(self.keys.seal(&message))
        };
        (0..count).filter_map(|_| bag()).collect()
    }

    /// Returns the start of every request.
    pub(crate) fn auth(&self) -> Vec<u8> {
        let mut auth = lock(&self.auth);
        match &*auth {
            Some((signed, bytes)) if signed.elapsed() < FRESH => bytes.clone(),
            _ => {
                let bytes = self.keys.authenticate(now()).to_bytes();
                *auth = Some((Instant::now(), bytes.clone()));
                bytes
            }
        }
    }

    /// Notes what the host acknowledged; false if it gave the seq to another bag before.
    pub(crate) fn acknowledge(&self, seq: u64, signature: Signature) -> bool {
        let before = lock(&self.acknowledged).insert(seq, (Instant::now(), signature));
        before.is_none_or(|(_, before)| before == signature)
    }

    pub(crate) fn acknowledged(&self) -> BTreeMap<u64, (Instant, Signature)> {
        lock(&self.acknowledged).clone()
    }

    /// Sets what was acknowledged aside, for its sockets were not open yet.
    pub(crate) fn forget(&self) {
        lock(&self.acknowledged).clear();
    }

    pub(crate) fn remember(&self, before: BTreeMap<u64, (Instant, Signature)>) {
        lock(&self.acknowledged).extend(before);
    }

    pub(crate) fn hear(&self, seq: u64, at: Instant) {
        lock(&self.heard).push((seq, at));
    }

    /// Returns how long after each push was answered it was heard of, nothing where that came first, and how many are
    /// still to be heard.
    pub(crate) fn delays(&self, sockets: usize) -> (Vec<Duration>, usize) {
        let acknowledged = self.acknowledged();
        let heard = lock(&self.heard);
        let delay = |(seq, at): &(u64, Instant)| Some(at.saturating_duration_since(acknowledged.get(seq)?.0));
        let delays: Vec<_> = heard.iter().filter_map(delay).collect();
        let missing = (acknowledged.len() * sockets).saturating_sub(delays.len());
        (delays, missing)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Timestamp {
    Timestamp::EPOCH.plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
