//! Turns replies into responses.

use std::io;
use std::net::IpAddr;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    CONTENT_TYPE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::{Stream, StreamExt, stream};

use super::outgoing::Outgoing;
use crate::Reply;
use crate::app::App;
use crate::budget::Counted;

/// Returns the response to a call or a preflight.
pub(super) async fn respond(app: &App, reply: Reply, address: Option<IpAddr>) -> Response {
    if reply.status().is_none() {
        return preflight();
    }
    let mut outgoing = Outgoing::new(app.clone(), reply.items.user(), address);
    let reply = outgoing.start(reply).await;
    let head = reply.head(app.now());
    let body = match reply.items.as_whole() {
        Some(items) => {
            let whole = [&head, items].concat();
            Body::from(Counted::new(whole, outgoing.take_started()))
        }
        None => {
            let head = stream::once(async { Ok(Bytes::from(head)) });
            Body::from_stream(head.chain(chunks(outgoing, reply)))
        }
    };
    let mut response = allow_any_origin(Response::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// Returns an empty response with another status than 200.
pub(super) fn refuse(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    allow_any_origin(response)
}

/// Lets pages of any origin read a response.
pub(super) fn allow_any_origin(mut response: Response) -> Response {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
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
fn chunks(outgoing: Outgoing, reply: Reply) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((outgoing, reply), async |(mut outgoing, mut reply)| {
        let chunk = outgoing.next(&mut reply).await.map_err(io::Error::other)?;
        Ok(chunk.map(|chunk| (chunk, (outgoing, reply))))
    })
}
