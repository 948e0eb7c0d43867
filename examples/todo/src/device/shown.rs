//! What a page already shows, and what it lacks.

use serde::Serialize;

use super::{Answer, Device, Line, SyncView, View};

/// What a page already has.
#[derive(Debug, Default)]
pub struct Shown {
    view: Option<View>,
    sync: Option<SyncView>,
    log: Option<Vec<Line>>,
}

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

impl Shown {
    /// Returns the message, as JSON, after which the page shows the device as it is; `None` if the device cannot be read.
    pub async fn catch_up(&mut self, device: &Device, answer: Option<Answer>) -> Option<String> {
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
        serde_json::to_string(&push).ok()
    }

    /// Returns the message for a page that has just come; `None` if nothing was shown yet.
    pub fn all(&self) -> Option<String> {
        let Self { view, sync, log } = self;
        let push = Push { view: view.as_ref(), sync: sync.as_ref(), log: log.as_deref(), answer: None };
        view.as_ref().and_then(|_| serde_json::to_string(&push).ok())
    }
}

/// Notes what is so now, and returns it if that is news.
fn news<T: PartialEq>(shown: &mut Option<T>, now: T) -> Option<&T> {
    if shown.as_ref() == Some(&now) { None } else { Some(shown.insert(now)) }
}
