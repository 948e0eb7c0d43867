//! A host that lies about what it has: it withholds, renumbers, damages, forks, repeats, reorders, swaps, and acknowledges
//! what it does not store. Healing makes it honest.

use std::collections::{BTreeMap, BTreeSet};

use diplomatic::standard::calls::{
    AuthTimestamp, Call, PeekItem, PeekRequest, PullItem, PullRequest, PushItem, PushOutcome, PushRequest, RawPeekItem,
    ResponseHead,
};
use diplomatic::standard::{Decode, Encode, Reader, SealedBody, Seq, Status, Timestamp};

use super::host::Users;
use super::{Answer, Chance, ModelHost, Quirks, Upgrade, WorldHost};

/// How a [`LyingHost`] lies. Rates are in a thousand.
#[derive(Debug, Clone, Default)]
pub struct Lies {
    /// Bags that nobody is shown, by their numbers.
    pub withheld: BTreeSet<u64>,
    /// The only device that `withheld` is for, if there is one.
    pub victim: Option<usize>,
    /// Bags with a flipped bit, by their numbers: which byte of the head, and which bit of it.
    pub damaged: BTreeMap<u64, (usize, u8)>,
    /// How bodies are delivered, by the numbers of their bags.
    pub bodies: BTreeMap<u64, BodyLie>,
    /// The rate of bags that a device is not shown.
    pub withholds: u64,
    /// Whether different devices are shown different bags.
    pub is_partial: bool,
    /// Whether the bags that are shown are numbered without holes.
    pub renumbers: bool,
    /// Whether devices with even and odd numbers see different histories from now on.
    pub forks: bool,
    /// The rate of pushes that are acknowledged and not stored.
    pub false_pushes: u64,
    /// The rate of pushes after which an old bag is stored once more.
    pub replays: u64,
    /// The rate of lists in which two bags are out of order, or have each other's numbers.
    pub disorder: u64,
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLie {
    /// A bit of it is flipped.
    Flipped,
    /// It is left out.
    LeftOut,
    /// Its length is so wrong that the answer makes no sense from there on.
    Endless,
}

impl Lies {
    /// Draws how a host lies.
    pub fn draw(chance: &mut Chance) -> Self {
        let mut often = |rate| if chance.in_thousand(350) { rate } else { 0 };
        let (withholds, false_pushes, replays, disorder) = (often(300), often(400), often(300), often(200));
        Self {
            withholds,
            false_pushes,
            replays,
            disorder,
            is_partial: chance.in_thousand(500),
            renumbers: chance.in_thousand(300),
            forks: chance.in_thousand(200),
            ..Self::default()
        }
    }
}

/// A [`ModelHost`] behind lies.
#[derive(Debug)]
pub struct LyingHost {
    host: ModelHost,
    /// The other history, while there is one.
    fork: Option<ModelHost>,
    /// How it lies now.
    pub lies: Lies,
    chance: Chance,
}

impl LyingHost {
    /// Makes an empty host that lies as its seed says.
    pub fn new(quirks: Quirks, seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x11e5);
        Self { host: ModelHost::new(quirks, seed), fork: None, lies: Lies::draw(&mut chance), chance }
    }

    /// Makes an empty host that does not lie yet.
    pub fn honest(quirks: Quirks) -> Self {
        let mut host = Self::new(quirks, 0);
        host.lies = Lies::default();
        host
    }

    /// Loses a bag, so that its number stays vacant.
    pub fn lose(&mut self, seq: u64) {
        self.host.lose(seq);
    }

    fn history(&mut self, device: usize) -> &mut ModelHost {
        if self.lies.forks && device % 2 == 1 {
            let host = &self.host;
            self.fork.get_or_insert_with(|| host.clone())
        } else {
            &mut self.host
        }
    }

    fn is_withheld(&self, device: usize, seq: u64) -> bool {
        let whose = if self.lies.is_partial { device as u64 + 1 } else { 0 };
        let lot = Chance::new(seq << 8 | whose).below(1000);
        let is_meant = self.lies.victim.is_none_or(|victim| victim == device);
        is_meant && self.lies.withheld.contains(&seq) || lot < self.lies.withholds
    }

    /// Returns the bags that a device is shown: the number that is shown, and the real one.
    fn shown(&mut self, device: usize, now: Timestamp, auth: &[u8]) -> Vec<(Seq, PeekItem)> {
        let request = [auth, &Seq::ZERO.to_bytes()].concat();
        let answer = self.history(device).call(now, Call::Peek.path(), &request).body;
        let mut reader = Reader::new(&answer);
        let mut items = Vec::new();
        if ResponseHead::read(&mut reader).is_ok_and(|head| head.status.is_success()) {
            while let Ok(item) = PeekItem::read(&mut reader) {
                items.push(item);
            }
        }
        items.retain(|item| !self.is_withheld(device, item.seq.number()));
        let renumbers = self.lies.renumbers;
        let seq =
            |(place, item): (u64, &PeekItem)| if renumbers { Seq::new(place).expect("few bags") } else { item.seq };
        (1..).zip(items).map(|(place, item)| (seq((place, &item)), item)).collect()
    }

