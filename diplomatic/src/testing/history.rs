//! Histories: the steps of a test on one device.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::laws::{self, Broken, Law};
use super::model::{self, DAWN};
use super::quiet::quietly;
use super::watch::{self, Watch};
use super::{code, diff};
use crate::device::{Device, DeviceConfig, EmitError, UndoError, Undone};
use crate::fold::panic_message;
use crate::log::Backing;
use crate::order::Position;
use crate::reducer::Reducer;
use crate::standard::{Body, EntityBody, EntityId, Label, Message, Seed, Seq, Timestamp};
use crate::sync::{Arrival, Received, SyncLog};

/// A time in a history: a changed-at in milliseconds since its beginning, and a counter. On a tie, the messages' hashes
/// decide which is later.
type Moment = (u64, u64);

/// The history of one device: what arrives and in which order, what the device emits, and when it restarts.
///
/// When [`check_reducer`](super::check_reducer) finds a fault, it prints a history, which you can paste into a test.
/// [`check`](Self::check) checks the reducer's promises on it, and that the state of a device always equals the result
/// of sorting and folding.
///
/// ```
/// # use diplomatic::{DiplomaticEvent, EntityId, Meta, Reducer};
/// # #[derive(Debug, DiplomaticEvent)]
/// # enum NoteEvent { #[diplomatic(entity = "note")] Written { note: EntityId, text: String } }
/// # #[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
/// # struct Notes(std::collections::BTreeMap<EntityId, String>);
/// # impl Reducer for Notes {
/// #     type Event = NoteEvent;
/// #     fn apply(&mut self, event: NoteEvent, _: &Meta) {
/// #         let NoteEvent::Written { note, text } = event;
/// #         self.0.insert(note, text);
/// #     }
/// # }
/// use diplomatic::testing::{History, entity};
///
/// History::<Notes>::new()
///     .event((5, 0), NoteEvent::Written { note: entity(0), text: "late".into() })
///     .batch()
///     .event((2, 0), NoteEvent::Written { note: entity(0), text: "early".into() })
///     .restart()
///     .check();
/// ```
pub struct History<R: Reducer> {
    pub(super) steps: Vec<Step<R::Event>>,
}

pub(super) enum Step<E> {
    Event { at: Moment, about: Option<EntityId>, event: Arc<E> },
    Delete { at: Moment, entity: EntityId },
    DeleteRegister { at: Moment, of: Arc<E> },
    Unknown { at: Moment, entity: EntityId },
    Emit { millis: u64, event: Arc<E> },
    Batch,
    Restart,
}

// The event is shared, whether or not it can be cloned itself.
impl<E> Clone for Step<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Event { at, about, event } => Self::Event { at: *at, about: about.clone(), event: event.clone() },
            Self::Delete { at, entity } => Self::Delete { at: *at, entity: entity.clone() },
            Self::DeleteRegister { at, of } => Self::DeleteRegister { at: *at, of: of.clone() },
            Self::Unknown { at, entity } => Self::Unknown { at: *at, entity: entity.clone() },
            Self::Emit { millis, event } => Self::Emit { millis: *millis, event: event.clone() },
            Self::Batch => Self::Batch,
            Self::Restart => Self::Restart,
        }
    }
}

impl<R: Reducer> Default for History<R> {
    fn default() -> Self {
        Self { steps: Vec::new() }
    }
}

impl<R: Reducer> Clone for History<R> {
    fn clone(&self) -> Self {
        Self { steps: self.steps.clone() }
    }
}

impl<R: Reducer> History<R> {
    /// Starts an empty history.
    pub fn new() -> Self {
        Self::default()
    }

    fn then(mut self, step: Step<R::Event>) -> Self {
        self.steps.push(step);
        self
    }

    /// Delivers an event from a host. A fact is about [`entity(0)`](super::entity).
    #[must_use]
    pub fn event(self, at: (u64, u64), event: R::Event) -> Self {
        self.then(Step::Event { at, about: None, event: Arc::new(event) })
    }

