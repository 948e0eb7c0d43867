//! The live channel over `WebSocket`.

use futures_util::future::{Either, select};
use js_sys::{ArrayBuffer, Uint8Array};
use tokio::sync::mpsc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, CloseEvent, Event, MessageEvent, WebSocket};

use crate::client::address::Address;
use crate::client::network::LARGEST_FRAME;
use crate::standard::calls::AuthToken;
use crate::sync::LiveEvent;

/// Opens a live channel and forwards its events until `events` is closed.
pub(super) async fn run(
    address: &Address,
    token: &AuthToken,
    events: mpsc::Sender<LiveEvent>,
    mut pings: mpsc::Receiver<()>,
) {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let Ok(socket) = Socket::open(&address.live(token).as_str().replacen("http", "ws", 1), &sender) else {
        let _ = events.send(LiveEvent::Closed).await;
        return;
    };
    drop(sender);
    loop {
        let event = {
            let heard = std::pin::pin!(heard.recv());
            // The driver lets go of the channel by closing its end of the pings. There are no pings to send.
            let let_go = std::pin::pin!(async { while pings.recv().await.is_some() {} });
            match select(heard, let_go).await {
                Either::Left((event, _)) => event.unwrap_or(LiveEvent::Closed),
                Either::Right(_) => break,
            }
        };
        let is_last = event.is_last();
        if events.send(event).await.is_err() || is_last {
            break;
        }
    }
    drop(socket);
}

/// A socket that closes when it is dropped, and reports nothing after that.
struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut(Event)>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Socket {
    fn open(url: &str, events: &mpsc::UnboundedSender<LiveEvent>) -> Result<Self, JsValue> {
        let socket = WebSocket::new(url)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        // Sending fails only if nobody listens any more.
        let opened = events.clone();
        let on_open = Closure::<dyn FnMut(Event)>::new(move |_| _ = opened.send(LiveEvent::Opened));
        let arrived = events.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            _ = arrived.send(frame(&message.data()));
        });
        let closed = events.clone();
        let on_close = Closure::<dyn FnMut(CloseEvent)>::new(move |_| _ = closed.send(LiveEvent::Closed));
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self { socket, _on_open: on_open, _on_message: on_message, _on_close: on_close })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // This fails only for a code or reason that is not allowed, and there is none.
        let _ = self.socket.close();
    }
}

fn frame(data: &JsValue) -> LiveEvent {
    match data.dyn_ref::<ArrayBuffer>() {
        Some(buffer) if buffer.byte_length() as usize > LARGEST_FRAME => LiveEvent::Closed,
        Some(buffer) => LiveEvent::Frame(Uint8Array::new(buffer).to_vec()),
        None => LiveEvent::Alive,
    }
}
