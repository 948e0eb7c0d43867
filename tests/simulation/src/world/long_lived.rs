//! A device over years: its app is updated, its reducer panics, and people undo, restore, compact, export and import.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use diplomatic::compact::Keep;
use diplomatic::error::{HistoryError, RestoreError};
use diplomatic::history::Restore;
use diplomatic::peers::Peers;
use diplomatic::standard::{Bag, Head, HeadHash, Label, Message, PublicKey, Seed, Seq, Timestamp};
use diplomatic::sync::{Audited, Bodies, Cursor, Drained, Outgoing, PushLimits, Received, Skipped, SyncLog, Unread};
use diplomatic::testing::state_of;
use diplomatic::{Backing, Device, DeviceConfig, EmitError, LogError, Position, UndoError};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::log::Used;
use super::{Chance, DeviceLog, QUIET};
use crate::builds::{Build, New, Old, hush};
use crate::todo::Todos;

const SEED: [u8; 32] = [7; 32];

/// Which build of the app a device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    Careless,
    Old,
    New,
}

/// A device's log in memory, with one of three builds of an app over it.
#[derive(Debug)]
pub struct LongLivedLog {
    /// None only while it is started again.
    device: Option<Box<dyn Running>>,
    runs: Runs,
    backing: Backing,
    chance: Chance,
    links: BTreeMap<usize, u32>,
}

impl LongLivedLog {
    /// Makes an empty log.
    pub fn new(seed: u64) -> Self {
        hush();
        let mut chance = Chance::new(seed);
        let runs = [Runs::Careless, Runs::Old, Runs::Old, Runs::New][chance.below(4) as usize];
        let mut log = Self { device: None, runs, backing: Backing::memory(), chance, links: BTreeMap::new() };
        log.open();
        log
    }

    fn open(&mut self) {
        let rng = StdRng::seed_from_u64(self.chance.any());
        let mut config = DeviceConfig::default();
        config.snapshot_events = self.chance.between(1, 8);
        config.witness_after = Some(QUIET / 5);
        let (backing, seed) = (self.backing.clone(), Seed::from_bytes(SEED));
        self.device = Some(match self.runs {
            Runs::Careless => open::<Todos>(backing, &seed, rng, config),
            Runs::Old => open::<Old>(backing, &seed, rng, config),
            Runs::New => open::<New>(backing, &seed, rng, config),
        });
    }

    fn device(&mut self) -> &mut dyn Running {
        self.device.as_deref_mut().expect("the device runs")
    }

    /// Drops what does not count. The careless build must not: others may be unable to apply what counts for it.
    fn compact(&mut self, keep: Keep) -> Option<String> {
        if self.runs == Runs::Careless {
            return None;
        }
        let before = self.device().current().expect("the state is right");
        let compacted = self.device().compact(keep);
        if self.chance.in_thousand(500) {
            self.device = None;
            self.open();
        }
        assert_eq!(Ok(before), self.device().current(), "compaction changes no state");
        Some(compacted)
    }

    /// Returns what `act` did, and what it wrote.
    fn emitted<T>(&mut self, act: impl FnOnce(&mut dyn Running) -> T) -> (T, Vec<Position>) {
        let before = self.messages();
        let done = act(self.device());
        (done, self.messages().into_keys().filter(|position| !before.contains_key(position)).collect())
    }
}

impl DeviceLog for LongLivedLog {
    type Link<'a> = AnyLink<'a>;

    const FORGETS: bool = true;

    fn link(&mut self, host: usize) {
        let number = self.device().link(host);
        self.links.insert(host, number);
    }

