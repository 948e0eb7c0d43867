//! The body of a request, as it comes in.

use std::pin::Pin;

use bytes::Bytes;
use diplomatic_host::{Incoming, Refusal, StoreFuture};
use futures_util::StreamExt;
use worker::send::{SendFuture, SendWrapper};
use worker::{ByteStream, Request};

/// The body of a request.
pub(crate) struct Body {
    /// `None` if the request has no body.
    stream: Option<SendWrapper<Pin<Box<ByteStream>>>>,
    received: u64,
}

impl Body {
    pub(crate) fn of(request: &mut Request) -> Self {
        let stream = request.stream().ok().map(|stream| SendWrapper::new(Box::pin(stream)));
        Self { stream, received: 0 }
    }

    /// Returns how many bytes have come.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }
}

impl Incoming for Body {
    fn next(&mut self) -> StoreFuture<'_, Result<Option<Bytes>, Refusal>> {
        Box::pin(SendFuture::new(async {
            let Some(stream) = &mut self.stream else { return Ok(None) };
            let Some(chunk) = stream.0.next().await else { return Ok(None) };
            let chunk = chunk.map_err(|_| Refusal::Incomplete)?;
            self.received += chunk.len() as u64;
            Ok(Some(chunk.into()))
        }))
    }
}
