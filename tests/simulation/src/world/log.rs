//! A device's log in memory: the simplest thing that keeps the promises of [`SyncLog`].

use std::collections::{BTreeMap, BTreeSet, HashSet};

use diplomatic::Position;
use diplomatic::standard::{Bag, Body, Encode, EntityId, Head, HeadHash, Message, Seq, Timestamp};
use diplomatic::sync::{Audited, Cursor, Outgoing, PushLimits, Received, Skipped, SyncLog};

use super::{Chance, DAWN};

/// A device's log, as a [`World`](super::World) uses it.
pub trait DeviceLog {
    /// The log as one host's session sees it.
    type Link<'a>: SyncLog
    where
        Self: 'a;

    /// Links a host: everything that is here is queued for it.
    fn link(&mut self, host: usize);

    /// Returns the log as the session of a linked host sees it.
    fn session(&mut self, host: usize) -> Self::Link<'_>;

    /// Makes up a change, stores it and queues it for every linked host; returns what is new.
    fn emit(&mut self, now: Timestamp, chance: &mut Chance) -> Vec<Position>;

    /// Stops the device without warning and starts it again: only what is durable stays.
    fn restart(&mut self);

    /// Makes so many calls in a thousand fail from now on, if the log can do that.
    fn fail(&mut self, in_thousand: u64);

    /// Returns everything that is stored.
    fn messages(&mut self) -> BTreeMap<Position, Message>;

    /// Returns how many messages the device knows that others have emitted, and how many of them it misses; `None` if the
    /// log does not tell.
    fn witnessed(&mut self) -> Option<(u64, u64)> {
        None
    }

    /// Has all attachments fetched to which live events refer, and returns how many are not whole here.
    fn open_attachments(&mut self) -> Result<usize, String> {
        Ok(0)
    }

    /// Drops what it need not keep of attachments.
    fn make_room(&mut self) {}

    /// Returns what every device must agree on when all have the same messages, after checking it against them.
    fn state(&mut self, all: &BTreeMap<Position, Message>) -> Result<Vec<u8>, String> {
        let _ = all;
        Ok(Vec::new())
    }

    /// Whether messages that do not count any more can be dropped.
    const FORGETS: bool = false;

    /// Does something that people do now and then, if the log can; `backup` is a file that somebody keeps.
    fn use_tools(&mut self, now: Timestamp, chance: &mut Chance, backup: &mut Option<Vec<u8>>) -> Option<Used> {
        let _ = (now, chance, backup);
        None
    }

    /// Puts the newest build of the app in place; returns whether the device has to be restarted for it.
    fn update(&mut self) -> bool {
        false
    }
}

/// What somebody did with a device.
#[derive(Debug)]
pub struct Used {
    /// What it was.
    pub what: String,
    /// What the device emitted by it.
    pub emitted: Vec<Position>,
}

/// A log in memory. Every call is durable when it returns, as a transaction is.
#[derive(Debug)]
pub struct ModelLog {
    messages: BTreeMap<Position, Message>,
    links: BTreeMap<usize, Link>,
    chance: Chance,
    failing: u64,
}

#[derive(Debug, Default)]
struct Link {
    cursor: Cursor,
    queue: BTreeSet<Position>,
    skipped: BTreeMap<Seq, Skipped>,
}

impl ModelLog {
    /// Makes an empty log; `seed` decides which calls fail.
    pub const fn new(seed: u64) -> Self {
        Self { messages: BTreeMap::new(), links: BTreeMap::new(), chance: Chance::new(seed), failing: 0 }
    }
}

impl ModelLog {
    /// Stores a message of this device and queues it for every linked host.
    pub fn put(&mut self, message: Message) -> Position {
        let position = Position::of(message.head());
        self.messages.insert(position, message);
        for link in self.links.values_mut() {
            link.queue.insert(position);
        }
        position
    }
}

impl DeviceLog for ModelLog {
    type Link<'a> = ModelLink<'a>;

    fn link(&mut self, host: usize) {
        let queue = self.messages.keys().copied().collect();
        self.links.insert(host, Link { queue, ..Link::default() });
    }

    fn session(&mut self, host: usize) -> ModelLink<'_> {
        ModelLink { log: self, host }
    }

    fn emit(&mut self, _: Timestamp, chance: &mut Chance) -> Vec<Position> {
        let changed = Timestamp::from_millis(DAWN.as_millis() + chance.below(1000));
        let len = [0, 0, 3, 20, 20, 20, 473, 600][chance.below(8) as usize];
        let body = Body::new(vec![chance.any() as u8; len]);
        let entity = EntityId::new(&chance.any().to_be_bytes(), DAWN);
        let message = Message::new(entity, changed, chance.below(3), body).expect("a small message");
        vec![self.put(message)]
    }

    fn restart(&mut self) {}

    fn fail(&mut self, in_thousand: u64) {
        self.failing = in_thousand;
    }

    fn messages(&mut self) -> BTreeMap<Position, Message> {
        self.messages.clone()
    }
}

