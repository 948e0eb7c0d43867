//! The live channel over WebSocket, with tokio-tungstenite.

use futures_util::{SinkExt, StreamExt};
use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderMap};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::dial::{Dialer, Line, Use, failure_of};
use crate::client::address::Address;
use crate::client::network::{LARGEST_FRAME, refusal};
use crate::standard::Timestamp;
use crate::standard::calls::AuthToken;
use crate::sync::{Failure, LiveEvent};

/// Opens a live channel and forwards its events until `events` is closed. Sends a ping for each item of `pings`.
pub(super) async fn run(
    dialer: &Dialer,
    address: &Address,
    headers: &HeaderMap,
    token: &AuthToken,
    events: mpsc::Sender<LiveEvent>,
    mut pings: mpsc::Receiver<()>,
) {
    let opened = tokio::select! {
        opened = open(dialer, address, headers, token) => opened,
        // The driver gave up. A host that never answers must not accumulate sockets.
        () = events.closed() => return,
    };
    let mut socket = match opened {
        Ok(socket) => socket,
        Err(event) => {
            let _ = events.send(event).await;
            return;
        }
    };
    if events.send(LiveEvent::Opened).await.is_err() {
        return;
    }
    loop {
        let event = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => LiveEvent::Frame(bytes.to_vec()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => LiveEvent::Closed,
                Some(Ok(_)) => LiveEvent::Alive,
            },
            ping = pings.recv() => match ping {
                Some(()) => match socket.send(Message::Ping(Vec::new().into())).await {
                    Ok(()) => continue,
                    Err(_) => LiveEvent::Closed,
                },
                // The driver let go of the channel.
                None => {
                    let _ = socket.close(None).await;
                    return;
                }
            },
        };
        let is_closed = event == LiveEvent::Closed;
        if events.send(event).await.is_err() || is_closed {
            return;
        }
    }
}

async fn open(
    dialer: &Dialer,
    address: &Address,
    headers: &HeaderMap,
    token: &AuthToken,
) -> Result<WebSocketStream<Line>, LiveEvent> {
    let config = WebSocketConfig::default().max_message_size(Some(LARGEST_FRAME)).max_frame_size(Some(LARGEST_FRAME));
    let url = address.live(token);
    let uri: Uri = url.as_str().parse().map_err(|_| LiveEvent::Closed)?;
    let line = dialer.dial(&uri, Use::Live).await.map_err(LiveEvent::Failed)?;
    let url = url.as_str().replacen("http", "ws", 1);
    let mut request = url.into_client_request().map_err(|_| LiveEvent::Closed)?;
    if let Some(credentials) = address.credentials() {
        request.headers_mut().insert(AUTHORIZATION, credentials);
    }
    request.headers_mut().extend(headers.clone());
    let opened = client_async_with_config(request, line, Some(config)).await;
    opened.map(|(socket, _)| socket).map_err(|error| refused(&error, address))
}

fn refused(error: &Error, address: &Address) -> LiveEvent {
    tracing::debug!(%error, "no live channel");
    match error {
        Error::Http(response) if response.status().is_success() => LiveEvent::NotSupported,
        Error::Http(response) => {
            let status = response.status().as_u16();
            match refusal::of_head(status, response.headers(), address.url(), "/", Timestamp::now()) {
                None | Some(Failure::HttpStatus(_)) => LiveEvent::Refused(status),
                Some(failure) => LiveEvent::Failed(failure),
            }
        }
        Error::Io(error) => LiveEvent::Failed(failure_of(error)),
        _ => LiveEvent::Closed,
    }
}
