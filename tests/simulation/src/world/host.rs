//! A host in memory that speaks the bytes of the standard, with the quirks that real ones have.

use std::collections::{BTreeMap, BTreeSet};

use diplomatic::standard::calls::{
    AuthTimestamp, AuthToken, CLOCK_TOLERANCE, Call, INLINE_LIMIT, Notification, NotificationItem, PeekItem,
    PeekRequest, PullItem, PullRequest, PushItem, PushOutcome, PushRequest, ResponseHead,
};
use diplomatic::standard::{Bag, Decode, Encode, PublicKey, Reader, SealedBody, Seq, Status, Timestamp};

use super::Chance;

/// A host, as a [`World`](super::World) uses it: calls are bytes in and bytes out, without HTTP.
pub trait WorldHost {
    /// Whether it may lie until it heals. What a device was told then, it finds out to be wrong only by looking again.
    const LIES: bool = false;

    /// What it takes to set the host back to a moment.
    type Backup;

    /// Answers a POST to `path`.
    fn call(&mut self, now: Timestamp, path: &str, body: &[u8]) -> Answer;

    /// Answers a POST of one of the devices. Only a host that treats them differently looks at the number.
    fn call_of(&mut self, device: usize, now: Timestamp, path: &str, body: &[u8]) -> Answer {
        let _ = device;
        self.call(now, path, body)
    }

    /// Answers a WebSocket upgrade with the query `t` = `token`.
    fn upgrade(&mut self, now: Timestamp, token: &str) -> Upgrade;

    /// Takes a backup.
    fn back_up(&mut self) -> Self::Backup;

    /// Sets the host back.
    fn restore(&mut self, backup: &Self::Backup);

    /// Makes the host behave as well as it can from now on.
    fn heal(&mut self);
}

/// What a call leads to.
#[derive(Debug)]
pub struct Answer {
    /// The response's body.
    pub body: Vec<u8>,
    /// The frame for every open socket of a user, if the call stored something.
    pub frame: Option<(PublicKey, Vec<u8>)>,
}

/// How an upgrade is answered.
#[derive(Debug)]
pub enum Upgrade {
    /// The socket is open, for this user.
    Open(PublicKey),
    /// An ordinary success.
    NotSupported,
    /// An HTTP status.
    Refused(u16),
}

/// How a [`ModelHost`] differs from the best one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quirks {
    /// A bag that is there already gets a new seq all the same.
    pub repeats_bags: bool,
    /// There is no live channel.
    pub no_live: bool,
    /// Nobody needs to register.
    pub no_registration: bool,
    /// So many pushes in a thousand fail after a part was stored.
    pub partial_pushes: u64,
    /// So many bodies in a thousand are left out of a PULL.
    pub late_bodies: u64,
    /// So many bags in a thousand are refused for the time being.
    pub refused_bags: u64,
}

impl Quirks {
    /// Draws the quirks of one host.
    pub fn draw(chance: &mut Chance) -> Self {
        let mut rarely = |rate| if chance.in_thousand(250) { rate } else { 0 };
        let (partial_pushes, late_bodies, refused_bags) = (rarely(300), rarely(200), rarely(100));
        Self {
            repeats_bags: chance.in_thousand(500),
            // The host that stores a part of a push, and announces nothing of it, has no live channel anyway.
            no_live: partial_pushes > 0 || chance.in_thousand(150),
            no_registration: chance.in_thousand(250),
            partial_pushes,
            late_bodies,
            refused_bags,
        }
    }
}

/// A host in memory. It trusts signatures, since checking them would be most of a world's time.
#[derive(Debug, Clone)]
pub struct ModelHost {
    quirks: Quirks,
    chance: Chance,
    users: Users,
    /// The numbers of bags that are gone.
    lost: BTreeSet<u64>,
}

/// The registered users, and the bags of each.
pub(super) type Users = (BTreeSet<PublicKey>, BTreeMap<PublicKey, Vec<Bag>>);

impl ModelHost {
    /// Makes an empty host.
    pub const fn new(quirks: Quirks, seed: u64) -> Self {
        Self { quirks, chance: Chance::new(seed), users: (BTreeSet::new(), BTreeMap::new()), lost: BTreeSet::new() }
    }

    /// Loses a bag, so that its number stays vacant.
    pub fn lose(&mut self, seq: u64) {
        self.lost.insert(seq);
    }

    /// Stores one of the bags once more.
    pub(super) fn repeat_bag(&mut self, place: u64) {
        for bags in self.users.1.values_mut().filter(|bags| !bags.is_empty()) {
            let bag = bags[place as usize % bags.len()].clone();
            bags.push(bag);
        }
    }