/// A [`ModelLog`] as one host's session sees it.
#[derive(Debug)]
pub struct ModelLink<'a> {
    log: &'a mut ModelLog,
    host: usize,
}

/// The disk is full, so the test says.
#[derive(Debug, thiserror::Error)]
#[error("the test lets this call fail")]
pub struct Injected;

impl ModelLink<'_> {
    fn link(&self) -> &Link {
        &self.log.links[&self.host]
    }

    fn write(&mut self) -> Result<&mut Link, Injected> {
        if self.log.failing > 0 && self.log.chance.in_thousand(self.log.failing) {
            return Err(Injected);
        }
        self.log.links.get_mut(&self.host).ok_or(Injected)
    }
}

impl SyncLog for ModelLink<'_> {
    type Error = Injected;

    fn cursor(&self) -> Result<Cursor, Injected> {
        Ok(self.link().cursor)
    }

    fn count(&self) -> Result<u64, Injected> {
        Ok(self.log.messages.len() as u64)
    }

    fn contains(&self, heads: &[&Head]) -> Result<Vec<bool>, Injected> {
        Ok(heads.iter().map(|head| self.log.messages.contains_key(&Position::of(head))).collect())
    }

    fn receive(&mut self, received: Received) -> Result<(), Injected> {
        let link = self.write()?;
        if let Some(cursor) = received.cursor {
            assert!(cursor.seq >= link.cursor.seq, "the cursor never moves back");
            assert!(cursor.caught_up || !link.cursor.caught_up, "catching up is not undone");
            link.cursor = cursor;
        }
        received.known.iter().for_each(|(_, position)| _ = link.queue.remove(position));
        link.skipped.extend(received.skipped.into_iter().map(|skipped| (skipped.seq, skipped)));
        received.settled.iter().for_each(|seq| drop(link.skipped.remove(seq)));
        for (_, position) in received.known {
            assert!(
                self.log.messages.contains_key(&position)
                    || received.messages.iter().any(|arrival| Position::of(arrival.message.head()) == position),
                "what is said to be known is here"
            );
        }
        for arrival in received.messages {
            let position = Position::of(arrival.message.head());
            let is_new = self.log.messages.insert(position, arrival.message).is_none();
            for (host, link) in &mut self.log.links {
                if *host == self.host {
                    link.queue.remove(&position);
                } else if is_new {
                    link.queue.insert(position);
                }
            }
        }
        Ok(())
    }

    fn outgoing(
        &self,
        after: Option<Position>,
        limits: PushLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Outgoing>, Injected> {
        let mut outgoing: Vec<Outgoing> = Vec::new();
        let mut bytes = 0;
        for position in self.link().queue.iter().filter(|position| after.is_none_or(|after| after < **position)) {
            let bag = seal(&self.log.messages[position]);
            bytes += bag.to_bytes().len();
            if !outgoing.is_empty() && (bytes > limits.bytes || outgoing.len() >= limits.bags) {
                break;
            }
            outgoing.push(Outgoing { position: *position, bag, is_attachment: false });
        }
        Ok(outgoing)
    }

    fn acknowledge(&mut self, stored: &[Position], cursor: Option<Cursor>) -> Result<(), Injected> {
        let link = self.write()?;
        stored.iter().for_each(|position| _ = link.queue.remove(position));
        if let Some(cursor) = cursor {
            assert!(cursor.seq >= link.cursor.seq, "the cursor never moves back");
            link.cursor = cursor;
        }
        Ok(())
    }

    fn unlisted(&self, listed: &HashSet<HeadHash>) -> Result<u64, Injected> {
        let queue = &self.link().queue;
        let is_unlisted = |position: &&Position| !listed.contains(&position.hash) && !queue.contains(position);
        Ok(self.log.messages.keys().filter(is_unlisted).count() as u64)
    }

    fn reconcile(&mut self, audit: Audited) -> Result<u64, Injected> {
        let all: Vec<Position> = self.log.messages.keys().copied().collect();
        let link = self.write()?;
        let before = link.queue.len();
        link.queue.extend(all.into_iter().filter(|position| !audit.listed.contains(&position.hash)));
        link.skipped = audit.skipped.into_iter().map(|skipped| (skipped.seq, skipped)).collect();
        link.cursor = audit.cursor;
        Ok((link.queue.len() - before) as u64)
    }

    fn pending(&self) -> Result<u64, Injected> {
        Ok(self.link().queue.len() as u64)
    }

    fn skipped(&self) -> Result<Vec<Skipped>, Injected> {
        Ok(self.link().skipped.values().cloned().collect())
    }
}
