//! Turns replies into responses.

use std::rc::Rc;

use diplomatic::standard::PublicKey;
use diplomatic_host::Reply;
use futures_util::{StreamExt, stream};
use worker::{Headers, Response, ResponseBuilder};

use crate::account::Shared;
use crate::clock::Clock;

/// Answers with a reply whose items, if it has any, are to be read from the account's store.
pub(crate) fn respond(
    shared: &Rc<Shared>,
    user: Option<PublicKey>,
    reply: Reply,
    clock: Clock,
) -> worker::Result<Response> {
    let now = clock.now();
    let head = reply.head(now);
    shared.count_traffic(now, user, head.len() as u64);
    if let Some(items) = reply.items.as_whole() {
        shared.count_traffic(now, user, items.len() as u64);
        return builder()?.from_bytes([&head, items].concat());
    }
    let first = stream::once(async { Ok(head) });
    // A store that fails breaks the response off, so that the client does not take a part for the whole.
    let rest = stream::try_unfold((Rc::clone(shared), reply), move |(shared, mut reply)| async move {
        let chunk = reply.items.next_chunk(shared.store()).await.map_err(|error| error.to_string())?;
        shared.count_traffic(now, user, chunk.as_ref().map_or(0, Vec::len) as u64);
        if chunk.is_none() {
            shared.note_traffic(now, user).await;
        }
        Ok::<_, String>(chunk.map(|chunk| (chunk, (shared, reply))))
    });
    builder()?.from_stream(Box::pin(first.chain(rest)))
}

/// Answers with a reply that has no items.
pub(crate) fn respond_at_once(reply: &Reply, clock: Clock) -> worker::Result<Response> {
    if reply.status().is_none() {
        return preflight();
    }
    builder()?.from_bytes(reply.head(clock.now()))
}

/// Refuses an upgrade to the live channel: with another status than 200, and nothing else.
pub(crate) fn refuse(status: u16) -> worker::Result<Response> {
    Ok(builder()?.with_status(status).empty())
}

fn preflight() -> worker::Result<Response> {
    let builder = builder()?
        .with_header("access-control-allow-methods", "GET, POST, OPTIONS")?
        .with_header("access-control-allow-headers", "content-type")?
        .with_header("access-control-max-age", "86400")?;
    Ok(builder.empty())
}

fn builder() -> worker::Result<ResponseBuilder> {
    let headers = Headers::new();
    headers.set("access-control-allow-origin", "*")?;
    headers.set("content-type", "application/octet-stream")?;
    Ok(Response::builder().with_headers(headers))
}
