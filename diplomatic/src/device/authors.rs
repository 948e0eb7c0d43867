//! Which device wrote a message, from what devices say of themselves.

use std::collections::HashMap;

use crate::log::{LogError, LogReader, StoredMessage, THIS_DEVICE};
use crate::order::Position;
use crate::witness::{DeviceId, Witness};

/// How many of the framework's own messages are read at once.
const PAGE: usize = 64;

/// The authors of messages, looked up as far as they are asked for.
///
/// A device names what it wrote in a witness, which it writes later. So the witnesses after a message tell whose it is, and
/// mostly the first of them.
pub(super) struct Authors<'a, 'l> {
    pub(super) reader: &'a LogReader<'l>,
    this_device: Option<DeviceId>,
    known: HashMap<Position, DeviceId>,
    /// After what to read more witnesses; `None` at the end.
    next: Option<Position>,
}

impl<'a, 'l> Authors<'a, 'l> {
    /// Prepares to tell the authors of these messages.
    pub(super) fn of<'m>(
        reader: &'a LogReader<'l>,
        messages: impl IntoIterator<Item = &'m StoredMessage>,
    ) -> Result<Self, LogError> {
        let first = messages.into_iter().map(|stored| stored.position).min();
        Ok(Self { reader, this_device: reader.device()?, known: HashMap::new(), next: first })
    }

    /// Returns the device that wrote a message, if that is known.
    pub(super) fn author(&mut self, stored: &StoredMessage) -> Result<Option<DeviceId>, LogError> {
        if stored.origin == THIS_DEVICE {
            return Ok(self.this_device);
        }
        if let Some(Witness { device, .. }) = Witness::of(&stored.message) {
            return Ok(Some(device));
        }
        loop {
            if let Some(device) = self.known.get(&stored.position) {
                return Ok(Some(*device));
            }
            let Some(after) = self.next else { return Ok(None) };
            let page = self.reader.own_kind_after(&after, PAGE)?;
            self.next = page.last().filter(|_| page.len() == PAGE).map(|last| last.position);
            for Witness { device, named, .. } in page.iter().filter_map(|stored| Witness::of(&stored.message)) {
                self.known.extend(named.into_iter().map(|position| (position, device)));
            }
        }
    }
}
