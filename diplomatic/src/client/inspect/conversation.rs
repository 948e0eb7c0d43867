//! Asking a host, without a session.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{HostInspector, InspectError};
use crate::client::network::{HttpEvent, Sent};
use crate::standard::calls::{Call, PeekRequest, PullItem, PullRequest, RawPeekItem, ResponseHead};
use crate::standard::{ClockOffset, Encode, MAX_SAFE, SealedBody, Seq, Status, Timestamp};
use crate::sync::{Failure, MAX_LISTED, ResponseStream};

/// How many listed bags are handed on at once.
const BATCH: usize = 1_000;

/// A conversation with one host. If the host rejects the time of a request, it is asked again with its own time.
pub(super) struct Conversation<'a> {
    inspector: &'a HostInspector,
    offset: ClockOffset,
    is_corrected: bool,
}

/// Why a host did not answer as it should.
enum Trouble {
    NotAHost,
    Garbled,
    Failed(Failure),
    Refused(Status),
    /// What was made of the answer failed.
    Inspect(InspectError),
}

/// Why a request for bodies failed.
pub(super) enum NoBodies {
    /// The answer makes no sense, which one damaged bag can cause.
    Garbled,
    Failed(InspectError),
}

impl<'a> Conversation<'a> {
    pub(super) fn new(inspector: &'a HostInspector) -> Self {
        Self { inspector, offset: ClockOffset::from_millis(0), is_corrected: false }
    }

    /// Lists the host's bags from the first one on, batch by batch, until `each` breaks. While it works on a batch, the host
    /// has to wait; a list that breaks off meanwhile is continued.
    pub(super) async fn list(
        &mut self,
        mut each: impl AsyncFnMut(Vec<RawPeekItem>) -> Result<ControlFlow<()>, InspectError>,
    ) -> Result<(), InspectError> {
        let mut last = Seq::ZERO;
        loop {
            let before = last;
            let outcome = self.list_after(&mut last, &mut each).await;
            match outcome {
                Err(Trouble::Failed(Failure::Cut | Failure::Timeout)) if last > before => {}
                outcome => return outcome.map_err(|trouble| self.error(trouble)),
            }
        }
    }

    async fn list_after(
        &mut self,
        last: &mut Seq,
        each: &mut impl AsyncFnMut(Vec<RawPeekItem>) -> Result<ControlFlow<()>, InspectError>,
    ) -> Result<(), Trouble> {
        let request = PeekRequest { after: *last };
        let mut batch: Vec<RawPeekItem> = Vec::new();
        let asked = self.ask(Call::Peek, &request, async |stream, is_end| {
            while let Some(item) = stream.item::<RawPeekItem>(MAX_LISTED).map_err(|_| Trouble::Garbled)? {
                let before = batch.last().map_or(*last, |item| item.seq);
                if item.seq <= before || item.seq.number() > MAX_SAFE {
                    return Err(Trouble::Garbled);
                }
                batch.push(item);
                if batch.len() >= BATCH {
                    break;
                }
            }
            if batch.is_empty() || batch.len() < BATCH && !is_end {
                return Ok(ControlFlow::Continue(()));
            }
            let listed = std::mem::take(&mut batch);
            *last = listed.last().map_or(*last, |item| item.seq);
            each(listed).await.map_err(Trouble::Inspect)
        });
        let outcome = asked.await;
        if matches!(outcome, Err(Trouble::Failed(_))) && !batch.is_empty() {
            // What came before the end is as good as the rest.
            *last = batch.last().map_or(*last, |item| item.seq);
            if each(batch).await.map_err(Trouble::Inspect)?.is_break() {
                return Ok(());
            }
        }
        outcome
    }

