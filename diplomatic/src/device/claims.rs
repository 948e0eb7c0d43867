//! Which host is asked for which message, so that several hosts do not all send the same.

use std::collections::HashMap;

use crate::standard::HeadHash;
use crate::sync::Claimed;

/// More are forgotten at once: a host that never delivers must not fill the memory.
const MOST: usize = 1 << 16;

/// The messages that hosts are being asked for, and the number of the link of each.
///
/// They are hints. Whoever waits for another host loses patience after a while, so nothing depends on that they are right.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<HeadHash, u32>);

impl Claims {
    /// Notes that a link's host is to be asked for a message, unless another one is being asked.
    pub(super) fn claim(&mut self, hash: HeadHash, link: u32) -> Claimed {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        if *self.0.entry(hash).or_insert(link) == link { Claimed::Granted } else { Claimed::Elsewhere }
    }

    /// Forgets a message that has come.
    pub(super) fn on_come(&mut self, hash: &HeadHash) {
        self.0.remove(hash);
    }
}
