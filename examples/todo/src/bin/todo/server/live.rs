//! The live channel, which pushes a device's view and takes the page's requests.

use axum::extract::ws::{Message, WebSocket};
use todo::device::{Device, Shown, answer};

/// The maximum length of a request, more than the longest notes need.
pub(super) const MAX_REQUEST: usize = 1 << 20;

/// Serves one page until it is closed or the program ends.
pub(super) async fn talk(mut socket: WebSocket, device: &Device, closed: impl Future<Output = ()>) {
    tokio::select! {
        _ = converse(&mut socket, device) => {}
        () = closed => {
            // If it does not arrive, the page notices.
            let _ = socket.send(Message::Close(None)).await;
        }
    }
}

/// Returns when the page or the device is gone.
async fn converse(socket: &mut WebSocket, device: &Device) -> Option<()> {
    let (mut changes, mut statuses) = (device.client.changes(), device.client.status_changes());
    let mut shown = Shown::default();
    let mut answered = None;
    loop {
        let push = shown.catch_up(device, answered.take()).await?;
        socket.send(Message::text(push)).await.ok()?;
        tokio::select! {
            change = changes.next() => change?,
            change = statuses.next() => drop(change?),
            message = socket.recv() => match message?.ok()? {
                Message::Text(request) => answered = Some(answer(device, &request).await),
                // No page of ours sends any.
                Message::Binary(_) => answered = Some(answer(device, "").await),
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) => {}
            },
        }
    }
}
