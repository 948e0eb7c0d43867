//! One socket of the live channel.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use diplomatic::standard::{PublicKey, Seq, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::around::Traffic;
use super::respond::{allow_any_origin, refuse};
use crate::app::{App, Seat};
use crate::live::Subscription;
use crate::metrics::Now;
use crate::{Limits, Refusal};

/// The largest message that a client may send; they have nothing to say.
const INCOMING: usize = 4096;
/// What is read of it at a time.
const READ_BUFFER: usize = 512;

/// Answers the upgrade: 401 unless the query's `t` lets the caller in.
pub(super) async fn open(app: App, seat: Option<Seat>, received: Timestamp, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let (user, last) = match admit(&app, received, parts.uri.query()).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            tracing::debug!(%refusal, "refused a socket");
            app.metrics.count_refusal(refusal.reason());
            return refuse(StatusCode::UNAUTHORIZED);
        }
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade
            .max_message_size(INCOMING)
            .max_frame_size(INCOMING)
            // Thousands of sockets are idle: each takes no more than it needs.
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0),
        Err(rejection) => return allow_any_origin(rejection.into_response()),
    };
    // Before the client hears that the channel is open: from then on it counts on every push being told.
    let Some(subscription) = app.hub.subscribe(user, last) else {
        app.metrics.count_refusal("sockets");
        return refuse(StatusCode::TOO_MANY_REQUESTS);
    };
    // What others pushed while it was opened is told too.
    if let Ok(Some(last)) = app.host.store().last(user).await {
        app.hub.hint(user, last);
    }
    allow_any_origin(upgrade.on_upgrade(async move |socket| {
        let _counted = app.metrics.hold(Now::Sockets);
        let traffic = Traffic::new(app.clone(), user);
        run(&app, socket, subscription, &traffic).await;
        drop(seat);
    }))
}

async fn admit(app: &App, now: Timestamp, query: Option<&str>) -> Result<(PublicKey, Seq), Refusal> {
    let token = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("t="));
    let (user, last) = app.host.admit(now, token.ok_or(Refusal::NoToken)?).await?;
    app.guard.gate.check(app.host.store(), &user).await?;
    if !app.guard.meter.allows_key(&user) {
        return Err(Refusal::TooMany);
    }
    Ok((user, last))
}

/// Sends what is published until one side has enough.
async fn run(app: &App, mut socket: WebSocket, mut frames: Subscription, traffic: &Traffic) {
    let mut pings = interval_at(Instant::now() + app.limits.ping, app.limits.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    let mut end = pin!(sleep(lifetime(app.limits.socket_life)));
    loop {
        let flow = tokio::select! {
            frame = frames.next() => match frame {
                Some(frame) => {
                    app.metrics.count_sent(frame.len() as u64);
                    traffic.count(frame.len() as u64);
                    send(&mut socket, &app.limits, Message::Binary(frame)).await
                }
                None => close(&mut socket, &app.limits, close_code::AGAIN, "too slow").await,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => ControlFlow::Break(()),
                Some(Ok(_)) => {
                    unanswered = 0;
                    ControlFlow::Continue(())
                }
            },
            _ = pings.tick() => {
                unanswered += 1;
                match unanswered {
                    1 | 2 => send(&mut socket, &app.limits, Message::Ping(Bytes::new())).await,
                    _ => ControlFlow::Break(()),
                }
            },
            () = &mut end => close(&mut socket, &app.limits, close_code::AGAIN, "time to connect again").await,
            () = app.closed() => close(&mut socket, &app.limits, close_code::AWAY, "shutting down").await,
        };
        if flow.is_break() {
            return;
        }
    }
}

/// Returns a time about as long as `life`, so that sockets which were opened together do not end together.
fn lifetime(life: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1024;
    life - life / 8 + (life / 4 * random as u32) / 1024
}

async fn send(socket: &mut WebSocket, limits: &Limits, message: Message) -> ControlFlow<()> {
    match timeout(limits.idle, socket.send(message)).await {
        Ok(Ok(())) => ControlFlow::Continue(()),
        Ok(Err(_)) | Err(_) => ControlFlow::Break(()),
    }
}

async fn close(socket: &mut WebSocket, limits: &Limits, code: u16, reason: &'static str) -> ControlFlow<()> {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let _ = send(socket, limits, Message::Close(Some(frame))).await;
    ControlFlow::Break(())
}
