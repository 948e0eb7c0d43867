//! The real log and the real host in a simulated world.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use diplomatic::attachments::KeepAttachments;
use diplomatic::peers::Peers;
use diplomatic::standard::calls::AuthTimestamp;
use diplomatic::standard::{Decode, EntityId, Label, Message, PublicKey, Reader, Seed, Seq, Timestamp};
use diplomatic::{Attachment, Backing, Device, DeviceConfig, DeviceLink, Position};
use diplomatic_host::{BagStore, Host, MemoryStore, Route, WriteFault};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Answer, Chance, DeviceLog, QUIET, Quirks, Upgrade, WorldHost};
use crate::todo::{Event, Todos, added, sort_and_fold};

/// A device's log in memory, and the state over it.
#[derive(Debug)]
pub struct RealLog {
    /// None only while it is started again.
    device: Option<Device<Todos>>,
    backing: Backing,
    chance: Chance,
    links: BTreeMap<usize, u32>,
    keep: KeepAttachments,
}

impl RealLog {
    /// Makes an empty log.
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let keep = match chance.below(3) {
            0 => KeepAttachments::All,
            1 => KeepAttachments::Opened,
            _ => KeepAttachments::UpTo(0),
        };
        let mut log = Self { device: None, backing: Backing::memory(), chance, links: BTreeMap::new(), keep };
        log.open();
        log
    }

    fn open(&mut self) {
        let rng = StdRng::seed_from_u64(self.chance.any());
        let mut config = DeviceConfig::default();
        // Snapshots are part of what is tested.
        config.snapshot_events = 4;
        config.witness_after = Some(QUIET / 5);
        config.attachments = self.keep;
        let device = Device::open_with(self.backing.clone(), &Seed::from_bytes([7; 32]), rng, config);
        self.device = Some(device.expect("the log opens"));
    }

    fn device(&mut self) -> &mut Device<Todos> {
        self.device.as_mut().expect("the device runs")
    }

    /// Returns what is known of the other devices.
    pub fn peers(&mut self) -> Peers {
        self.device().peers().expect("the log works")
    }

    /// Chooses something that is there.
    fn any_item(&mut self, chance: &mut Chance) -> Option<EntityId> {
        self.device().read(|todos| {
            let ids: Vec<_> = todos.items.keys().chain(todos.notes.keys()).collect();
            ids.get(chance.below(ids.len() as u64) as usize).map(|id| EntityId::clone(id))
        })
    }
}

impl DeviceLog for RealLog {
    type Link<'a> = DeviceLink<'a, Todos>;

    fn link(&mut self, host: usize) {
        let number = self.device().link_host(&Label::with_index("host", host as u64)).expect("the log works");
        self.links.insert(host, number);
    }

    fn session(&mut self, host: usize) -> DeviceLink<'_, Todos> {
        let number = self.links[&host];
        self.device().session_log(number)
    }

    fn emit(&mut self, now: Timestamp, chance: &mut Chance) -> Vec<Position> {
        let before = self.messages();
        let text = format!("{}", chance.below(1000));
        if chance.in_thousand(300) {
            // What is removed too early, while the event is on its way, must come back.
            let removed = self.device().remove_unused_attachments(now, QUIET / 5);
            removed.expect("the log works");
        }
        let event = match (chance.below(10), self.any_item(chance)) {
            (8 | 9, item) => {
                let len = [1, 40, 600, 5_000, 5_000, (256 << 10) + 7][chance.below(6) as usize];
                let content = vec![chance.below(3) as u8; len];
                let text = self.device().attach(&content[..]).expect("the log works").to_string();
                match item {
                    Some(todo) if chance.in_thousand(500) => Event::Renamed { todo, title: text },
                    _ => added(text),
                }
            }
            (0, _) => Event::Status(text),
            (1 | 2, Some(todo)) => Event::Renamed { todo, title: text },
            (3, Some(todo)) => Event::Done { todo, done: true },
            (4, Some(todo)) => Event::Removed { todo },
            (5, Some(note)) => Event::Noted { note, text },
            (6, _) => added("x".repeat(600)),
            _ => added(text),
        };
        self.device().emit(now, &event).expect("the log works");
        self.messages().into_keys().filter(|position| !before.contains_key(position)).collect()
    }

    fn restart(&mut self) {
        self.device = None;
        self.open();
    }

    fn fail(&mut self, _: u64) {}

    fn messages(&mut self) -> BTreeMap<Position, Message> {
        let mut messages = BTreeMap::new();
        let read = self.device().each_message(|message| {
            let before = messages.insert(Position::of(message.head()), message.clone());
            assert!(before.is_none(), "a message is stored once");
        });
        read.expect("the log works");
        messages
    }

    fn witnessed(&mut self) -> Option<(u64, u64)> {
        let peers = self.peers();
        Some((peers.devices.iter().map(|peer| peer.emitted).sum(), peers.missing()))
    }

    fn make_room(&mut self) {
        self.device().evict_attachments().expect("the log works");
    }

    fn open_attachments(&mut self) -> Result<usize, String> {
        let texts = self.device().read(|todos| {
            let titles = todos.items.values().map(|(title, _)| title.clone());
            titles.chain(todos.notes.values().cloned()).collect::<Vec<_>>()
        });
        let mut missing = 0;
        for attachment in texts.iter().filter_map(|text| text.parse::<Attachment>().ok()) {
            let mut bytes = Vec::new();
            if !self.device().want_attachment(&attachment).map_err(|error| error.to_string())? {
                missing += 1;
            } else if let Err(error) = self.device().copy_attachment(&attachment, &mut bytes) {
                return Err(format!("{attachment}: {error}"));
            } else if bytes.len() as u64 != attachment.len() {
                return Err(format!("{attachment} has {} bytes", bytes.len()));
            }
        }
        let report = self.device().verify(|_| ()).map_err(|error| error.to_string())?;
        if report.problems.is_empty() { Ok(missing) } else { Err(format!("{:?}", report.problems)) }
    }

    fn state(&mut self, all: &BTreeMap<Position, Message>) -> Result<Vec<u8>, String> {
        let expected = sort_and_fold(all.values());
        self.device().read(|todos| {
            if *todos == expected {
                Ok(format!("{todos:?}").into_bytes())
            } else {
                Err(format!("{todos:?} should be {expected:?}"))
            }
        })
    }
}

