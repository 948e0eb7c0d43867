//! Reads request bodies within the limits.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::app::{App, PERMIT_BYTES};
use crate::{Limits, Refusal};

/// A whole request body.
pub(super) struct Upload {
    pub(super) bytes: Vec<u8>,
    /// Its part of the memory for bodies.
    pub(super) held: Option<OwnedSemaphorePermit>,
}

/// A request's part of the memory for bodies, kept until the store is done with it and it is answered to the end.
pub(super) type Held = Option<Arc<OwnedSemaphorePermit>>;

/// Reads a body to its end.
///
/// Of a body above the limit no more than the limit is kept. The rest is read and thrown away, for a while: most clients
/// look for a response only when they have sent everything.
pub(super) async fn read(app: &App, body: Body) -> Result<Upload, Refusal> {
    let mut stream = body.into_data_stream();
    let upload = timeout(app.limits.upload, gather(app, &mut stream)).await.map_err(|_| Refusal::Incomplete)?;
    if matches!(upload, Err(Refusal::TooLarge | Refusal::Busy)) {
        discard(&app.limits, &mut stream).await;
    }
    upload
}

async fn gather(app: &App, stream: &mut BodyDataStream) -> Result<Upload, Refusal> {
    let mut upload = Upload { bytes: Vec::new(), held: None };
    loop {
        let chunk = timeout(app.limits.idle, stream.next()).await.map_err(|_| Refusal::Incomplete)?;
        let Some(chunk) = chunk else { return Ok(upload) };
        let chunk = chunk.map_err(|_| Refusal::Incomplete)?;
        if chunk.len() > app.limits.body - upload.bytes.len() {
            return Err(Refusal::TooLarge);
        }
        upload.hold(app, chunk.len()).await?;
        upload.bytes.extend_from_slice(&chunk);
    }
}

async fn discard(limits: &Limits, stream: &mut BodyDataStream) {
    let _ = timeout(limits.idle, async { while let Some(Ok(_)) = stream.next().await {} }).await;
}

impl Upload {
    /// Waits for room for `count` more bytes.
    async fn hold(&mut self, app: &App, count: usize) -> Result<(), Refusal> {
        let wanted = (self.bytes.len() + count).div_ceil(PERMIT_BYTES);
        let more = wanted - self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(more).map_err(|_| Refusal::TooLarge)?;
        let acquired = timeout(app.limits.idle, app.bodies.clone().acquire_many_owned(more)).await;
        let permit = acquired.map_err(|_| Refusal::Busy)?.map_err(|_| Refusal::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            held => *held = Some(permit),
        }
        Ok(())
    }
}