    fn answer(&mut self, now: Timestamp, path: &str, body: &[u8], items: &mut Vec<u8>) -> Result<Stored, Status> {
        let call = Call::from_path(path).ok_or(Status::NOT_FOUND)?;
        let mut reader = Reader::new(body);
        let auth = AuthTimestamp::read(&mut reader).map_err(|error| error.status())?;
        if now.since(auth.time).max(auth.time.since(now)) > CLOCK_TOLERANCE {
            return Err(Status::CLOCK_OUT_OF_SYNC);
        }
        if call != Call::User && !self.quirks.no_registration && !self.users.0.contains(&auth.key) {
            return Err(Status::USER_NOT_REGISTERED);
        }
        let rest = reader.rest();
        let bags = self.users.1.entry(auth.key).or_default();
        match call {
            Call::User => {
                self.users.0.insert(auth.key);
            }
            Call::Peek => {
                let PeekRequest { after } = PeekRequest::decode(rest).map_err(|error| error.status())?;
                let lost = &self.lost;
                let there = (1..).zip(bags.iter()).filter(|(seq, _)| !lost.contains(seq));
                for (seq, bag) in there.skip_while(|(seq, _)| *seq <= after.number()) {
                    PeekItem { head: bag.head.clone(), seq: seq_of(seq) }.encode(items);
                }
            }
            Call::Pull => {
                for seq in PullRequest::decode(rest).map_err(|error| error.status())?.seqs {
                    let bag = (seq.number() as usize).checked_sub(1).and_then(|place| bags.get(place));
                    if let Some(bag) = bag
                        && !self.lost.contains(&seq.number())
                        && !self.chance.in_thousand(self.quirks.late_bodies)
                    {
                        PullItem { seq, body: bag.body.clone() }.encode(items);
                    }
                }
            }
            Call::Push => {
                let pushed = PushRequest::decode(rest).map_err(|error| error.status())?.bags;
                let fails = self.chance.in_thousand(self.quirks.partial_pushes);
                let stop = if fails { self.chance.below(pushed.len() as u64 + 1) as usize } else { pushed.len() };
                let single = pushed.len() == 1;
                let mut stored = Vec::new();
                for (index, bag) in pushed.into_iter().take(stop).enumerate() {
                    let outcome = if self.chance.in_thousand(self.quirks.refused_bags) {
                        PushOutcome::Refused(Status::STORAGE_ERROR)
                    } else {
                        let known = (1..).zip(bags.iter()).position(|(seq, known)| {
                            known.head.signature == bag.head.signature && !self.lost.contains(&seq)
                        });
                        match known.filter(|_| !self.quirks.repeats_bags) {
                            Some(place) => PushOutcome::Stored(seq_of(place as u64 + 1)),
                            None => {
                                bags.push(bag.clone());
                                let seq = seq_of(bags.len() as u64);
                                let inline = single && bag.body.as_bytes().len() <= INLINE_LIMIT;
                                let inlined = if inline { bag.body } else { SealedBody::default() };
                                stored.push(NotificationItem { seq, head: bag.head, inlined });
                                PushOutcome::Stored(seq)
                            }
                        }
                    };
                    PushItem { index: index as u32, outcome }.encode(items);
                }
                if fails {
                    return Err(Status::STORAGE_ERROR);
                }
                return Ok((!stored.is_empty()).then(|| (auth.key, Notification { items: stored }.to_bytes())));
            }
        }
        Ok(None)
    }
}

type Stored = Option<(PublicKey, Vec<u8>)>;

fn seq_of(number: u64) -> Seq {
    Seq::new(number).expect("a world has few bags")
}

impl WorldHost for ModelHost {
    type Backup = Users;

    fn call(&mut self, now: Timestamp, path: &str, body: &[u8]) -> Answer {
        let mut items = Vec::new();
        let (status, frame) = match self.answer(now, path, body, &mut items) {
            Ok(frame) => (Status::SUCCESS, frame),
            Err(status) => {
                items.clear();
                (status, None)
            }
        };
        let mut body = ResponseHead::unlimited(status, now, now).to_bytes();
        body.append(&mut items);
        Answer { body, frame }
    }

    fn upgrade(&mut self, now: Timestamp, token: &str) -> Upgrade {
        if self.quirks.no_live {
            return Upgrade::NotSupported;
        }
        let Some(token) = AuthToken::parse(token) else { return Upgrade::Refused(401) };
        let distance = now.since(token.auth().time).max(token.auth().time.since(now));
        if distance > CLOCK_TOLERANCE || !self.users.0.contains(&token.auth().key) && !self.quirks.no_registration {
            return Upgrade::Refused(401);
        }
        Upgrade::Open(token.auth().key)
    }

    fn back_up(&mut self) -> Users {
        self.users.clone()
    }

    fn restore(&mut self, backup: &Users) {
        self.users = backup.clone();
    }

    fn heal(&mut self) {
        self.quirks = Quirks { partial_pushes: 0, late_bodies: 0, refused_bags: 0, ..self.quirks };
    }
}