    fn session(&mut self, host: usize) -> AnyLink<'_> {
        let number = self.links[&host];
        AnyLink(self.device().session(number))
    }

    fn emit(&mut self, now: Timestamp, chance: &mut Chance) -> Vec<Position> {
        self.emitted(|device| device.emit(now, chance)).1
    }

    fn restart(&mut self) {
        if let Err(wrong) = self.device().current() {
            panic!("before a restart: {wrong}");
        }
        self.device = None;
        if self.chance.in_thousand(300) {
            self.runs = Runs::New;
        }
        self.open();
        if let Err(wrong) = self.device().current() {
            panic!("after a restart: {wrong}");
        }
    }

    fn fail(&mut self, _: u64) {}

    fn messages(&mut self) -> BTreeMap<Position, Message> {
        let messages = self.device().messages();
        messages.into_iter().map(|message| (Position::of(message.head()), message)).collect()
    }

    fn witnessed(&mut self) -> Option<(u64, u64)> {
        let peers = self.device().peers();
        Some((peers.devices.iter().map(|peer| peer.emitted).sum(), peers.missing()))
    }

    fn state(&mut self, all: &BTreeMap<Position, Message>) -> Result<Vec<u8>, String> {
        self.device().current()?;
        self.device().state(&all.values().cloned().collect::<Vec<_>>()).map(String::into_bytes)
    }

    fn use_tools(&mut self, now: Timestamp, chance: &mut Chance, backup: &mut Option<Vec<u8>>) -> Option<Used> {
        let past = Timestamp::from_millis(now.as_millis().saturating_sub(chance.below(60_000)));
        let (what, emitted) = match chance.below(8) {
            0 | 1 => self.emitted(|device| device.undo(now)),
            2 => self.emitted(|device| device.redo(now)),
            3 => self.emitted(|device| device.restore(now, past)),
            4 => (self.compact(Keep::Latest)?, Vec::new()),
            5 => (self.compact(Keep::Since(past))?, Vec::new()),
            6 => {
                *backup = Some(self.device().export());
                ("exports".to_owned(), Vec::new())
            }
            _ => {
                let file = backup.as_ref()?;
                (self.device().import(file), Vec::new())
            }
        };
        if let Err(wrong) = self.device().current() {
            panic!("after it {what}: {wrong}");
        }
        Some(Used { what, emitted })
    }

    fn update(&mut self) -> bool {
        std::mem::replace(&mut self.runs, Runs::New) != Runs::New
    }
}

/// A device with any build of the app.
trait Running: fmt::Debug {
    fn link(&mut self, host: usize) -> u32;
    fn session(&mut self, number: u32) -> Box<dyn SyncLog<Error = LogError> + '_>;
    fn emit(&mut self, now: Timestamp, chance: &mut Chance);
    fn undo(&mut self, now: Timestamp) -> String;
    fn redo(&mut self, now: Timestamp) -> String;
    fn restore(&mut self, now: Timestamp, past: Timestamp) -> String;
    fn compact(&mut self, keep: Keep) -> String;
    fn export(&mut self) -> Vec<u8>;
    fn import(&mut self, file: &[u8]) -> String;
    fn messages(&self) -> Vec<Message>;
    fn peers(&self) -> Peers;
    /// Returns the state, if it is what these messages make.
    fn state(&self, of: &[Message]) -> Result<String, String>;

    /// Returns the state, if it is what the device's messages make, once it is up to date with them.
    fn current(&mut self) -> Result<String, String> {
        self.session(0).catch_up().expect("the log works");
        self.state(&self.messages())
    }
}

fn open<R: Build>(backing: Backing, seed: &Seed, rng: StdRng, config: DeviceConfig) -> Box<dyn Running> {
    Box::new(Device::<R>::open_with(backing, seed, rng, config).expect("the log opens"))
}

impl<R: Build> Running for Device<R> {
    fn link(&mut self, host: usize) -> u32 {
        self.link_host(&Label::with_index("host", host as u64)).expect("the log works")
    }

