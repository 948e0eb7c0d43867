//! The live channel: open sockets, what they have been sent, and what is queued for each.

mod follow;
mod order;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use diplomatic::standard::{PublicKey, Seq};
use tokio::sync::{Notify, mpsc};

use self::order::{Gap, Order, Told};
use crate::Notice;
use crate::budget::{Budget, Counted};

/// How many frames wait for a slow socket before it is closed.
const QUEUED_FRAMES: usize = 256;
/// How many bytes wait for a slow socket before it is closed. A single frame may be larger.
const QUEUED_BYTES: usize = 4 << 20;

/// The open sockets of every user.
///
/// Publishing never waits: a socket whose queue is full is closed, because its client catches up with a PEEK when it
/// reconnects. Frames are sent in order of seq; missing ones are read from the store (see [`Hub::follow`]).
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    channels: Mutex<HashMap<PublicKey, Channel>>,
    gaps: Gaps,
    /// The maximum number of sockets per user.
    most: usize,
    /// The memory for frames. Each frame takes one share, however many sockets wait for it.
    memory: Arc<Budget>,
}

/// The users with gaps that nobody is filling yet.
#[derive(Debug, Default)]
struct Gaps {
    users: Mutex<Vec<PublicKey>>,
    news: Notify,
}

/// The sockets of one user; at least one.
#[derive(Debug)]
struct Channel {
    order: Order,
    sockets: Vec<Socket>,
    /// Whether the task that fills gaps knows of this one.
    reported: bool,
}

#[derive(Debug)]
struct Socket {
    frames: mpsc::Sender<Bytes>,
    queued: Arc<AtomicUsize>,
}

/// The receiving end of one socket's queue. Dropping it removes the socket from the hub.
#[derive(Debug)]
pub(crate) struct Subscription {
    hub: Hub,
    user: PublicKey,
    frames: mpsc::Receiver<Bytes>,
    queued: Arc<AtomicUsize>,
}

impl Hub {
    /// Makes a hub with at most `most` sockets per user.
    pub(crate) fn new(most: usize, memory: Arc<Budget>) -> Self {
        Self { shared: Arc::new(Shared { channels: Mutex::default(), gaps: Gaps::default(), most, memory }) }
    }

    /// Opens a queue for a socket of `user` that gets everything after the seq `last`. `None` if the user has too many
    /// sockets.
    pub(crate) fn subscribe(&self, user: PublicKey, last: Seq) -> Option<Subscription> {
        let (sender, frames) = mpsc::channel(QUEUED_FRAMES);
        let queued = Arc::new(AtomicUsize::new(0));
        let socket = Socket { frames: sender, queued: Arc::clone(&queued) };
        let empty = || Channel { order: Order::after(last), sockets: Vec::new(), reported: false };
        {
            let mut channels = self.channels();
            let sockets = &mut channels.entry(user).or_insert_with(empty).sockets;
            if sockets.len() >= self.shared.most {
                return None;
            }
            sockets.push(socket);
        }
        Some(Subscription { hub: self.clone(), user, frames, queued })
    }

    /// Queues a frame for every open socket of its user once everything before it has been queued.
    pub(crate) fn publish(&self, Notice { user, first, last, frame }: Notice) {
        self.tell(user, first, last, frame);
    }

    fn tell(&self, user: PublicKey, first: Seq, last: Seq, frame: Vec<u8>) {
        // Most users have no socket.
        if !self.channels().contains_key(&user) {
            return;
        }
        let mut share = self.shared.memory.share(Some(user), None);
        if share.try_grow(frame.len()) {
            let bytes = Counted::new(frame, share);
            self.with(user, |order| order.take(Told { first, last, bytes }));
        } else {
            self.close(user);
        }
    }

    /// Records that the user has bags up to `last`.
    pub(crate) fn hint(&self, user: PublicKey, last: Seq) {
        self.with(user, |order| {
            order.hear_of(last);
            Vec::new()
        });
    }

    /// Returns the gap that the user's sockets are missing, if there are sockets.
    fn gap(&self, user: PublicKey) -> Option<Gap> {
        self.channels().get(&user)?.order.gap()
    }

    /// Closes the user's sockets.
    pub(crate) fn close(&self, user: PublicKey) {
        self.channels().remove(&user);
    }

    /// Returns up to which seq the sockets of each user were told.
    fn told(&self) -> Vec<(PublicKey, Seq)> {
        self.channels().iter().map(|(user, channel)| (*user, channel.order.told())).collect()
    }

    /// Closes every socket.
    fn close_all(&self) {
        self.channels().clear();
    }

