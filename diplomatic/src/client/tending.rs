//! What is done about attachments in the background: removing what nothing refers to, and making room.

use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use super::status::{HostReport, SyncStatus};
use super::tasks::sleep;
use crate::device::Tended;
use crate::log::LogError;
use crate::reducer::Reducer;
use crate::sync::Phase;

/// How long others have the device to themselves between two turns.
const PAUSE: Duration = Duration::from_millis(20);
/// A device sleeps, and clocks are set: this is the longest wait in one piece.
const LONGEST: Duration = Duration::from_secs(3600);

/// Takes turns until the client is closed.
pub(super) async fn tend<R: Reducer>(shared: Arc<Shared<R>>) {
    let mut statuses = shared.status_changes();
    loop {
        // Something that is still at a host may refer to what nothing here does.
        if statuses.until(has_read_everything).await.is_err() {
            return;
        }
        let now = shared.now();
        let Ok(tended) = shared.with_device(move |device| device.tend_attachments(now)).await else { return };
        match tended {
            Ok(Tended { has_news, again_in, .. }) => {
                if has_news {
                    shared.something_is_pending(None);
                }
                let Some(again_in) = again_in else { return };
                sleep(again_in.clamp(PAUSE, LONGEST)).await;
            }
            Err(error) => {
                tracing::debug!(%error, "attachments that nothing refers to could not be looked for");
                sleep(LONGEST).await;
            }
        }
    }
}

/// Makes room for attachments whenever some came, were sent or were read, until the client is closed.
pub(super) async fn make_room<R: Reducer>(shared: Arc<Shared<R>>) {
    let mut statuses = shared.status_changes();
    loop {
        match shared.evict_attachments().await {
            Ok(true) => {}
            Ok(false) | Err(LogError::Closed) => return,
            Err(error) => tracing::debug!(%error, "no room could be made for attachments"),
        }
        tokio::select! {
            status = statuses.next() => if status.is_none() { return },
            () = shared.attachment_read() => {}
        }
        // Much may change at once.
        sleep(PAUSE).await;
    }
}

fn has_read_everything(status: &SyncStatus) -> bool {
    let has_read = |host: &HostReport| {
        let status = &host.status;
        let is_whole = status.skipped == 0 && status.holes == 0 && status.withheld == 0;
        is_whole && matches!(status.phase, Phase::Pushing | Phase::CaughtUp)
    };
    status.peers().is_complete() && status.hosts().iter().all(has_read)
}
