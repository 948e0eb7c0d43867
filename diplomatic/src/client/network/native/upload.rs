//! The body of a request, which counts what has been sent of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::client::network::sent::Sent;

/// How many bytes are handed on at once. Small pieces show the progress on a slow line.
const PIECE: usize = 4 << 10;

/// The body of a request.
#[derive(Debug)]
pub(super) struct Upload {
    rest: Bytes,
    passed: u64,
    sent: Arc<Sent>,
}

impl Upload {
    pub(super) fn new(body: Vec<u8>, sent: Arc<Sent>) -> Self {
        Self { rest: body.into(), passed: 0, sent }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let len = PIECE.min(self.rest.len());
        let piece = self.rest.split_to(len);
        self.passed += len as u64;
        self.sent.note(self.passed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
