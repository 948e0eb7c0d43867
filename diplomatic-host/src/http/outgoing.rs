//! Keeps what goes out within its budget.

use std::net::IpAddr;

use axum::body::Bytes;
use diplomatic::standard::PublicKey;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::budget::{Counted, Share};
use crate::calls::CHUNK;
use crate::{Refusal, Reply};

/// Reads the items of one reply, each chunk when there is room for it.
pub(super) struct Outgoing {
    app: App,
    user: Option<PublicKey>,
    address: Option<IpAddr>,
    /// The share of a chunk that was read and not taken yet.
    started: Option<Share>,
}

impl Outgoing {
    pub(super) const fn new(app: App, user: Option<PublicKey>, address: Option<IpAddr>) -> Self {
        Self { app, user, address, started: None }
    }

    /// Reads the first items of a reply, or makes it a refusal.
    pub(super) async fn start(&mut self, reply: Reply) -> Reply {
        if self.user.is_none() {
            return reply;
        }
        let (mut share, _reading) = match self.room().await {
            Ok(room) => room,
            Err(refusal) => {
                let mut refused = Reply::refused(reply.received, &refusal);
                refused.notices = reply.notices;
                return refused;
            }
        };
        let reply = reply.start(self.app.host.store()).await;
        share.settle(CHUNK, reply.items.at_hand());
        self.started = Some(share);
        reply
    }

    /// Returns the next chunk of a reply, which keeps its share until it is sent.
    pub(super) async fn next(&mut self, reply: &mut Reply) -> Result<Option<Bytes>, Refusal> {
        let store = self.app.host.store();
        if let Some(share) = self.started.take() {
            let chunk = reply.items.next_chunk(store).await?;
            return Ok(chunk.map(|chunk| Counted::new(chunk, share)));
        }
        if self.user.is_none() {
            return Ok(reply.items.next_chunk(store).await?.map(Bytes::from));
        }
        let (mut share, _reading) = self.room().await?;
        let chunk = reply.items.next_chunk(store).await?;
        share.settle(CHUNK, chunk.as_ref().map_or(0, Vec::len));
        Ok(chunk.map(|chunk| Counted::new(chunk, share)))
    }

    /// Returns the share of what is at hand already.
    pub(super) fn take_started(&mut self) -> Share {
        self.started.take().unwrap_or_else(|| self.share())
    }

    /// Waits for room for a chunk, and for a turn to read it. A chunk may be larger, as a body is; only as many are read
    /// at once as may be too large by that.
    async fn room(&self) -> Result<(Share, OwnedSemaphorePermit), Refusal> {
        loop {
            let mut share = self.share();
            share.grow(CHUNK, self.app.limits.idle).await?;
            let reading = self.app.reads.clone().acquire_owned().await.map_err(|_| Refusal::Busy)?;
            if !share.is_overdrawn() {
                return Ok((share, reading));
            }
        }
    }

    fn share(&self) -> Share {
        self.app.outgoing.share(self.user, self.address)
    }
}