    /// Fetches bodies, each of which is `longest` bytes long at most. Some may be left out.
    pub(super) async fn bodies(&mut self, seqs: Vec<Seq>, longest: u64) -> Result<Vec<(Seq, SealedBody)>, NoBodies> {
        let asked_for = seqs.len();
        let request = PullRequest { seqs };
        let limit = usize::try_from(longest.saturating_add(16)).unwrap_or(usize::MAX);
        let mut bodies = Vec::new();
        let asked = self.ask(Call::Pull, &request, async |stream, _| {
            while let Some(PullItem { seq, body }) = stream.item(limit).map_err(|_| Trouble::Garbled)? {
                bodies.push((seq, body));
                if bodies.len() > asked_for {
                    return Err(Trouble::Garbled);
                }
            }
            Ok(ControlFlow::Continue(()))
        });
        match asked.await {
            Ok(()) => Ok(bodies),
            Err(Trouble::Garbled) => Err(NoBodies::Garbled),
            Err(trouble) => Err(NoBodies::Failed(self.error(trouble))),
        }
    }

    fn error(&self, trouble: Trouble) -> InspectError {
        let address = self.inspector.address.to_string();
        match trouble {
            Trouble::NotAHost => InspectError::NotAHost { address },
            Trouble::Garbled => InspectError::Garbled { address },
            Trouble::Failed(Failure::HttpStatus(404 | 405 | 410)) => InspectError::NotAHost { address },
            Trouble::Failed(cause) => InspectError::Unreachable { address, cause },
            Trouble::Refused(status) => InspectError::Refused { address, status },
            Trouble::Inspect(error) => error,
        }
    }

    /// Sends a request, and lets `take` decode what comes in, until it breaks or the answer has ended; it is told when that is
    /// so, and called again for as long as it takes something.
    async fn ask(
        &mut self,
        call: Call,
        request: &impl Encode,
        mut take: impl AsyncFnMut(&mut ResponseStream, bool) -> Result<ControlFlow<()>, Trouble>,
    ) -> Result<(), Trouble> {
        loop {
            match self.ask_once(call, request, &mut take).await {
                Err(Trouble::Refused(Status::CLOCK_OUT_OF_SYNC)) if !self.is_corrected => self.is_corrected = true,
                outcome => return outcome,
            }
        }
    }

    async fn ask_once(
        &mut self,
        call: Call,
        request: &impl Encode,
        take: &mut impl AsyncFnMut(&mut ResponseStream, bool) -> Result<ControlFlow<()>, Trouble>,
    ) -> Result<(), Trouble> {
        let sent = Timestamp::now();
        let HostInspector { keys, network, silence, .. } = self.inspector;
        let mut body = keys.authenticate(self.offset.apply(sent)).to_bytes();
        request.encode(&mut body);
        let (sender, mut events) = mpsc::channel(8);
        // It ends with the channel.
        tokio::spawn(network.clone().call(call, body, Arc::new(Sent::default()), sender));
        let mut stream = ResponseStream::default();
        let mut head: Option<ResponseHead> = None;
        loop {
            let event = tokio::time::timeout(*silence, events.recv()).await;
            let is_end = match event.unwrap_or(Some(HttpEvent::Failed(Failure::Timeout))) {
                Some(HttpEvent::Chunk(bytes)) => {
                    stream.extend(&bytes);
                    false
                }
                Some(HttpEvent::End) => true,
                Some(HttpEvent::Failed(cause)) => return Err(Trouble::Failed(cause)),
                None => return Err(Trouble::Failed(Failure::Cut)),
            };
            if head.is_none() {
                head = stream.head().map_err(|_| Trouble::NotAHost)?;
            }
            let status = match head {
                Some(head) => head.status,
                None if is_end => return Err(Trouble::NotAHost),
                None => continue,
            };
            if status != Status::SUCCESS && !stream.is_empty() {
                // A refusal is a head and nothing more.
                return Err(Trouble::NotAHost);
            }
            if let Some(head) = head.filter(|_| is_end && status != Status::SUCCESS) {
                self.offset = ClockOffset::measure(sent, head.received, head.sent, Timestamp::now());
                return Err(Trouble::Refused(status));
            }
            if status == Status::SUCCESS {
                loop {
                    let left = stream.len();
                    if take(&mut stream, is_end).await?.is_break() {
                        return Ok(());
                    }
                    if stream.len() == left {
                        break;
                    }
                }
            }
            if is_end {
                return if stream.is_empty() { Ok(()) } else { Err(Trouble::Garbled) };
            }
        }
    }
}
