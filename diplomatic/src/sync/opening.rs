//! Opening bags, which is most of the work of a first sync. It needs nothing but the keys, so it is done on other threads
//! than the log's where there are any.

use std::num::NonZero;

use super::window::Sealed;
use crate::parallel;
use crate::standard::{BagHead, HostKeys, Message, OpenBagError, OpenedHead, Seq};

/// How many heads or bodies are opened at a time. Signatures are checked together, which is cheaper for many.
const SHARE: usize = 512;

/// Heads and bodies that are to be opened.
#[derive(Debug, Default)]
pub(super) struct Opening {
    pub(super) heads: Vec<(Seq, BagHead)>,
    pub(super) bodies: Vec<Sealed>,
}

/// What became of them, in the same order.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) heads: Vec<(Seq, BagHead, Result<OpenedHead, OpenBagError>)>,
    pub(super) bodies: Vec<(Seq, Result<Message, OpenBagError>)>,
}

impl Opening {
    pub(super) const fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.bodies.is_empty()
    }

    /// Opens all of it while `here` runs on this thread.
    pub(super) fn open_beside<T>(self, keys: &HostKeys, here: impl FnOnce() -> T) -> (T, Opened) {
        // Less is not worth a thread.
        let is_little = self.heads.len() + self.bodies.len() < SHARE / 2;
        let threads = if is_little { NonZero::<usize>::MIN } else { parallel::usual_threads() };
        let (here, shares) = parallel::beside(threads, here, self.shares(), |share| share.open(keys));
        let mut opened = Opened::default();
        for share in shares {
            opened.heads.extend(share.heads);
            opened.bodies.extend(share.bodies);
        }
        (here, opened)
    }

    fn shares(self) -> Vec<Self> {
        let heads = split(self.heads).into_iter().map(|heads| Self { heads, bodies: Vec::new() });
        let bodies = split(self.bodies).into_iter().map(|bodies| Self { heads: Vec::new(), bodies });
        heads.chain(bodies).collect()
    }

    fn open(self, keys: &HostKeys) -> Opened {
        let Self { heads, bodies } = self;
        let opened = keys.open_heads(heads.iter().map(|(_, head)| head));
        Opened {
            heads: heads.into_iter().zip(opened).map(|((seq, head), opened)| (seq, head, opened)).collect(),
            bodies: bodies.into_iter().map(|Sealed { seq, head, body }| (seq, head.open_body(&body))).collect(),
        }
    }
}

fn split<T>(mut items: Vec<T>) -> Vec<Vec<T>> {
    let mut shares = Vec::with_capacity(items.len().div_ceil(SHARE));
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(SHARE));
        shares.push(std::mem::replace(&mut items, rest));
    }
    shares
}
