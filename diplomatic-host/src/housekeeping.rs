//! What a server does now and then, besides serving.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::StoreError;
use crate::app::App;
use crate::metrics::Now;

/// How often it looks at least.
const PAUSE: Duration = Duration::from_secs(15);
/// How often it looks whether the store is open.
const STARTING: Duration = Duration::from_millis(100);
/// How long to wait after the store failed.
const FAILED: Duration = Duration::from_secs(1);
/// Counting all accounts takes at most this part of the time.
const SHARE: u32 = 20;
/// How many accounts are counted at a time.
const PAGE: usize = 256;

/// Measures the room on the disk, counts accounts, notes traffic, and takes up what other processes on the store decided.
/// Never ends.
pub(crate) async fn keep(app: &App) {
    tokio::join!(look(app), note_traffic(app));
}

async fn note_traffic(app: &App) {
    let traffic = &app.guard.ledger.traffic;
    loop {
        traffic.due().await;
        if let Err(error) = traffic.note_due(app.host.store(), app.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "could not note the traffic of accounts");
            sleep(FAILED).await;
        }
    }
}

async fn look(app: &App) {
    loop {
        let started = Instant::now();
        if let Some(free) = app.guard.disk.as_ref().and_then(crate::Disk::free) {
            app.metrics.set(Now::FreeDisk, free);
        }
        app.guard.meter.forget_the_quiet();
        let outcome = async {
            app.guard.gate.load(app.host.store()).await?;
            count(app).await
        };
        match outcome.await {
            Ok(()) => {}
            Err(StoreError::Starting) => {
                sleep(STARTING).await;
                continue;
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "could not count the accounts");
            }
        }
        sleep(PAUSE.max(SHARE * started.elapsed())).await;
    }
}

async fn count(app: &App) -> Result<(), StoreError> {
    let store = app.host.store();
    let (mut accounts, mut bytes) = (0, 0);
    let mut after = None;
    loop {
        let page = store.accounts(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for key in page {
            accounts += 1;
            bytes += store.usage(key).await?.unwrap_or_default().bytes;
        }
    }
    app.metrics.set(Now::Accounts, accounts);
    app.metrics.set(Now::StoredBytes, bytes);
    Ok(())
}
