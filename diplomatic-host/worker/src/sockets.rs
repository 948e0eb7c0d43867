//! The sockets of an account's live channel. They stay open while the object sleeps, and cost nothing then.

use std::time::Duration;

use diplomatic::standard::Timestamp;
use diplomatic_host::Refusal;
use worker::{Request, Response, State, WebSocket, WebSocketIncomingMessage, WebSocketPair};

use crate::account::Shared;
use crate::clock::Clock;
use crate::door::token;
use crate::respond::refuse;

/// How many sockets an account has at most.
const MOST: usize = 64;
/// How long a socket lives; clients connect again.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The largest message that a client may send; they have nothing to say.
const INCOMING: usize = 4096;

/// Close codes of the WebSocket protocol.
const TOO_BIG: u16 = 1009;
const AGAIN: u16 = 1013;

/// Answers an upgrade: 401 unless the query's `t` lets the caller in.
pub(crate) async fn open(shared: &Shared, request: &Request, clock: Clock) -> worker::Result<Response> {
    let now = clock.now();
    let admitted: Result<_, Refusal> = async { shared.host().admit(now, &token(request)?).await }.await;
    if admitted.is_err() {
        return refuse(401);
    }
    if shared.state.get_websockets().len() >= MOST {
        return refuse(429);
    }
    // From here on every push is told: nothing else happens in the object before the socket is there.
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    shared.state.accept_web_socket(&server);
    server.serialize_attachment(now.as_millis() as f64)?;
    // An alarm that is there already rings for an older socket.
    let storage = shared.state.storage();
    if storage.get_alarm().await?.is_none() {
        storage.set_alarm(LIFE).await?;
    }
    Response::from_websocket(client)
}

/// Sends a frame to every socket, and returns how many bytes that takes.
pub(crate) fn send(state: &State, frame: &[u8]) -> usize {
    let mut sent = 0;
    for socket in state.get_websockets() {
        match socket.send_with_bytes(frame) {
            Ok(()) => sent += frame.len(),
            // Its client connects again, and lists what it missed.
            Err(_) => close(&socket, AGAIN, "too slow"),
        }
    }
    sent
}

/// Closes the sockets that have lived for long enough, and sees to it that the others are closed in time.
pub(crate) async fn clean_up(shared: &Shared, now: Timestamp) -> worker::Result<()> {
    let mut next: Option<Duration> = None;
    for socket in shared.state.get_websockets() {
        let opened = socket.deserialize_attachment::<f64>().ok().flatten().unwrap_or(0.0);
        let age = now.since(Timestamp::from_millis(opened as u64));
        match LIFE.checked_sub(age).filter(|left| !left.is_zero()) {
            Some(left) => next = Some(next.map_or(left, |next| next.min(left))),
            None => close(&socket, AGAIN, "time to connect again"),
        }
    }
    if let Some(next) = next {
        shared.state.storage().set_alarm(next).await?;
    }
    Ok(())
}

/// Hears a client, which has nothing to say.
pub(crate) fn hear(socket: &WebSocket, message: &WebSocketIncomingMessage) {
    let size = match message {
        WebSocketIncomingMessage::String(text) => text.len(),
        WebSocketIncomingMessage::Binary(bytes) => bytes.len(),
    };
    if size > INCOMING {
        close(socket, TOO_BIG, "too big");
    }
}

/// Answers a client that closes its socket.
pub(crate) fn answer_close(socket: &WebSocket, code: usize) {
    // Codes that stand for no code at all must not be sent.
    let code = u16::try_from(code).ok().filter(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999));
    let _ = socket.close(code, None::<&str>);
}

fn close(socket: &WebSocket, code: u16, reason: &str) {
    // One that is closed already is closed.
    let _ = socket.close(Some(code), Some(reason));
}