    fn peek(&mut self, shown: Vec<(Seq, PeekItem)>, after: Seq, items: &mut Vec<u8>) {
        let shown: Vec<_> = shown.into_iter().filter(|(seq, _)| *seq > after).collect();
        let mut listed: Vec<RawPeekItem> = Vec::new();
        for (seq, item) in &shown {
            let mut head = item.head.to_bytes();
            if let Some((byte, bit)) = self.lies.damaged.get(&item.seq.number()) {
                let byte = byte % head.len();
                head[byte] ^= 1 << bit;
            }
            listed.push(RawPeekItem { seq: *seq, head });
        }
        if listed.len() > 1 && self.chance.in_thousand(self.lies.disorder) {
            let place = self.chance.below(listed.len() as u64 - 1) as usize;
            listed.swap(place, place + 1);
            if self.chance.in_thousand(500) {
                let (first, second) = (listed[place].seq, listed[place + 1].seq);
                (listed[place].seq, listed[place + 1].seq) = (second, first);
            }
        }
        for RawPeekItem { seq, head } in listed {
            diplomatic::standard::write_varint(items, head.len() as u64).expect("a short head");
            items.extend_from_slice(&head);
            seq.encode(items);
        }
    }

    fn pull(&mut self, device: usize, now: Timestamp, auth: &[u8], wanted: &[Seq], items: &mut Vec<u8>) {
        let shown = self.shown(device, now, auth);
        for seq in wanted {
            let Some((_, item)) = shown.iter().find(|(number, _)| number == seq) else { continue };
            let request = [auth, &item.seq.to_bytes()].concat();
            let answer = self.history(device).call(now, Call::Pull.path(), &request).body;
            let mut reader = Reader::new(&answer);
            if ResponseHead::read(&mut reader).is_ok()
                && let Ok(PullItem { body, .. }) = PullItem::read(&mut reader)
            {
                match self.lies.bodies.get(&item.seq.number()) {
                    None => PullItem { seq: *seq, body }.encode(items),
                    Some(BodyLie::LeftOut) => {}
                    Some(BodyLie::Flipped) => {
                        let mut bytes = body.as_bytes().to_vec();
                        bytes.last_mut().into_iter().for_each(|byte| *byte ^= 1);
                        PullItem { seq: *seq, body: SealedBody::from_bytes(bytes) }.encode(items);
                    }
                    Some(BodyLie::Endless) => {
                        seq.encode(items);
                        diplomatic::standard::write_varint(items, 1 << 50).expect("a small number");
                    }
                }
            }
        }
    }

    /// Acknowledges bags without storing them.
    fn acknowledge_falsely(&mut self, count: usize, last: u64, items: &mut Vec<u8>) {
        let kind = self.chance.below(4);
        for index in 0..count {
            let number = match kind {
                0 => 0,
                1 => last + 1,
                2 => index as u64 + 1,
                _ => last + 1 + index as u64,
            };
            let outcome = PushOutcome::Stored(Seq::new(number).expect("few bags"));
            PushItem { index: index as u32, outcome }.encode(items);
        }
    }
}

impl WorldHost for LyingHost {
    const LIES: bool = true;

    type Backup = Users;

    fn call(&mut self, now: Timestamp, path: &str, body: &[u8]) -> Answer {
        self.call_of(0, now, path, body)
    }

    fn call_of(&mut self, device: usize, now: Timestamp, path: &str, body: &[u8]) -> Answer {
        let mut reader = Reader::new(body);
        let honest = self.history(device).clone().call(now, path, body);
        let is_refused = ResponseHead::read(&mut Reader::new(&honest.body)).is_ok_and(|head| !head.status.is_success());
        if is_refused || AuthTimestamp::read(&mut reader).is_err() {
            return self.history(device).call(now, path, body);
        }
        let rest = reader.rest();
        let auth = &body[..body.len() - rest.len()];
        let mut items = Vec::new();
        match path {
            path if path == Call::Peek.path() => {
                let Ok(PeekRequest { after }) = PeekRequest::decode(rest) else { return honest };
                let shown = self.shown(device, now, auth);
                self.peek(shown, after, &mut items);
            }
            path if path == Call::Pull.path() => {
                let Ok(PullRequest { seqs }) = PullRequest::decode(rest) else { return honest };
                self.pull(device, now, auth, &seqs, &mut items);
            }
            path if path == Call::Push.path() && self.chance.in_thousand(self.lies.false_pushes) => {
                let Ok(PushRequest { bags }) = PushRequest::decode(rest) else { return honest };
                let last = self.shown(device, now, auth).last().map_or(0, |(seq, _)| seq.number());
                self.acknowledge_falsely(bags.len(), last, &mut items);
            }
            _ => {
                let answer = self.history(device).call(now, path, body);
                if path == Call::Push.path() && self.chance.in_thousand(self.lies.replays) {
                    let place = self.chance.any();
                    self.history(device).repeat_bag(place);
                }
                return answer;
            }
        }
        let mut body = ResponseHead::unlimited(Status::SUCCESS, now, now).to_bytes();
        body.append(&mut items);
        Answer { body, frame: None }
    }

    fn upgrade(&mut self, now: Timestamp, token: &str) -> Upgrade {
        self.host.upgrade(now, token)
    }

    fn back_up(&mut self) -> Users {
        self.host.back_up()
    }

    fn restore(&mut self, backup: &Users) {
        self.host.restore(backup);
    }

    fn heal(&mut self) {
        self.lies = Lies::default();
        if let Some(fork) = self.fork.take()
            && self.chance.in_thousand(500)
        {
            self.host = fork;
        }
        self.host.heal();
    }
}
