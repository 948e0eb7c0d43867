//! The log in a private file of the page's origin, in a browser.

use std::sync::Arc;
use std::time::Duration;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{StorageEstimate, StorageManager, WorkerGlobalScope};

use super::shared::Shared;
use super::storage::Storage;
use super::tasks::sleep;
use crate::log::{Backing, OpenLogError, PrivateFileError};
use crate::reducer::Reducer;

/// How often the browser is asked how much room is left.
const INTERVAL: Duration = Duration::from_secs(60);
/// How often, and with what pause, a file is asked for that another worker has not closed yet.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens the private file that a [`Backing::file`] is in a browser, or falls back to memory if the browser offers none. Other
/// storages stay what they are.
pub(super) async fn settle(backing: Backing) -> Result<(Backing, Option<Storage>), OpenLogError> {
    if !backing.is_file() {
        return Ok((backing, None));
    }
    let path = || backing.path().to_owned();
    match patiently(async || backing.private_file().await).await {
        Ok(file) => Ok((file, Some(kept().await))),
        Err(PrivateFileError::NotOffered(reason)) => {
            tracing::warn!(reason, "there are no private files, so the log is kept in memory");
            Ok((Backing::memory(), Some(Storage::Memory { reason })))
        }
        Err(PrivateFileError::InUse) => Err(OpenLogError::InUse { path: path() }),
        Err(PrivateFileError::Io(source)) => Err(OpenLogError::Io { path: path(), source }),
    }
}

/// Opens a file, and waits for a while if it is in use: a worker that has just ended may not have let go of it.
pub(super) async fn patiently<T>(open: impl AsyncFn() -> Result<T, PrivateFileError>) -> Result<T, PrivateFileError> {
    for _ in 1..ATTEMPTS {
        match open().await {
            Err(PrivateFileError::InUse) => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
    open().await
}

/// Keeps the storage in the status up to date.
pub(super) async fn watch<R: Reducer>(shared: Arc<Shared<R>>) {
    loop {
        sleep(INTERVAL).await;
        shared.publish_storage(kept().await);
    }
}

async fn kept() -> Storage {
    let (persistent, estimate) = ask().await.unwrap_or_default();
    let bytes = |value: Option<f64>| value.map(|bytes| bytes as u64);
    let used = estimate.as_ref().and_then(|estimate| bytes(estimate.get_usage()));
    let quota = estimate.as_ref().and_then(|estimate| bytes(estimate.get_quota()));
    Storage::Kept { persistent, used, quota }
}

async fn ask() -> Result<(bool, Option<StorageEstimate>), JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    let storage: StorageManager = scope.navigator().storage();
    let persistent = JsFuture::from(storage.persisted()?).await?.is_truthy();
    let estimate = JsFuture::from(storage.estimate()?).await.ok().map(JsCast::unchecked_into);
    Ok((persistent, estimate))
}