    fn session(&mut self, number: u32) -> Box<dyn SyncLog<Error = LogError> + '_> {
        Box::new(self.session_log(number))
    }

    fn emit(&mut self, now: Timestamp, chance: &mut Chance) {
        let event = self.read(|state| state.draw(chance));
        match Self::emit(self, now, &event) {
            Ok(_) | Err(EmitError::Panicked { .. }) => {}
            Err(error) => panic!("{event:?}: {error}"),
        }
    }

    fn undo(&mut self, now: Timestamp) -> String {
        taken_back("undoes", Self::undo(self, now))
    }

    fn redo(&mut self, now: Timestamp) -> String {
        taken_back("redoes", Self::redo(self, now))
    }

    fn restore(&mut self, now: Timestamp, past: Timestamp) -> String {
        match Self::restore(self, now, &Restore::to(past)) {
            Ok(restored) => format!("restores {:?} as of {past:?}", restored.entities),
            Err(
                error @ (RestoreError::History(HistoryError::BeforeHorizon { .. })
                | RestoreError::Emit(EmitError::Panicked { .. })),
            ) => {
                format!("cannot restore: {error}")
            }
            Err(error) => panic!("restore: {error}"),
        }
    }

    fn compact(&mut self, keep: Keep) -> String {
        format!("{:?}", Self::compact(self, keep).expect("the log works"))
    }

    fn export(&mut self) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("there is room for a file");
        let path = folder.path().join("backup.dpl");
        Self::export(self, &path, &Seed::from_bytes(SEED)).expect("the log works");
        std::fs::read(path).expect("it was just written")
    }

    fn import(&mut self, file: &[u8]) -> String {
        let replay = diplomatic::Replay::from_source(std::io::Cursor::new(file), &Seed::from_bytes(SEED));
        let report = self.import_from(replay.expect("the file is whole"), |_| ()).expect("the log works");
        format!("{report:?}")
    }

    fn messages(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        self.each_message(|message| messages.push(message.clone())).expect("the log works");
        messages
    }

    fn peers(&self) -> Peers {
        Self::peers(self).expect("the log works")
    }

    fn state(&self, of: &[Message]) -> Result<String, String> {
        let expected = state_of::<R>(of);
        self.read(|state| {
            if *state == expected { Ok(format!("{state:?}")) } else { Err(format!("{state:?} should be {expected:?}")) }
        })
    }
}

fn taken_back(what: &str, outcome: Result<diplomatic::history::Undone, UndoError>) -> String {
    match outcome {
        Ok(undone) => format!("{what} {:?}, keeps {:?}", undone.entities, undone.kept),
        Err(
            error
            @ (UndoError::Nothing | UndoError::BeforeHorizon { .. } | UndoError::Emit(EmitError::Panicked { .. })),
        ) => {
            format!("{what} nothing: {error}")
        }
        Err(error) => panic!("it {what}: {error}"),
    }
}

/// The log of any build, as one host's session sees it.
#[allow(missing_debug_implementations, reason = "a trait object")]
pub struct AnyLink<'a>(Box<dyn SyncLog<Error = LogError> + 'a>);

impl SyncLog for AnyLink<'_> {
    type Error = LogError;

    fn cursor(&self) -> Result<Cursor, LogError> {
        self.0.cursor()
    }

    fn count(&self) -> Result<u64, LogError> {
        self.0.count()
    }

    fn contains(&self, heads: &[&Head]) -> Result<Vec<bool>, LogError> {
        self.0.contains(heads)
    }

    fn receive(&mut self, received: Received) -> Result<(), LogError> {
        self.0.receive(received)
    }

    fn catch_up(&mut self) -> Result<(), LogError> {
        self.0.catch_up()
    }

    fn outgoing(
        &self,
        after: Option<Position>,
        limits: PushLimits,
        seal: &mut dyn FnMut(&Message) -> Bag,
    ) -> Result<Vec<Outgoing>, LogError> {
        self.0.outgoing(after, limits, seal)
    }

    fn acknowledge(&mut self, stored: &[Position], cursor: Option<Cursor>) -> Result<(), LogError> {
        self.0.acknowledge(stored, cursor)
    }

    fn unlisted(&self, listed: &HashSet<HeadHash>) -> Result<u64, LogError> {
        self.0.unlisted(listed)
    }

    fn reconcile(&mut self, audit: Audited) -> Result<u64, LogError> {
        self.0.reconcile(audit)
    }

    fn pending(&self) -> Result<u64, LogError> {
        self.0.pending()
    }

    fn on_drained(&mut self, now: Timestamp, host: &PublicKey, unread: Unread) -> Result<Drained, LogError> {
        self.0.on_drained(now, host, unread)
    }

    fn defers(&self, head: &Head) -> bool {
        self.0.defers(head)
    }

    fn wanted(&self, limits: PushLimits) -> Result<Vec<(Seq, Head)>, LogError> {
        self.0.wanted(limits)
    }

    fn not_delivered(&mut self, positions: &[Position]) -> Result<(), LogError> {
        self.0.not_delivered(positions)
    }

    fn bodies(&self) -> Result<(Bodies, Bodies), LogError> {
        self.0.bodies()
    }

    fn skipped(&self) -> Result<Vec<Skipped>, LogError> {
        self.0.skipped()
    }

    fn vouched(&self) -> Result<Seq, LogError> {
        self.0.vouched()
    }
}
