//! This device's own witnesses, and what hosts get of others'.

use std::time::Duration;

use super::Device;
use super::emit::{Emission, EmitError};
use super::link::decode_cursor;
use crate::log::{Answered, LogError, LogWriter, Waiting};
use crate::order::Clock;
use crate::reducer::Reducer;
use crate::standard::{Encode, EntityId, PublicKey, Timestamp};
use crate::sync::{Cursor, Drained, Unread};
use crate::witness::{MOST_NAMED, Want, Witness};

/// How many witnesses are made at once.
const MOST_AT_ONCE: usize = 16;

impl<R: Reducer> Device<R> {
    /// Gives a host that has everything else what was held back for it, and makes this device's witness if one is due.
    pub(super) fn on_drained(
        &mut self,
        link: u32,
        now: Timestamp,
        host: &PublicKey,
        unread: Unread,
    ) -> Result<Drained, LogError> {
        self.mend()?;
        let mut drained = Drained { withheld: self.peers_now()?.withheld(link), ..Drained::default() };
        let Some(waiting) = self.log.read(|reader| reader.waiting(link))? else { return Ok(drained) };
        let due_in = self.witness_due_in(waiting, now);
        let is_due = due_in == Some(Duration::ZERO);
        let (chunks, chunks_in) = self.wanted_chunks(link, now)?;
        let (want, want_in) = self.next_want(host, unread, &chunks, now)?;
        drained.wants_bodies = chunks_in == Some(Duration::ZERO);
        let chunks_in = if drained.wants_bodies { Some(self.want_every) } else { chunks_in };
        drained.again_in = due_in.filter(|_| !is_due).into_iter().chain(want_in).chain(chunks_in).min();
        if !is_due && !waiting.is_held && !waiting.is_wanted && want.is_none() {
            return Ok(drained);
        }
        let (clock, name) = (self.clock, self.name.as_deref());
        let read = decode_cursor(&self.log.cursor(link)?)?;
        let unaudited = Cursor { audited_at: Timestamp::EPOCH, ..read }.to_bytes();
        let label = self.log.link(link).map(|link| link.label.clone());
        let written = self.log.write(|writer| {
            // What others want and said goes first: this device's own witness vouches for it.
            let Answered { queued, compare } = writer.answer_wants(link, host, read.vouched)?;
            if compare && let Some(label) = &label {
                drained.compare = true;
                writer.put_link(link, label, &unaudited)?;
            }
            if queued || compare || writer.give_held(link)? {
                return Ok(queued || !compare);
            }
            if let Some(want) = &want {
                write_own_kind(writer, clock, now, Want::entity(&want.device), want.to_body())?;
            }
            if is_due {
                make_witnesses(writer, clock, now, name)?;
            }
            writer.give_held(link)
        });
        drained.queued = self.checked(written)?;
        if drained.compare {
            self.log.moved(link, unaudited);
        }
        if drained.queued {
            // The host is drained again before long.
            drained.again_in = None;
        }
        Ok(drained)
    }

    /// Returns after how long a witness is due; `None` if there is nothing to tell.
    fn witness_due_in(&self, waiting: Waiting, now: Timestamp) -> Option<Duration> {
        let quiet = self.witness_after?;
        let Waiting { emitted, has_news, .. } = waiting;
        match emitted {
            Some((_, count)) if count >= MOST_NAMED as u64 => Some(Duration::ZERO),
            // A clock that was set back must not make the witness wait for the time that it showed.
            Some((last, _)) if now < last => Some(Duration::ZERO),
            Some((last, _)) => Some(quiet.saturating_sub(now.since(last))),
            None => has_news.then_some(Duration::ZERO),
        }
    }
}

/// Writes witnesses of what no witness covers yet.
fn make_witnesses(
    writer: &mut LogWriter<'_>,
    clock: Clock,
    now: Timestamp,
    name: Option<&str>,
) -> Result<(), LogError> {
    for _ in 0..MOST_AT_ONCE {
        let last = writer.device_id()?;
        let last = writer.winner(&Witness::entity(&last))?;
        if last.is_some_and(|last| last.position.changed > clock.bound(now)) {
            // The clock ran far ahead once. Under a new name, the device's witnesses need not be dated after that.
            writer.renew_device()?;
        }
        let Some(witness) = writer.next_witness(name)? else { break };
        let is_full = witness.named.len() == MOST_NAMED;
        if !write_own_kind(writer, clock, now, Witness::entity(&witness.device), witness.to_body())? {
            break;
        }
        if !is_full {
            break;
        }
    }
    Ok(())
}

/// Writes a message of the framework's own; false if there is no room for it at the end of the format's range.
fn write_own_kind(
    writer: &mut LogWriter<'_>,
    clock: Clock,
    now: Timestamp,
    entity: EntityId,
    body: Vec<u8>,
) -> Result<bool, LogError> {
    let clock = Clock { refuse_beyond: false, ..clock };
    match Emission::new(clock, now, 1).write_own_kind(writer, entity, body) {
        Ok(()) => Ok(true),
        Err(EmitError::Log(error)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "nothing can be told to other devices any more");
            Ok(false)
        }
    }
}
