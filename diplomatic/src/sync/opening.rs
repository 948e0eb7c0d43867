//! Opening bags, which is most of the work of a first sync. It needs nothing but the keys, so it is done on other threads
//! than the log's where there are any.

use std::num::NonZero;

use super::window::Sealed;
use crate::parallel;
use crate::standard::{BagHead, HostKeys, Message, OpenBagError, OpenedHead, Seq};

/// How many heads a thread opens at a time. Signatures are checked together, which is cheaper for many.
const HEADS: usize = 512;

/// How many bytes of a body take as long to open as a head. Work is counted in heads.
const BYTES_PER_HEAD: usize = 8 << 10;

/// How much work a thread takes at a time in opening bodies.
const BODIES: usize = 64;

/// Less work than this is not worth a thread.
const LITTLE: usize = 128;

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
        let is_little = self.heads.len() + self.bodies.iter().map(work).sum::<usize>() < LITTLE;
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
        let heads = split(self.heads, |_| 1, HEADS).into_iter().map(|heads| Self { heads, bodies: Vec::new() });
        let bodies = split(self.bodies, work, BODIES).into_iter().map(|bodies| Self { heads: Vec::new(), bodies });
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

/// Returns how much work it is to open a body, in heads.
fn work(body: &Sealed) -> usize {
    1 + body.body.as_bytes().len() / BYTES_PER_HEAD
}

/// Splits items into shares of `enough` work each, in order.
fn split<T>(items: Vec<T>, work: impl Fn(&T) -> usize, enough: usize) -> Vec<Vec<T>> {
    let mut shares = Vec::new();
    let (mut share, mut done) = (Vec::new(), 0);
    for item in items {
        done += work(&item);
        share.push(item);
        if done >= enough {
            shares.push(std::mem::take(&mut share));
            done = 0;
        }
    }
    shares.extend((!share.is_empty()).then_some(share));
    shares
}
