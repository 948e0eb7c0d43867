//! Comparing what a host lists, and delivers, with a device.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use super::conversation::{Conversation, NoBodies};
use super::report::{Damage, DamagedBag, Gap, HostAudit};
use super::{HostInspector, InspectError};
use crate::client::Client;
use crate::device::{Device, ListNotes, Missing, MissingReason};
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::calls::RawPeekItem;
use crate::standard::{BagHead, Digest, HeadHash, OpenedHead, SealedBody, Seq};

/// How many bodies are fetched at once, and how many bytes of them.
const BODIES: usize = 1_000;
const BYTES: u64 = 4 << 20;

/// The device that a host is compared with.
pub(super) enum Side<'a, R: Reducer> {
    Client(&'a Client<R>),
    Device(&'a Device<R>),
}

impl<R: Reducer> Side<'_, R> {
    async fn ask<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Device<R>) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        match self {
            Self::Client(client) => client.shared.with_device(move |device| look(device)).await?,
            Self::Device(device) => look(device),
        }
    }
}

/// A comparison under way.
pub(super) struct Comparison<'a, R: Reducer> {
    inspector: &'a HostInspector,
    side: Side<'a, R>,
    audit: HostAudit,
    /// The messages that can be read at the host.
    readable: HashSet<HeadHash>,
    /// The messages in bags that are damaged, with the bag's place in the report.
    held: Vec<(usize, HeadHash)>,
    /// Where what is missing here stands in the report.
    missing: HashMap<HeadHash, usize>,
    last: Seq,
}

impl<'a, R: Reducer> Comparison<'a, R> {
    pub(super) fn new(inspector: &'a HostInspector, side: Side<'a, R>) -> Self {
        Self {
            inspector,
            side,
            audit: HostAudit::default(),
            readable: HashSet::new(),
            held: Vec::new(),
            missing: HashMap::new(),
            last: Seq::ZERO,
        }
    }

    /// Compares everything, and reports the number of bags read so far.
    pub(super) async fn run(mut self, mut watch: impl FnMut(u64)) -> Result<HostAudit, InspectError> {
        let mut bodies = self.inspector.with_bodies.then(|| Conversation::new(self.inspector));
        let mut listing = Conversation::new(self.inspector);
        let listed = listing.list(async |items| {
            self.take(items, bodies.as_mut()).await?;
            watch(self.audit.bags);
            Ok(ControlFlow::Continue(()))
        });
        listed.await?;
        self.finish().await
    }

    async fn take(
        &mut self,
        items: Vec<RawPeekItem>,
        bodies: Option<&mut Conversation<'_>>,
    ) -> Result<(), InspectError> {
        self.count(&items);
        let opened = self.open(items).await?;
        if let Some(bodies) = bodies {
            self.check_bodies(&opened, bodies).await?;
        } else {
            self.readable.extend(opened.iter().map(|(_, opened)| opened.head().hash()));
        }
        let label = self.inspector.label.clone();
        let missing = self.side.ask(move |device| device.missing_here(&label, &opened)).await?;
        for missing in missing {
            let place = *self.missing.entry(missing.position.hash).or_insert(self.audit.missing_here.len());
            match self.audit.missing_here.get_mut(place) {
                // Of several bags with a message, the last counts: perhaps it was not read yet.
                Some(before) => *before = missing,
                None => self.audit.missing_here.push(missing),
            }
        }
        Ok(())
    }

    /// Counts bags, and records the numbers missing before and between them.
    fn count(&mut self, items: &[RawPeekItem]) {
        for RawPeekItem { seq, .. } in items {
            let first = self.last.next();
            if let Some(last) = seq.number().checked_sub(1).and_then(Seq::new).filter(|last| first <= *last) {
                self.audit.gaps.push(Gap { first, last, is_harmless: false });
            }
            self.last = *seq;
            self.audit.bags += 1;
        }
    }

    /// Opens heads on a blocking thread, and records those that cannot be opened.
    async fn open(&mut self, items: Vec<RawPeekItem>) -> Result<Vec<(Seq, OpenedHead)>, InspectError> {
        let keys = self.inspector.keys.clone();
        let opening = blocking(move || {
            let (mut heads, mut broken): (Vec<(Seq, BagHead)>, Vec<Seq>) = (Vec::new(), Vec::new());
            for item in items {
                match item.decode_head() {
                    Ok(head) => heads.push((item.seq, head)),
                    Err(_) => broken.push(item.seq),
                }
            }
            let opened = keys.open_heads(heads.iter().map(|(_, head)| head));
            (heads.iter().map(|(seq, _)| *seq).zip(opened).collect::<Vec<_>>(), broken)
        });
        let (opened, broken) = opening.await?;
        broken.into_iter().for_each(|seq| _ = self.note_damage(seq, Damage::Layout));
        let mut heads = Vec::with_capacity(opened.len());
        for (seq, opened) in opened {
            match opened {
                Ok(opened) => heads.push((seq, opened)),
                Err(error) => _ = self.note_damage(seq, error.into()),
            }
        }
        Ok(heads)
    }

