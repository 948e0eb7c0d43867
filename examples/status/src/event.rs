//! The event and the state.

use diplomatic::{DiplomaticEvent, Meta, Reducer};
use serde::{Deserialize, Serialize};

use crate::text::Text;

#[derive(Debug, DiplomaticEvent)]
pub(crate) enum StatusEvent {
    // The type that the standard's own tools write.
    #[diplomatic(singleton, type = "status")]
    Written(Text),
}

/// The state.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) text: Option<String>,
}

impl Reducer for Status {
    type Event = StatusEvent;

    fn apply(&mut self, event: StatusEvent, _: &Meta) {
        let StatusEvent::Written(text) = event;
        self.text = Some(text.0);
    }
}
