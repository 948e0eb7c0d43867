//! Audits: comparing a host's whole list with the log.
//!
//! An audit reads the list from its start, as the first sync does, and collects what it holds. In the end, the log queues
//! exactly what the host lacks. What is here is not fetched again, and an audit that finds nothing wrong changes nothing.
//!
//! An audit follows when a host has lost or changed bags; the log notes first that the host is suspect, so an audit that is
//! cut short begins anew, even after a restart. A short list is also audited when a session starts and at every recheck,
//! since that costs no more than looking for news does. A long list is audited now and then.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::{Purpose, Session};
use crate::standard::Seq;
use crate::sync::reading::{Audit, Evidence};
use crate::sync::status::{BlockCause, Pause};
use crate::sync::window::Found;
use crate::sync::{Audited, Cursor, Now, Received, SkipReason, Skipped, SyncLog};

/// How long a list may be to be read from its start instead of only its end.
const SHORT: u64 = 256;
/// How often a long list is audited: once a day for every so many bags.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);
const LONG: u64 = 10_000;

impl Session {
    /// Notes that the host has lost or changed bags. An audit follows.
    pub(super) fn suspect<L: SyncLog + ?Sized>(&mut self, evidence: Evidence, log: &mut L) -> Result<(), L::Error> {
        self.cancel(|purpose| !matches!(purpose, Purpose::Push));
        self.settling.abandon_round();
        // A host that changes its mind while it is audited is audited once more, from the start.
        let audited = self.reading.audit.take().map(|audit| audit.cursor);
        self.reading.forget();
        let Some(mut cursor) = audited.or(self.cursor) else { return Ok(()) };
        cursor.is_suspect = true;
        if evidence == Evidence::Replaced {
            cursor.vouched = Seq::ZERO;
        }
        self.cursor = Some(cursor);
        log.receive(Received { cursor: Some(cursor), ..Received::default() })?;
        self.storage.on_success();
        Ok(())
    }

    /// Returns whether to read the whole list instead of only what is new.
    pub(super) fn is_audit_due(&self, now: Now, cursor: Cursor) -> bool {
        let seqs = cursor.seq.number();
        let interval = INTERVAL.saturating_mul(u32::try_from(seqs / LONG + 1).unwrap_or(u32::MAX));
        let is_time = now.wall.since(cursor.audited_at) >= interval;
        let is_routine_due = is_time || self.reading.is_audit_wanted && seqs <= SHORT;
        cursor.is_suspect || cursor.caught_up && is_routine_due && now.elapsed >= self.reading.next_audit
    }

    /// Begins an audit. One that follows evidence does not come too soon after the last one.
    pub(super) fn begin_audit(&mut self, now: Now, cursor: Cursor) {
        let is_routine = !cursor.is_suspect;
        if !is_routine && now.elapsed < self.reading.next_audit {
            let pause = Pause::Blocked(BlockCause::LosesBags);
            self.reading.gate.shut_until(now.elapsed, self.reading.next_audit, pause);
            return;
        }
        self.cancel(|_| true);
        self.settling.abandon_round();
        if !std::mem::take(&mut self.settling.claims).is_empty() {
            // What the host does not list is pushed again.
            self.pushing.forget();
        }
        let reading = &mut self.reading;
        if !is_routine {
            reading.count_audit(now.elapsed);
            reading.places.clear();
            reading.base = Seq::ZERO;
        }
        reading.forget();
        reading.is_audit_wanted = false;
        reading.audit = Some(Audit { is_routine, cursor, listed: HashSet::new(), skipped: BTreeMap::new() });
        let start = Cursor { caught_up: cursor.caught_up, is_suspect: cursor.is_suspect, ..Cursor::default() };
        self.cursor = Some(start);
        self.request_list(now, start);
    }

    /// Notes for the audit, if there is one, that the host lists a message.
    pub(super) fn note_listed(&mut self, found: &Found) {
        let Some(audit) = &mut self.reading.audit else { return };
        match found {
            Found::Known(position) => drop(audit.listed.insert(position.hash)),
            Found::New(head) | Found::Deferred(head) => drop(audit.listed.insert(head.head().hash())),
            Found::Unreadable(_) => {}
        }
    }

    /// Lets the log queue what the host lacks.
    pub(super) fn finish_audit<L: SyncLog + ?Sized>(&mut self, now: Now, log: &mut L) -> Result<(), L::Error> {
        let Some(audit) = self.reading.audit.take() else { return Ok(()) };
        let Audit { is_routine, cursor: before, listed, skipped } = audit;
        let read = self.cursor.unwrap_or_default();
        let skipped: Vec<Skipped> =
            skipped.into_iter().flat_map(|(seq, reason)| self.explain(seq, reason, &before)).collect();
        let cursor = Cursor {
            caught_up: true,
            own: None,
            is_suspect: false,
            vouched: before.vouched.max(read.seq),
            checked: read.seq,
            audited_at: now.wall,
            ..read
        };
        let is_as_before = cursor.seq == before.seq && before.own.is_none() && self.settling.is_noted_as(&skipped);
        if is_routine && is_as_before && read.seq.number() <= SHORT && log.unlisted(&listed)? == 0 {
            // The next write to the log notes it, too.
            self.cursor = Some(Cursor { read: cursor.read, audited_at: now.wall, ..before });
            return Ok(());
        }
        let lacking = log.reconcile(Audited { listed, skipped: skipped.clone(), cursor })?;
        self.storage.on_success();
        self.cursor = Some(cursor);
        self.settling.renew(skipped);
        self.recount = true;
        if lacking > 0 {
            if is_routine {
                self.reading.count_audit(now.elapsed);
            }
            self.pushing.forget();
        }
        Ok(())
    }

    /// Tells what an audit skipped apart: what was read before, so that nothing of it is missing here, and what was not.
    fn explain(&self, seq: Seq, reason: SkipReason, before: &Cursor) -> Vec<Skipped> {
        let last = reason.last(seq);
        let vouched = match reason {
            SkipReason::Hole { .. } => before.vouched,
            // The numbers of a tail that was gone may have been given to other bags since.
            SkipReason::Head(_) => before.vouched.min(before.seq),
            SkipReason::Body { .. } | SkipReason::Vacant { .. } => Seq::ZERO,
        };
        if seq > vouched || self.settling.hides_something(seq, last.min(vouched)) {
            return vec![Skipped { seq, reason }];
        }
        let explained = Skipped { seq, reason: SkipReason::Vacant { last: last.min(vouched) } };
        if last <= vouched {
            return vec![explained];
        }
        vec![explained, Skipped { seq: vouched.next(), reason: reason.until(last) }]
    }
}
