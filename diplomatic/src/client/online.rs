//! Noticing that the network is back, as a browser tells.

use std::sync::Arc;

use tokio::sync::Notify;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Event, EventTarget};

use super::shared::Shared;
use crate::reducer::Reducer;

/// Tells the drivers of all hosts whenever the browser says that it is online again.
pub(super) async fn watch<R: Reducer>(shared: Arc<Shared<R>>) {
    let back = Arc::new(Notify::new());
    let listener = Listener::new(back.clone());
    loop {
        back.notified().await;
        tracing::debug!("the network is back");
        shared.woke();
        // It listens for as long as this runs.
        let _ = &listener;
    }
}

/// A listener, which is removed when this is dropped.
struct Listener {
    target: EventTarget,
    heard: Closure<dyn FnMut(Event)>,
}

impl Listener {
    fn new(back: Arc<Notify>) -> Self {
        let target: EventTarget = js_sys::global().unchecked_into();
        let heard = Closure::<dyn FnMut(Event)>::new(move |_| back.notify_one());
        // A scope without such events never tells, and the usual pauses between attempts go on.
        _ = target.add_event_listener_with_callback("online", heard.as_ref().unchecked_ref());
        Self { target, heard }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        _ = self.target.remove_event_listener_with_callback("online", self.heard.as_ref().unchecked_ref());
    }
}