    /// Fetches the bodies that belong to heads, a bounded part at a time, and opens them.
    async fn check_bodies(
        &mut self,
        heads: &[(Seq, OpenedHead)],
        host: &mut Conversation<'_>,
    ) -> Result<(), InspectError> {
        let (deletes, mut rest): (Vec<_>, Vec<_>) =
            heads.iter().cloned().partition(|(_, head)| head.head().is_delete());
        self.readable.extend(deletes.iter().map(|(_, opened)| opened.head().hash()));
        rest.reverse();
        // Halves of a part in which something is so wrong that the host's answer makes no sense.
        let mut halves: Vec<Vec<(Seq, OpenedHead)>> = Vec::new();
        while let Some(part) = halves.pop().or_else(|| next_part(&mut rest)) {
            let seqs = part.iter().map(|(seq, _)| *seq).collect();
            let longest = part.iter().map(|(_, opened)| opened.sealed_body_len()).max().unwrap_or_default();
            match host.bodies(seqs, longest).await {
                Ok(bodies) => self.open_bodies(part, bodies).await?,
                Err(NoBodies::Failed(error)) => return Err(error),
                Err(NoBodies::Garbled) if part.len() == 1 => self.open_bodies(part, Vec::new()).await?,
                Err(NoBodies::Garbled) => {
                    let mut part = part;
                    let second = part.split_off(part.len() / 2);
                    halves.extend([second, part]);
                }
            }
        }
        Ok(())
    }

    async fn open_bodies(
        &mut self,
        heads: Vec<(Seq, OpenedHead)>,
        bodies: Vec<(Seq, SealedBody)>,
    ) -> Result<(), InspectError> {
        let opening = blocking(move || {
            let mut bodies: BTreeMap<Seq, SealedBody> = bodies.into_iter().collect();
            let open = |(seq, opened): (Seq, OpenedHead)| {
                let hash = opened.head().hash();
                let outcome = match bodies.remove(&seq) {
                    Some(body) => opened.open_body(&body).map(drop).map_err(Damage::from),
                    None => Err(Damage::NoBody),
                };
                (seq, hash, outcome)
            };
            heads.into_iter().map(open).collect::<Vec<_>>()
        });
        for (seq, hash, outcome) in opening.await? {
            self.audit.bodies += 1;
            match outcome {
                Ok(()) => drop(self.readable.insert(hash)),
                Err(damage) => {
                    let place = self.note_damage(seq, damage);
                    self.held.push((place, hash));
                }
            }
        }
        Ok(())
    }

    fn note_damage(&mut self, seq: Seq, cause: Damage) -> usize {
        self.audit.damaged.push(DamagedBag { seq, cause, is_harmless: false });
        self.audit.damaged.len() - 1
    }

    async fn finish(mut self) -> Result<HostAudit, InspectError> {
        let audit = &mut self.audit;
        audit.messages = self.readable.len() as u64;
        audit.repeated = audit.bags.saturating_sub(audit.damaged.len() as u64 + audit.messages);
        audit.digest = Some(Digest::of(self.readable.iter().copied()));
        let (label, readable) = (self.inspector.label.clone(), self.readable);
        let (notes, missing_there, readable) = self
            .side
            .ask(move |device| {
                let missing_there = device.missing_there(&label, &readable)?;
                Ok((device.list_notes(&label)?, missing_there, readable))
            })
            .await?;
        audit.missing_there = missing_there;
        explain(audit, &notes, &self.held, &readable);
        audit.damaged.sort_by_key(|bag| bag.seq);
        Ok(self.audit)
    }
}

/// Finds what is harmless of that which is damaged and left out.
fn explain(audit: &mut HostAudit, notes: &ListNotes, held: &[(usize, HeadHash)], readable: &HashSet<HeadHash>) {
    // What this device has and the host lacks may be what is damaged there.
    let has_all = audit.missing_there.iter().all(|missing| missing.reason.is_some());
    let is_overwritten = |hash: &HeadHash| {
        let is_it = |missing: &Missing| missing.position.hash == *hash;
        let missing = audit.missing_here.iter().find(|missing| is_it(missing));
        missing.is_some_and(|missing| missing.reason == Some(MissingReason::Overwritten))
    };
    let held: HashMap<usize, bool> =
        held.iter().map(|(place, hash)| (*place, readable.contains(hash) || is_overwritten(hash))).collect();
    for (place, bag) in audit.damaged.iter_mut().enumerate() {
        bag.is_harmless = match held.get(&place) {
            Some(is_harmless) => *is_harmless,
            None => has_all && notes.explain_bag(bag.seq),
        };
    }
    for gap in &mut audit.gaps {
        gap.is_harmless = has_all && notes.explain_gap(gap.first, gap.last);
    }
}

/// Takes as many of the last heads, in their order, as are fetched at once.
fn next_part(rest: &mut Vec<(Seq, OpenedHead)>) -> Option<Vec<(Seq, OpenedHead)>> {
    let mut part = vec![rest.pop()?];
    let mut bytes = part[0].1.sealed_body_len();
    while part.len() < BODIES
        && let Some(next) = rest.pop_if(|(_, next)| bytes.saturating_add(next.sealed_body_len()) <= BYTES)
    {
        bytes += next.1.sealed_body_len();
        part.push(next);
    }
    Some(part)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, InspectError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(LogError::Closed.into()),
    }
}
