//! Reads request bodies within the limits.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use diplomatic::standard::PublicKey;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::budget::Share;
use crate::{Incoming, Limits, Refusal, StoreFuture};

/// A request body that comes in, with its part of the memory for bodies.
pub(super) struct Upload {
    stream: BodyDataStream,
    limits: Limits,
    share: Share,
    pace: Pace,
    ended: bool,
    received: u64,
}

/// Keeps clients to [`Limits::rate`], but for pauses. Time that passes while nobody wants bytes does not count.
struct Pace {
    rate: u64,
    /// The longest pause.
    most: Duration,
    /// How long the next bytes may take.
    left: Duration,
}

impl Upload {
    pub(super) fn new(app: &App, address: Option<IpAddr>, body: Body) -> Self {
        let share = app.bodies.share(None, address);
        let most = app.limits.idle;
        let pace = Pace { rate: app.limits.rate.max(1) as u64, most, left: most };
        Self { stream: body.into_data_stream(), limits: (*app.limits).clone(), share, pace, ended: false, received: 0 }
    }

    /// Returns how many bytes have come.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Reads what nobody wants and throws it away, for a while: most clients look for a response only when they have
    /// sent everything.
    pub(super) async fn discard(mut self) {
        self.share.shrink(usize::MAX);
        let mut left = self.limits.body;
        let discard = async {
            while let Some(Ok(chunk)) = self.stream.next().await
                && chunk.len() < left
            {
                left -= chunk.len();
            }
        };
        if !self.ended {
            let _ = timeout(self.limits.idle, discard).await;
        }
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        let started = Instant::now();
        let chunk = timeout(self.pace.left, self.stream.next()).await.map_err(|_| Refusal::Incomplete)?;
        let Some(chunk) = chunk else {
            self.ended = true;
            return Ok(None);
        };
        let chunk = chunk.map_err(|_| Refusal::Incomplete)?;
        self.received += chunk.len() as u64;
        self.pace.on_bytes(chunk.len() as u64, started.elapsed());
        self.share.grow(chunk.len(), self.limits.idle).await?;
        Ok(Some(chunk))
    }
}

impl Incoming for Upload {
    fn next(&mut self) -> StoreFuture<'_, Result<Option<Bytes>, Refusal>> {
        Box::pin(self.next_chunk())
    }

    fn release(&mut self, count: usize) {
        self.share.shrink(count);
    }

    fn admit(&mut self, caller: &PublicKey) {
        self.share.set_account(*caller);
    }
}

impl Pace {
    fn on_bytes(&mut self, count: u64, took: Duration) {
        let earned = Duration::from_millis(count.saturating_mul(1000) / self.rate);
        self.left = (self.left.saturating_sub(took) + earned).min(self.most);
    }
}