    /// Delivers an event about `entity` from a host, even if the event itself says otherwise, as other clients may do.
    #[must_use]
    pub fn event_about(self, at: (u64, u64), entity: EntityId, event: R::Event) -> Self {
        self.then(Step::Event { at, about: Some(entity), event: Arc::new(event) })
    }

    /// Delivers the delete of an entity from a host.
    #[must_use]
    pub fn delete(self, at: (u64, u64), entity: EntityId) -> Self {
        self.then(Step::Delete { at, entity })
    }

    /// Delivers the delete of the register or singleton that `of` writes from a host. A client that deletes an entity
    /// sends one for each of its registers.
    #[must_use]
    pub fn delete_register(self, at: (u64, u64), of: R::Event) -> Self {
        self.then(Step::DeleteRegister { at, of: Arc::new(of) })
    }

    /// Delivers an event of an unknown type from a host.
    #[must_use]
    pub fn unknown(self, at: (u64, u64), entity: EntityId) -> Self {
        self.then(Step::Unknown { at, entity })
    }

    /// Emits an event on the device when its clock shows `millis`.
    #[must_use]
    pub fn emit(self, millis: u64, event: R::Event) -> Self {
        self.then(Step::Emit { millis, event: Arc::new(event) })
    }

    /// Stores everything delivered so far in one transaction.
    #[must_use]
    pub fn batch(self) -> Self {
        self.then(Step::Batch)
    }

    /// Closes and reopens the device.
    #[must_use]
    pub fn restart(self) -> Self {
        self.then(Step::Restart)
    }
}

impl<R: Reducer + PartialEq + Debug> History<R> {
    /// Checks the reducer's promises on this history, and replays it on a device.
    ///
    /// # Panics
    ///
    /// Panics if a promise is broken, with the promise, the difference between the states, and this history.
    pub fn check(&self)
    where
        R::Event: Debug,
    {
        self.check_with(watch::nothing);
    }

    pub(super) fn check_with<'w>(&self, watch: impl Fn() -> Watch<'w, R>)
    where
        R::Event: Debug,
    {
        if let Err(broken) = self.try_check(watch()) {
            panic!("{}", self.report(&broken));
        }
    }

    pub(super) fn try_check(&self, watch: Watch<'_, R>) -> Result<(), Broken> {
        quietly(|| {
            laws::check::<R>(&self.messages())?;
            self.happen(watch)
        })
        .unwrap_or_else(|panic| {
            Err(Broken { law: Law::Unclear, details: format!("the check panicked: {}", panic_message(&*panic)) })
        })
    }

    pub(super) fn report(&self, broken: &Broken) -> String
    where
        R::Event: Debug,
    {
        let Broken { law, details } = broken;
        let what = match law {
            Law::Unclear => "does not come to the same state on every device, and no promise of it explains that",
            _ => "does not keep its promise",
        };
        let check = match law {
            Law::Aggregate => ".check_aggregate(view);",
            Law::Projection => ".check_projection(new, rows);",
            _ => ".check();",
        };
        let history = format!("{self:?}").replace(".check();", check);
        format!(
            "`{}` {what}: {}.\n\n{details}\n\nThis history shows it:\n\n{history}",
            code::name_of::<R>(),
            law.promise()
        )
    }

    /// Returns the delivered messages.
    fn messages(&self) -> Vec<Message> {
        self.steps.iter().filter_map(message).collect()
    }

    /// Replays it on a device that takes snapshots often, and compares.
    fn happen(&self, watch: Watch<'_, R>) -> Result<(), Broken> {
        let mut subject = Subject::new(watch);
        for step in &self.steps {
            match step {
                Step::Batch => subject.receive()?,
                Step::Restart => subject.restart()?,
                Step::Emit { millis, event } => subject.emit(*millis, event)?,
                Step::Event { .. } | Step::Delete { .. } | Step::DeleteRegister { .. } | Step::Unknown { .. } => {
                    subject.arriving.extend(message(step));
                }
            }
        }
        subject.receive()?;
        subject.restart()
    }
}

