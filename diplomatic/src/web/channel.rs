//! The channel on which the tabs with one store talk (BroadcastChannel): of this origin, and of nobody else.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

use super::relay::Message;

/// A place on the channel, until this is dropped.
pub(super) struct Channel {
    channel: BroadcastChannel,
    _hear: Closure<dyn FnMut(MessageEvent)>,
}

impl Channel {
    /// Takes part in the channel of this name. Messages of another build that this one cannot read are left out.
    pub(super) fn join(name: &str, hear: impl Fn(Message) + 'static) -> Result<Self, JsValue> {
        let channel = BroadcastChannel::new(name)?;
        let hear = Closure::new(move |event: MessageEvent| {
            if let Some(message) = event.data().as_string().and_then(|text| serde_json::from_str(&text).ok()) {
                hear(message);
            }
        });
        channel.set_onmessage(Some(hear.as_ref().unchecked_ref()));
        Ok(Self { channel, _hear: hear })
    }

    /// Says something to all others.
    pub(super) fn say(&self, message: &Message) -> Result<(), JsValue> {
        let text = serde_json::to_string(message).map_err(|error| JsValue::from_str(&error.to_string()))?;
        self.channel.post_message(&text.into())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}
