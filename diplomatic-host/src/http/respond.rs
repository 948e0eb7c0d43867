//! Turns replies into responses.

use std::io;
use std::net::IpAddr;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CONTENT_TYPE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::{Stream, StreamExt, stream};

use super::around::Traffic;
use super::outgoing::Outgoing;
use crate::app::App;
use crate::budget::Counted;
use crate::{Metrics, Reply};

/// Returns the response to a call or a preflight.
pub(super) async fn respond(app: &App, reply: Reply, address: Option<IpAddr>, traffic: Option<Traffic>) -> Response {
    if reply.status().is_none() {
        return preflight();
    }
    let mut outgoing = Outgoing::new(app.clone(), reply.items.user(), address);
    let was_refused = reply.refusal().is_some();
    let reply = outgoing.start(reply).await;
    if let Some(reason) = reply.refusal().filter(|_| !was_refused) {
        app.metrics.count_refusal(reason);
    }
    let head = reply.head(app.now());
    let sent = Sent { metrics: app.metrics.clone(), traffic };
    sent.count(head.len());
    let body = match reply.items.as_whole() {
        Some(items) => {
            sent.count(items.len());
            let whole = [&head, items].concat();
            Body::from(Counted::new(whole, outgoing.take_started()))
        }
        None => {
            let head = stream::once(async { Ok(Bytes::from(head)) });
            Body::from_stream(head.chain(chunks(outgoing, reply, sent)))
        }
    };
    let mut response = allow_any_origin(Response::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// Counts what is sent.
struct Sent {
    metrics: Metrics,
    traffic: Option<Traffic>,
}

impl Sent {
    fn count(&self, bytes: usize) {
        self.metrics.count_sent(bytes as u64);
        if let Some(traffic) = &self.traffic {
            traffic.count(bytes as u64);
        }
    }
}

/// Returns an empty response with another status than 200.
pub(super) fn refuse(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    allow_any_origin(response)
}

/// Lets pages of any origin read a response, and when to come again.
pub(super) fn allow_any_origin(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    response
}

fn preflight() -> Response {
    let mut response = allow_any_origin(Response::new(Body::empty()));
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// Reads items as the client takes them. A store that fails ends the stream with an error, which breaks the response
/// off so that the client does not take a part for the whole.
fn chunks(outgoing: Outgoing, reply: Reply, sent: Sent) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((outgoing, reply, sent), async |(mut outgoing, mut reply, sent)| {
        let chunk = outgoing.next(&mut reply).await.map_err(io::Error::other)?;
        sent.count(chunk.as_ref().map_or(0, Bytes::len));
        Ok(chunk.map(|chunk| (chunk, (outgoing, reply, sent))))
    })
}
