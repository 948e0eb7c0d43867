//! The live channel, which pushes a device's view and takes the page's requests.

use axum::extract::ws::{Message, WebSocket};
use serde::Serialize;

use crate::device::{Answer, Device, Line, SyncView, View, answer};

/// The maximum length of a request, more than the longest notes need.
pub(super) const MAX_REQUEST: usize = 1 << 20;

/// A message to the page. Each part is complete, and left out if the page already has it.
#[derive(Debug, Serialize)]
struct Push<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'a View>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync: Option<&'a SyncView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a [Line]>,
    /// It comes with what the request led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
}

/// What a page already has.
#[derive(Debug, Default)]
struct Shown {
    view: Option<View>,
    sync: Option<SyncView>,
    log: Option<Vec<Line>>,
}

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
        socket.send(push).await.ok()?;
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

impl Shown {
    async fn catch_up(&mut self, device: &Device, answer: Option<Answer>) -> Option<Message> {
        // What is read later is at least as new, so the log lacks nothing that the list shows.
        let view = device.client.read(View::of);
        let log = match device.has_log {
            true => news(&mut self.log, device.log().await.ok()?),
            false => None,
        };
        let push = Push {
            view: news(&mut self.view, view),
            sync: news(&mut self.sync, SyncView::of(device, &device.client.digest().await.ok()?)),
            log: log.map(Vec::as_slice),
            answer,
        };
        Some(Message::text(serde_json::to_string(&push).ok()?))
    }
}

/// Notes what is so now, and returns it if that is news.
fn news<T: PartialEq>(shown: &mut Option<T>, now: T) -> Option<&T> {
    if shown.as_ref() == Some(&now) { None } else { Some(shown.insert(now)) }
}
