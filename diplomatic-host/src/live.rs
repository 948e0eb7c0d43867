//! The live channel: who has sockets open, and what is queued for each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diplomatic::standard::PublicKey;
use tokio::sync::mpsc;

use crate::Notice;

/// How many frames wait for a slow socket before it is closed.
const QUEUED_FRAMES: usize = 256;
/// How many bytes wait for a slow socket before it is closed; a single frame may be larger.
const QUEUED_BYTES: usize = 4 << 20;

/// The open sockets of every user.
///
/// Publishing never waits: a socket whose queue is full is let go, for its client finds out what it missed by a PEEK
/// when it connects again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hub {
    sockets: Arc<Mutex<HashMap<PublicKey, Vec<Socket>>>>,
}

#[derive(Debug)]
struct Socket {
    frames: mpsc::Sender<Arc<[u8]>>,
    queued: Arc<AtomicUsize>,
}

/// The receiving end of one socket's queue. Dropping it takes the socket off the hub.
#[derive(Debug)]
pub(crate) struct Subscription {
    hub: Hub,
    user: PublicKey,
    frames: mpsc::Receiver<Arc<[u8]>>,
    queued: Arc<AtomicUsize>,
}

impl Hub {
    /// Opens a queue for a socket of `user`; what is published from now on is in it.
    pub(crate) fn subscribe(&self, user: PublicKey) -> Subscription {
        let (sender, frames) = mpsc::channel(QUEUED_FRAMES);
        let queued = Arc::new(AtomicUsize::new(0));
        let socket = Socket { frames: sender, queued: Arc::clone(&queued) };
        self.sockets().entry(user).or_default().push(socket);
        Subscription { hub: self.clone(), user, frames, queued }
    }

    /// Queues a frame for every open socket of its user.
    pub(crate) fn publish(&self, Notice { user, frame }: Notice) {
        let mut sockets = self.sockets();
        if let Some(open) = sockets.get_mut(&user) {
            let frame: Arc<[u8]> = frame.into();
            open.retain(|socket| socket.offer(&frame));
            if open.is_empty() {
                sockets.remove(&user);
            }
        }
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<PublicKey, Vec<Socket>>> {
        // Nothing that can panic runs under this lock.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Queues a frame; `false` when it does not fit and the socket has to go.
    fn offer(&self, frame: &Arc<[u8]>) -> bool {
        let before = self.queued.fetch_add(frame.len(), Ordering::Relaxed);
        let fits = before == 0 || before + frame.len() <= QUEUED_BYTES;
        fits && self.frames.try_send(Arc::clone(frame)).is_ok()
    }
}

impl Subscription {
    /// Returns the next frame, or `None` once the socket was let go and what was queued before is taken.
    ///
    /// # Cancel safety
    ///
    /// No frame is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Arc<[u8]>> {
        let frame = self.frames.recv().await?;
        self.queued.fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.frames.close();
        let mut sockets = self.hub.sockets();
        if let Some(open) = sockets.get_mut(&self.user) {
            open.retain(|socket| !socket.frames.is_closed());
            if open.is_empty() {
                sockets.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(user: u8, frame: &[u8]) -> Notice {
        Notice { user: PublicKey::from_bytes([user; 32]), frame: frame.to_vec() }
    }

    fn drain(subscription: &mut Subscription) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| subscription.frames.try_recv().ok()).map(|frame| frame.to_vec()).collect()
    }

    #[test]
    fn every_socket_of_the_user_gets_every_frame_and_no_other_socket_does() {
        let hub = Hub::default();
        let [mut first, mut second, mut stranger] =
            [1, 1, 2].map(|user| hub.subscribe(PublicKey::from_bytes([user; 32])));
        hub.publish(notice(1, b"one"));
        hub.publish(notice(1, b"two"));
        assert_eq!(drain(&mut first), [b"one", b"two"]);
        assert_eq!(drain(&mut second), [b"one", b"two"]);
        assert!(drain(&mut stranger).is_empty());
    }

    #[test]
    fn a_dropped_subscription_leaves_nothing_behind() {
        let hub = Hub::default();
        let first = hub.subscribe(PublicKey::from_bytes([1; 32]));
        let second = hub.subscribe(PublicKey::from_bytes([1; 32]));
        drop(first);
        assert_eq!(hub.sockets().values().map(Vec::len).sum::<usize>(), 1);
        drop(second);
        assert!(hub.sockets().is_empty());
    }

    #[test]
    fn a_socket_that_never_reads_is_let_go_by_count_and_by_bytes() {
        for (frame, most) in [(vec![0; 10], QUEUED_FRAMES), (vec![0; QUEUED_BYTES / 4], 4)] {
            let hub = Hub::default();
            let mut slow = hub.subscribe(PublicKey::from_bytes([1; 32]));
            (0..QUEUED_FRAMES + 10).for_each(|_| hub.publish(notice(1, &frame)));
            assert!(hub.sockets().is_empty());
            assert_eq!(drain(&mut slow).len(), most);
            assert!(matches!(slow.frames.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
        }
    }

    #[test]
    fn a_frame_larger_than_the_queue_passes_when_nothing_waits() {
        let hub = Hub::default();
        let mut socket = hub.subscribe(PublicKey::from_bytes([1; 32]));
        hub.publish(notice(1, &vec![0; 2 * QUEUED_BYTES]));
        assert_eq!(drain(&mut socket).len(), 1);
    }
}