/// Returns what a future comes to that never waits, as those of a store in memory.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("memory is there at once"),
    }
}

/// The real host over its store in memory.
#[derive(Debug)]
pub struct RealHost {
    host: Host<MemoryStore>,
    quirks: Quirks,
    chance: Chance,
    user: Option<PublicKey>,
}

impl RealHost {
    /// Makes an empty host. Of the quirks, failing pushes are those that a real store can have.
    pub fn new(quirks: Quirks, seed: u64) -> Self {
        Self { host: Host::new(MemoryStore::new()), quirks, chance: Chance::new(seed), user: None }
    }

    fn last(&self) -> Option<Seq> {
        at_once(self.host.store().last(self.user?)).expect("memory does not fail")
    }
}

impl WorldHost for RealHost {
    /// The user's last seq; `None` before the user was registered.
    type Backup = Option<Seq>;

    fn call(&mut self, now: Timestamp, path: &str, body: &[u8]) -> Answer {
        if let Ok(auth) = AuthTimestamp::read(&mut Reader::new(body)) {
            debug_assert!(self.user.is_none_or(|user| user == auth.key), "a world has one user");
            self.user = Some(auth.key);
        }
        if path == "/push" && self.chance.in_thousand(self.quirks.partial_pushes) {
            let fault = match self.chance.below(3) {
                0 => WriteFault::StoresNothing,
                1 => WriteFault::StoresFirst(self.chance.below(5) as usize),
                _ => WriteFault::StoresAll,
            };
            self.host.store().fail_writes(1, fault);
        }
        let mut reply = at_once(self.host.handle(now, Route::of("POST", path), body.to_vec()));
        let user = reply.notices.first().map(|notice| notice.user);
        let frames = std::mem::take(&mut reply.notices).into_iter().flat_map(|notice| notice.frame).collect();
        let frame = user.map(|user| (user, frames));
        Answer { body: at_once(reply.collect(self.host.store(), now)).expect("memory does not fail"), frame }
    }

    fn upgrade(&mut self, now: Timestamp, token: &str) -> Upgrade {
        if self.quirks.no_live {
            return Upgrade::NotSupported;
        }
        at_once(self.host.admit(now, token)).map_or(Upgrade::Refused(401), |(user, _)| Upgrade::Open(user))
    }

    fn back_up(&mut self) -> Option<Seq> {
        self.last()
    }

    fn restore(&mut self, backup: &Option<Seq>) {
        let Some(user) = self.user else { return };
        match backup {
            Some(last) => self.host.store().roll_back(&user, *last),
            None => self.host.store().forget(&user),
        }
    }

    fn heal(&mut self) {
        self.quirks.partial_pushes = 0;
        self.host.store().fail_writes(0, WriteFault::StoresNothing);
    }
}