    fn with(&self, user: PublicKey, act: impl FnOnce(&mut Order) -> Vec<Told>) {
        let mut channels = self.channels();
        let Some(channel) = channels.get_mut(&user) else { return };
        for told in act(&mut channel.order) {
            // Seqs that are gone leave an empty frame, which tells nothing.
            if !told.bytes.is_empty() {
                channel.sockets.retain(|socket| socket.offer(&told.bytes));
            }
        }
        if channel.sockets.is_empty() {
            channels.remove(&user);
        } else if channel.order.gap().is_some() && !channel.reported {
            channel.reported = true;
            self.shared.gaps.report(user);
        }
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<PublicKey, Channel>> {
        // Nothing that can panic runs under this lock.
        self.shared.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gaps {
    fn report(&self, user: PublicKey) {
        self.users().push(user);
        self.news.notify_one();
    }

    async fn next(&self) -> PublicKey {
        loop {
            if let Some(user) = self.users().pop() {
                return user;
            }
            self.news.notified().await;
        }
    }

    fn users(&self) -> MutexGuard<'_, Vec<PublicKey>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Queues a frame; returns false if it does not fit and the socket must be closed.
    fn offer(&self, frame: &Bytes) -> bool {
        let before = self.queued.fetch_add(frame.len(), Ordering::Relaxed);
        let fits = before == 0 || before + frame.len() <= QUEUED_BYTES;
        fits && self.frames.try_send(frame.clone()).is_ok()
    }
}

impl Subscription {
    /// Returns the next frame, or `None` once the socket is closed and its queue is empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no frame.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let frame = self.frames.recv().await?;
        self.queued.fetch_sub(frame.len(), Ordering::Relaxed);
        Some(frame)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.frames.close();
        let mut channels = self.hub.channels();
        if let Some(channel) = channels.get_mut(&self.user) {
            channel.sockets.retain(|socket| !socket.frames.is_closed());
            if channel.sockets.is_empty() {
                channels.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Bounds;

    fn hub() -> Hub {
        let bounds = Bounds { total: 1 << 30, account: 1 << 30, address: 1 << 30 };
        Hub::new(2, Budget::new(bounds))
    }

    fn user(number: u8) -> PublicKey {
        PublicKey::from_bytes([number; 32])
    }

    fn notice(number: u8, seq: u64, frame: &[u8]) -> Notice {
        let seq = Seq::new(seq).unwrap();
        Notice { user: user(number), first: seq, last: seq, frame: frame.to_vec() }
    }

    fn drain(subscription: &mut Subscription) -> Vec<Bytes> {
        std::iter::from_fn(|| subscription.frames.try_recv().ok()).collect()
    }

    #[test]
    fn every_socket_of_the_user_gets_every_frame_and_no_other_socket_does() {
        let hub = hub();
        let [mut first, mut second, mut stranger] =
            [1, 1, 2].map(|number| hub.subscribe(user(number), Seq::ZERO).unwrap());
        hub.publish(notice(1, 2, b"two"));
        hub.publish(notice(1, 1, b"one"));
        assert_eq!(drain(&mut first), ["one", "two"]);
        assert_eq!(drain(&mut second), ["one", "two"]);
        assert!(drain(&mut stranger).is_empty());
    }

    #[test]
    fn a_gap_is_reported_once() {
        let hub = hub();
        let _socket = hub.subscribe(user(1), Seq::ZERO).unwrap();
        for seq in [3, 5, 7] {
            hub.publish(notice(1, seq, b"frame"));
        }
        // Nobody listens there.
        hub.hint(user(2), Seq::new(9).unwrap());
        assert_eq!(*hub.shared.gaps.users(), [user(1)]);
    }

    #[test]
    fn a_dropped_subscription_leaves_nothing_behind() {
        let hub = hub();
        let first = hub.subscribe(user(1), Seq::ZERO).unwrap();
        let second = hub.subscribe(user(1), Seq::ZERO).unwrap();
        assert!(hub.subscribe(user(1), Seq::ZERO).is_none(), "there are as many as may be");
        drop(first);
        assert_eq!(hub.channels().values().map(|channel| channel.sockets.len()).sum::<usize>(), 1);
        drop(second);
        assert!(hub.channels().is_empty());
    }

    #[test]
    fn a_socket_that_never_reads_is_let_go_by_count_and_by_bytes() {
        for (frame, most) in [(vec![0; 10], QUEUED_FRAMES), (vec![0; QUEUED_BYTES / 4], 4)] {
            let hub = hub();
            let mut slow = hub.subscribe(user(1), Seq::ZERO).unwrap();
            (1..QUEUED_FRAMES as u64 + 10).for_each(|seq| hub.publish(notice(1, seq, &frame)));
            assert!(hub.channels().is_empty());
            assert_eq!(drain(&mut slow).len(), most);
            assert!(matches!(slow.frames.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
        }
    }

    #[test]
    fn a_frame_larger_than_the_queue_passes_when_nothing_waits() {
        let hub = hub();
        let mut socket = hub.subscribe(user(1), Seq::ZERO).unwrap();
        hub.publish(notice(1, 1, &vec![0; 2 * QUEUED_BYTES]));
        assert_eq!(drain(&mut socket).len(), 1);
    }
}