fn message<E: crate::DiplomaticEvent>(step: &Step<E>) -> Option<Message> {
    let time = |millis| DAWN.plus(Duration::from_millis(millis));
    match step {
        Step::Event { at, about, event } => {
            let message = model::message(&**event, about.as_ref(), time(at.0), at.1);
            Some(message.unwrap_or_else(|error| panic!("{error}")))
        }
        Step::Delete { at, entity } => Some(model::tombstone(entity.clone(), time(at.0), at.1)),
        Step::DeleteRegister { at, of } => {
            let written = model::message(&**of, None, time(at.0), at.1).ok()?;
            Some(model::tombstone(written.head().entity().clone(), time(at.0), at.1))
        }
        Step::Unknown { at, entity } => {
            let body = Body::new(EntityBody::new("type.of.a.later.build", b"\xc0").to_bytes());
            Message::new(entity.clone(), time(at.0).max(entity.created()), at.1, body).ok()
        }
        Step::Emit { .. } | Step::Batch | Step::Restart => None,
    }
}

/// Shows the history as the code of a test.
impl<R: Reducer> fmt::Debug for History<R>
where
    R::Event: Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    History::<{}>::new()", code::name_of::<R>())?;
        for step in &self.steps {
            f.write_str("        ")?;
            match step {
                Step::Event { at, about: None, event } => writeln!(f, ".event({at:?}, {})", code::event(&**event)),
                Step::Event { at, about: Some(about), event } => {
                    writeln!(f, ".event_about({at:?}, {}, {})", code::entity_id(about), code::event(&**event))
                }
                Step::Delete { at, entity } => writeln!(f, ".delete({at:?}, {})", code::entity_id(entity)),
                Step::DeleteRegister { at, of } => writeln!(f, ".delete_register({at:?}, {})", code::event(&**of)),
                Step::Unknown { at, entity } => writeln!(f, ".unknown({at:?}, {})", code::entity_id(entity)),
                Step::Emit { millis, event } => writeln!(f, ".emit({millis}, {})", code::event(&**event)),
                Step::Batch => writeln!(f, ".batch()"),
                Step::Restart => writeln!(f, ".restart()"),
            }?;
        }
        f.write_str("        .check();")
    }
}

/// A device under test and the messages it was given.
struct Subject<'w, R: Reducer> {
    backing: Backing,
    /// `None` while it restarts.
    device: Option<Device<R>>,
    link: u32,
    arriving: Vec<Message>,
    stored: Vec<Message>,
    watch: Watch<'w, R>,
}

impl<'w, R: Reducer + PartialEq + Debug> Subject<'w, R> {
    fn new(watch: Watch<'w, R>) -> Self {
        let backing = Backing::memory();
        let mut device = open::<R>(&backing);
        let link = device.link_host(&Label::new("a host")).expect("memory does not fail");
        Self { backing, device: Some(device), link, arriving: Vec::new(), stored: Vec::new(), watch }
    }

    fn device(&mut self) -> &mut Device<R> {
        self.device.as_mut().expect("it is open between the steps")
    }

    fn receive(&mut self) -> Result<(), Broken> {
        let arriving = std::mem::take(&mut self.arriving);
        if arriving.is_empty() {
            return Ok(());
        }
        let messages = arriving.iter().map(|message| Arrival { seq: Seq::ZERO, message: message.clone() }).collect();
        let link = self.link;
        let received = Received { messages, ..Received::default() };
        self.device().session_log(link).receive(received).expect("memory does not fail");
        self.stored.extend(arriving);
        self.compare("after messages arrived")
    }

    fn restart(&mut self) -> Result<(), Broken> {
        self.receive()?;
        self.device = None;
        self.device = Some(open(&self.backing));
        self.compare("after a restart")
    }

    fn emit(&mut self, millis: u64, event: &R::Event) -> Result<(), Broken> {
        self.receive()?;
        let now = DAWN.plus(Duration::from_millis(millis));
        match self.device().emit(now, event) {
            Ok(_) => {}
            Err(EmitError::Panicked(panic)) => {
                return Err(Broken { law: Law::Harmless, details: format!("when an event was emitted, {panic}") });
            }
            Err(error) => return Err(Broken { law: Law::Unclear, details: format!("an event was refused: {error}") }),
        }
        let before = self.contents();
        self.take_up_emitted();
        self.compare("after an event was emitted")?;
        let after = self.contents();
        self.go(now, Device::undo, &before, "after an event was emitted and undone")?;
        self.go(now, Device::redo, &after, "after an event was emitted, undone and redone")
    }

