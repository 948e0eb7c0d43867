//! The state shared by a client and the drivers of its hosts.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::address::Address;
use super::changes::{Changes, StatusChanges};
use super::closed::Closed;
use super::status::{HostReport, SyncStatus};
#[cfg(target_family = "wasm")]
use super::storage::Storage;
use super::tasks::{blocking, sleep};
use super::wall_clock::WallClock;
use crate::device::{Device, Shown};
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::standard::{Label, Timestamp};

/// The interval at which messages that are dated too far ahead are looked at again.
const CLOCK_INTERVAL: Duration = Duration::from_secs(30);

/// The state shared by a client and the drivers of its hosts.
pub(super) struct Shared<R: Reducer> {
    /// `None` once closed. Only blocking threads wait for it.
    device: Mutex<Option<Device<R>>>,
    state: Arc<Shown<R>>,
    clock: WallClock,
    version: watch::Sender<u64>,
    /// How many messages have arrived.
    arrived: watch::Sender<u64>,
    /// Dropped when the client is closed, which ends everything that waits.
    open: Mutex<Option<watch::Sender<()>>>,
    closed: Closed,
    status: watch::Sender<SyncStatus>,
    /// For each host: there is more to push, or sync was asked for.
    news: Vec<News>,
    sync_requests: AtomicU64,
    is_offline: AtomicBool,
    /// How many attachments are being read, of which nothing may be evicted.
    reading: AtomicUsize,
    /// Wakes whoever makes room.
    room: Notify,
}

/// The signals to a host's driver.
#[derive(Debug, Default)]
struct News {
    pending: Notify,
    sync: Notify,
    cut: Notify,
    woke: Notify,
}

