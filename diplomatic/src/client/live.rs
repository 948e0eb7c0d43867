//! The live channel over WebSocket, with tokio-tungstenite.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, connect_async_tls_with_config};
use url::Url;

use crate::sync::LiveEvent;

/// The largest accepted frame, far beyond what the PUSH of any client causes. A larger one closes the channel, and PEEK
/// lists the heads.
const LARGEST_FRAME: usize = 16 << 20;

/// Opens a live channel and forwards its events until `events` is closed. Sends a ping for each item of `pings`.
pub(super) async fn run(
    url: Url,
    tls: Arc<ClientConfig>,
    events: mpsc::Sender<LiveEvent>,
    mut pings: mpsc::Receiver<()>,
) {
    let config = WebSocketConfig::default().max_message_size(Some(LARGEST_FRAME)).max_frame_size(Some(LARGEST_FRAME));
    let connector = Connector::Rustls(tls);
    let opening = connect_async_tls_with_config(url.as_str(), Some(config), true, Some(connector));
    let opened = tokio::select! {
        opened = opening => opened,
        // The driver gave up. A host that never answers must not accumulate sockets.
        () = events.closed() => return,
    };
    let mut socket = match opened {
        Ok((socket, _)) => socket,
        Err(error) => {
            let _ = events.send(refusal(&error)).await;
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

fn refusal(error: &Error) -> LiveEvent {
    tracing::debug!(%error, "no live channel");
    match error {
        Error::Http(response) if response.status().is_success() => LiveEvent::NotSupported,
        Error::Http(response) => LiveEvent::Refused(response.status().as_u16()),
        _ => LiveEvent::Closed,
    }
}