    /// Undoes or redoes what was emitted last, and checks that what counts is as it was.
    fn go(
        &mut self,
        now: Timestamp,
        way: fn(&mut Device<R>, Timestamp) -> Result<Undone, UndoError>,
        expected: &BTreeMap<EntityId, Vec<u8>>,
        when: &str,
    ) -> Result<(), Broken> {
        match way(self.device(), now) {
            Ok(_) => {}
            Err(UndoError::Emit(EmitError::Panicked(panic))) => {
                return Err(Broken { law: Law::Harmless, details: format!("{when}, {panic}") });
            }
            Err(error) => return Err(Broken { law: Law::Undo, details: format!("{when}: {error}") }),
        }
        self.take_up_emitted();
        self.compare(when)?;
        let found = self.contents();
        if found == *expected {
            return Ok(());
        }
        let details = format!("{when}, what was there (-) and what is (+):\n{}", diff::diff(expected, &found));
        Err(Broken { law: Law::Undo, details })
    }

    /// Returns what counts for each entity; nothing for those that are deleted.
    fn contents(&self) -> BTreeMap<EntityId, Vec<u8>> {
        let mut latest: BTreeMap<&EntityId, &Message> = BTreeMap::new();
        for message in &self.stored {
            let counts = latest.entry(message.head().entity()).or_insert(message);
            if Position::of(counts.head()) < Position::of(message.head()) {
                *counts = message;
            }
        }
        latest.into_iter().filter_map(|(entity, last)| Some((entity.clone(), last.body()?.to_vec()))).collect()
    }

    fn take_up_emitted(&mut self) {
        let known: HashSet<_> = self.stored.iter().map(|message| message.head().hash()).collect();
        let all = self.device().stored().expect("memory does not fail");
        self.stored.extend(all.into_iter().filter(|message| !known.contains(&message.head().hash())));
    }

    fn compare(&mut self, when: &str) -> Result<(), Broken> {
        let live = model::live::<R::Event>(&self.stored);
        model::fold::<R>(&live).map_err(|panicked| laws::harmless::<R>(&self.stored, &panicked))?;
        let (state, unread) = model::state::<R>(&self.stored);
        let device = self.device.as_ref().expect("it is open between the steps");
        let broken = |details| Err(Broken { law: Law::Unclear, details });
        device.read(|shown| {
            if *shown == state {
                return Ok(());
            }
            // With the messages that were emitted meanwhile, a broken promise may explain it.
            laws::check::<R>(&self.stored)?;
            broken(format!("{when}, the fold (-) and the device (+) differ:\n{}", diff::diff(&state, shown)))
        })?;
        if device.unread() != &unread {
            let difference = diff::diff(&unread, device.unread());
            return broken(format!("{when}, what the fold (-) and the device (+) leave out differs:\n{difference}"));
        }
        let place = |message: &Message| Position::of(message.head());
        let mut stored: Vec<_> = self.stored.iter().map(place).collect();
        stored.sort_unstable();
        stored.dedup();
        let kept: Vec<_> = device.stored().expect("memory does not fail").iter().map(place).collect();
        if kept != stored {
            return broken(format!("{when}, the device has {} messages of {}", kept.len(), stored.len()));
        }
        (self.watch)(device).map_err(|broken| Broken { details: format!("{when}, {}", broken.details), ..broken })
    }
}

fn open<R: Reducer>(backing: &Backing) -> Device<R> {
    let config = DeviceConfig { snapshot_events: 2, ..DeviceConfig::default() };
    let seed = Seed::from_bytes([7; 32]);
    let rng = StdRng::seed_from_u64(0);
    Device::open_with(backing.clone(), &seed, rng, config).expect("memory does not fail")
}