impl<R: Reducer> Shared<R> {
    pub(super) fn new(device: Device<R>, clock: WallClock, hosts: &[(Label, Address)], links: &[u32]) -> Self {
        let reports = hosts
            .iter()
            .zip(links)
            .enumerate()
            .map(|(number, ((label, address), link))| {
                HostReport::new(number, label.clone(), address, device.is_first_synced(*link))
            })
            .collect();
        let (open, closed) = watch::channel(());
        let shared = Self {
            open: Mutex::new(Some(open)),
            closed: Closed::new(closed),
            state: device.state(),
            version: watch::Sender::new(device.version()),
            arrived: watch::Sender::new(device.arrived()),
            device: Mutex::new(Some(device)),
            clock,
            status: watch::Sender::new(SyncStatus::new(reports)),
            news: hosts.iter().map(|_| News::default()).collect(),
            sync_requests: AtomicU64::new(0),
            is_offline: AtomicBool::new(false),
            reading: AtomicUsize::new(0),
            room: Notify::new(),
        };
        if let Some(device) = shared.device.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            shared.refresh(device);
        }
        shared
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&R) -> T) -> T {
        look(&self.state.read())
    }

    /// Lends the device to `act` on a blocking thread, and notifies of the changes it made.
    pub(super) async fn with_device<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Device<R>) -> T + Send + 'static,
    ) -> Result<T, LogError> {
        self.state.assert_not_read_here();
        let shared = self.clone();
        let acting = blocking(move || {
            let mut slot = shared.device.lock().unwrap_or_else(PoisonError::into_inner);
            let device = slot.as_mut().ok_or(LogError::Closed)?;
            let outcome = act(device);
            shared.refresh(device);
            let version = device.version();
            shared.version.send_if_modified(|last| std::mem::replace(last, version) != version);
            let arrived = device.arrived();
            shared.arrived.send_if_modified(|last| std::mem::replace(last, arrived) != arrived);
            Ok(outcome)
        });
        acting.await?
    }

    /// Has the device write something at the current time, and tells the hosts that there is more to push.
    pub(super) async fn write<T: Send + 'static, E: From<LogError> + Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Device<R>, Timestamp) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let now = self.now();
        let written = self.with_device(move |device| act(device, now)).await??;
        self.something_is_pending(None);
        Ok(written)
    }

    /// Tells the drivers of all hosts, except the one that new messages came from, that there is more to push.
    pub(super) fn something_is_pending(&self, brought_by: Option<usize>) {
        for (index, news) in self.news.iter().enumerate() {
            if brought_by != Some(index) {
                self.status.send_modify(|status| {
                    if let Some(host) = status.host_mut(index) {
                        host.tell();
                    }
                });
                news.pending.notify_one();
            }
        }
    }

    /// Returns how often a host's driver has been told that there is more to push.
    pub(super) fn told(&self, host: usize) -> u64 {
        self.status.borrow().host(host).map_or(0, HostReport::told)
    }

    /// Asks every driver to sync now, and returns the number of the request.
    pub(super) fn ask_for_sync(&self) -> u64 {
        let request = self.sync_requests.fetch_add(1, Ordering::SeqCst) + 1;
        self.news.iter().for_each(|news| news.sync.notify_one());
        request
    }

    /// Returns the number of the last request to sync.
    pub(super) fn sync_request(&self) -> u64 {
        self.sync_requests.load(Ordering::SeqCst)
    }

    pub(super) async fn pending(&self, host: usize) {
        self.news[host].pending.notified().await;
    }

    pub(super) async fn sync_asked(&self, host: usize) {
        self.news[host].sync.notified().await;
    }

    pub(super) fn is_offline(&self) -> bool {
        self.is_offline.load(Ordering::SeqCst)
    }

    /// Makes every driver abort its requests and start no new ones.
    pub(super) fn go_offline(&self) {
        if !self.is_offline.swap(true, Ordering::SeqCst) {
            self.news.iter().for_each(|news| news.cut.notify_one());
        }
    }

    pub(super) fn go_online(&self) {
        if self.is_offline.swap(false, Ordering::SeqCst) {
            self.ask_for_sync();
        }
    }

    /// Tells every driver that the device has just woken up.
    pub(super) fn woke(&self) {
        self.news.iter().for_each(|news| news.woke.notify_one());
    }

    pub(super) async fn awake(&self, host: usize) {
        self.news[host].woke.notified().await;
    }

    /// Removes a host from the status, and ends its driver.
    pub(super) fn unlink(&self, label: &Label) {
        let mut number = None;
        self.status.send_if_modified(|status| {
            number = status.remove(label);
            number.is_some()
        });
        if let Some(number) = number {
            self.news[number].pending.notify_one();
        }
    }

    pub(super) fn is_linked(&self, host: usize) -> bool {
        self.status.borrow().host(host).is_some()
    }

    pub(super) async fn cut(&self, host: usize) {
        self.news[host].cut.notified().await;
    }

    pub(super) fn publish(&self, host: usize, update: impl FnOnce(&mut HostReport) -> bool) {
        self.status.send_if_modified(|status| status.host_mut(host).is_some_and(update));
    }

    #[cfg(target_family = "wasm")]
    pub(super) fn publish_storage(&self, storage: Storage) {
        self.status.send_if_modified(|status| status.update_storage(storage));
    }

    pub(super) fn status(&self) -> SyncStatus {
        // Time passes, though nothing else happens. What was counted is kept, so this costs next to nothing.
        if self.status.borrow().ahead().is_some()
            && let Ok(mut slot) = self.device.try_lock()
            && let Some(device) = slot.as_mut()
        {
            self.refresh(device);
        }
        self.status.borrow().clone()
    }

    /// Publishes which messages are dated too far ahead by now, and what is missing of other devices.
    fn refresh(&self, device: &mut Device<R>) {
        match device.peers_now() {
            Ok(peers) => drop(self.status.send_if_modified(|status| status.update_peers(peers))),
            Err(error) => tracing::debug!(%error, "what is missing of other devices could not be read"),
        }
        match device.ahead(self.now()) {
            Ok(ahead) => drop(self.status.send_if_modified(|status| status.update_ahead(ahead))),
            Err(error) => tracing::debug!(%error, "what is dated too far ahead could not be counted"),
        }
    }

    /// Watches, while messages are dated too far ahead, for the time when they no longer are.
    pub(super) async fn watch_clock(self: Arc<Self>) {
        let mut changes = self.status.subscribe();
        loop {
            let is_ahead = changes.borrow_and_update().ahead().is_some();
            let change = if is_ahead {
                tokio::select! {
                    change = changes.changed() => change,
                    () = sleep(CLOCK_INTERVAL) => {
                        drop(self.status());
                        Ok(())
                    }
                }
            } else {
                changes.changed().await
            };
            if change.is_err() {
                return;
            }
        }
    }

    /// Keeps everything of attachments on this device until the returned value is dropped.
    pub(super) fn read_attachment(self: &Arc<Self>) -> ReadingAttachment<R> {
        self.reading.fetch_add(1, Ordering::SeqCst);
        ReadingAttachment(self.clone())
    }

    /// Waits until an attachment has been read.
    pub(super) async fn attachment_read(&self) {
        self.room.notified().await;
    }

    /// Makes room for attachments, if there is a limit and nothing is being read; false if there is no limit.
    pub(super) async fn evict_attachments(self: &Arc<Self>) -> Result<bool, LogError> {
        let shared = self.clone();
        let evicting = self.with_device(move |device| {
            // Whoever begins to read after this finds out what is not here.
            if shared.reading.load(Ordering::SeqCst) > 0 {
                return Ok(true);
            }
            let kept = device.evict_attachments()?;
            shared.status.send_if_modified(|status| status.update_kept(kept));
            Ok(kept.is_some())
        });
        evicting.await?
    }

    pub(super) fn changes(self: &Arc<Self>) -> Changes {
        Changes::new(self.version.subscribe(), self.closed())
    }

    /// Returns how many messages have arrived, to be watched.
    pub(super) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrived.subscribe()
    }

    pub(super) fn closed(&self) -> Closed {
        self.closed.clone()
    }

    pub(super) fn status_changes(&self) -> StatusChanges {
        StatusChanges::new(self.status.subscribe(), self.closed())
    }

    pub(super) async fn close(self: &Arc<Self>) {
        let shared = self.clone();
        let closing = blocking(move || drop(shared.device.lock().unwrap_or_else(PoisonError::into_inner).take()));
        // This fails only while the runtime shuts down, which drops the device, too.
        let _ = closing.await;
        drop(self.open.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// While an attachment is read, nothing is evicted.
pub(super) struct ReadingAttachment<R: Reducer>(Arc<Shared<R>>);

impl<R: Reducer> Drop for ReadingAttachment<R> {
    fn drop(&mut self) {
        self.0.reading.fetch_sub(1, Ordering::SeqCst);
        self.0.room.notify_one();
    }
}

impl<R: Reducer> fmt::Debug for Shared<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("status", &*self.status.borrow()).finish_non_exhaustive()
    }
}
