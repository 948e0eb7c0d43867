//! A user as a host knows one: keys, sealed bags, requests.

// Every test file takes what it needs of this.
#![allow(dead_code)]

use std::sync::Mutex;

use diplomatic::standard::calls::AuthToken;
use diplomatic::standard::{
    Bag, Body, Encode, EntityId, HostKeys, Label, Message, PublicKey, Seed, Timestamp, VerifiedBag,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// The time in every test that does not bring its own.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_764_000_123_456);

pub(crate) struct Account {
    keys: HostKeys,
    rng: Mutex<StdRng>,
}

impl Account {
    pub(crate) fn new(number: u8) -> Self {
        let keys = HostKeys::derive(&Seed::from_bytes([number; 32]), &Label::default());
        Self { keys, rng: Mutex::new(StdRng::seed_from_u64(number.into())) }
    }

    /// The same account on another device, which draws other random numbers.
    pub(crate) fn device(number: u8, device: u64) -> Self {
        Self { rng: Mutex::new(StdRng::seed_from_u64(u64::from(number) << 32 | device)), ..Self::new(number) }
    }

    pub(crate) fn key(&self) -> PublicKey {
        *self.keys.public_key()
    }

    /// Seals a new message whose body has this many bytes; with none it is a delete.
    pub(crate) fn bag(&self, body: usize) -> Bag {
        let mut rng = self.rng.lock().unwrap();
        let entity = EntityId::fresh(&mut *rng, NOW);
        let message = Message::new(entity, NOW, 0, Body::new(vec![7; body])).unwrap();
        self.keys.seal(&message)
    }

    pub(crate) fn bags(&self, count: usize, body: usize) -> Vec<Bag> {
        (0..count).map(|_| self.bag(body)).collect()
    }

    pub(crate) fn verified(&self, count: usize, body: usize) -> Vec<VerifiedBag> {
        self.bags(count, body).into_iter().map(|bag| bag.verify(&self.key()).unwrap()).collect()
    }

    /// A request at `now`: the auth timestamp, then `rest`.
    pub(crate) fn request(&self, now: Timestamp, rest: &impl Encode) -> Vec<u8> {
        let mut request = self.keys.authenticate(now).to_bytes();
        rest.encode(&mut request);
        request
    }

    pub(crate) fn token(&self, now: Timestamp) -> String {
        AuthToken::new(self.keys.authenticate(now)).to_string()
    }
}
