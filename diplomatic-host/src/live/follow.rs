//! Keeps the sockets up to date with the store by filling their gaps.

use std::time::Duration;

use diplomatic::standard::calls::{Notification, NotificationItem, PeekItem};
use diplomatic::standard::{Encode, PublicKey, SealedBody};
use futures_util::{StreamExt, stream};
use tokio::time::sleep;

use super::Hub;
use crate::{BagStore, Change, StoreError};

/// How long to wait for a missing frame to arrive by itself. Pushes overtake each other by less.
const PATIENCE: Duration = Duration::from_millis(25);
/// The maximum size of the heads in one frame.
const FRAME: usize = 16 << 10;
/// How many users' last seqs are asked for at once.
const USERS: usize = 1024;
/// For how many users gaps are handled at once.
const AT_ONCE: usize = 1024;

impl Hub {
    /// Follows the changes of a store forever. Sends sockets what others have stored, and closes them if that is not
    /// enough.
    pub(crate) async fn follow<S: BagStore + ?Sized>(&self, store: &S) {
        tokio::join!(self.watch(store), self.fill_gaps(store));
    }

    async fn watch<S: BagStore + ?Sized>(&self, store: &S) {
        let mut changes = store.changes();
        while let Some(change) = changes.next().await {
            match change {
                Change::Appended { user, last } => self.hint(user, last),
                Change::Deleted { user } => self.close(user),
                Change::Missed => {
                    if let Err(error) = self.look(store).await {
                        tracing::debug!(error = &error as &dyn std::error::Error, "could not look for missed changes");
                    }
                }
                Change::Anything => self.close_all(),
            }
        }
    }

    /// Asks the store for the last seqs of all who have sockets.
    async fn look<S: BagStore + ?Sized>(&self, store: &S) -> Result<(), StoreError> {
        for told in self.told().chunks(USERS) {
            let lasts = store.lasts(told.iter().map(|(user, _)| *user).collect()).await?;
            for ((user, told), last) in told.iter().zip(lasts) {
                match last {
                    Some(last) if last >= *told => self.hint(*user, last),
                    // The account is gone, or another one.
                    _ => self.close(*user),
                }
            }
        }
        Ok(())
    }

    async fn fill_gaps<S: BagStore + ?Sized>(&self, store: &S) {
        let gaps = &self.shared.gaps;
        stream::unfold((), async |()| Some((gaps.next().await, ())))
            .for_each_concurrent(AT_ONCE, async |user| {
                sleep(PATIENCE).await;
                if let Err(error) = self.fill(store, user).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "could not read what a socket missed");
                    self.close(user);
                }
            })
            .await;
    }

    /// Reads from the store what the user's sockets are missing.
    async fn fill<S: BagStore + ?Sized>(&self, store: &S, user: PublicKey) -> Result<(), StoreError> {
        if let Some(channel) = self.channels().get_mut(&user) {
            channel.reported = false;
        }
        while let Some(gap) = self.gap(user) {
            let items = store.heads(user, gap.after, gap.last, FRAME).await?;
            let Some(last) = items.last().map(|item| item.seq) else {
                self.with(user, |order| order.skip(gap));
                continue;
            };
            // Whether they were pushed alone is not known, so that no body goes along.
            let items = items
                .into_iter()
                .map(|PeekItem { seq, head }| NotificationItem { seq, head, inlined: SealedBody::default() })
                .collect();
            self.tell(user, gap.after.next(), last, Notification { items }.to_bytes());
        }
        Ok(())
    }
}
