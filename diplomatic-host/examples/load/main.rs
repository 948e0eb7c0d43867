//! Loads a host as the devices of many people would, and checks that nothing it acknowledged is lost.
//!
//! ```sh
//! cargo run --release -p diplomatic-host --example load -- http://127.0.0.1:31337 --rate 1000 --seconds 30
//! ```
//!
//! Pushes begin when they are due, whether the host keeps up or not, and their latency counts from then on. Bags are
//! sealed beforehand. With several addresses, those of processes on one database, each account's pushes go to all of
//! them in turn, and its sockets are at another one than the push. Its clock must be right, and the host open.

#![allow(clippy::print_stdout, reason = "it reports")]

mod account;
mod client;
mod options;
mod place;
mod plan;
mod report;
mod verify;

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use account::Account;
use client::{Pool, follow};
use options::Options;
use plan::Plan;
use report::{Latencies, Report};

/// How many bodies of an upload are fetched in a request, each of 1 MB.
const UPLOADED: usize = 16;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = Arc::new(Options::parse());
    let sockets = options.devices.saturating_sub(1) as usize;
    let plan = Plan::new(&options);
    let accounts: Vec<_> = (0..options.accounts).map(|_| Arc::new(Account::random())).collect();
    say(&format!("sealing {} bags\n", plan.bags() + options.past * accounts.len()));
    let work = plan.seal(&accounts, options.body);
    let pool = Arc::new(Pool::new(&options)?);
    let report = Arc::new(Report::default());
    prepare(&options, &pool, &accounts, &report).await?;
    let before: Vec<_> = accounts.iter().map(|account| account.acknowledged()).collect();
    accounts.iter().for_each(|account| account.forget());

    let listening: Vec<_> = accounts
        .iter()
        .flat_map(|account| (1..options.devices).map(move |device| (Arc::clone(account), device)))
        .map(|(account, device)| {
            let (pool, report) = (Arc::clone(&pool), Arc::clone(&report));
            tokio::spawn(async move { follow(&pool, device as usize, &account, &report).await })
        })
        .collect();
    report.until_listening(listening.len()).await;

    let uploading = Arc::new(Account::random());
    let upload = (options.upload > 0).then(|| {
        let (pool, account, report) = (Arc::clone(&pool), Arc::clone(&uploading), Arc::clone(&report));
        let size = options.upload;
        tokio::spawn(async move { client::upload(&pool, account, size, &report).await })
    });
    say(&format!("pushing for {} s\n", options.seconds));
    let begun = Instant::now();
    let mut first_syncs = JoinSet::new();
    let mut pushing = JoinSet::new();
    let middle = Duration::from_secs(options.seconds) / 2;
    for (number, job) in work.into_iter().enumerate() {
        let due = begun + job.due;
        sleep_until(due).await;
        if job.due >= middle && first_syncs.is_empty() {
            for account in accounts.iter().cycle().take(options.first_syncs as usize) {
                let (pool, account, report) = (Arc::clone(&pool), Arc::clone(account), Arc::clone(&report));
                first_syncs.spawn(async move {
                    let begun = Instant::now();
                    let fetched = verify::fetch(&pool, &account, verify::BODIES).await;
                    report.first_syncs.note(begun.elapsed(), fetched.is_ok());
                });
            }
        }
        let (pool, account, report) = (Arc::clone(&pool), Arc::clone(&accounts[job.account]), Arc::clone(&report));
        pushing.spawn(async move { client::push(&pool, number, due, &account, job.bags, &report).await });
        while pushing.try_join_next().is_some() {}
    }
    while pushing.join_next().await.is_some() {}
    let took = begun.elapsed();
    while first_syncs.join_next().await.is_some() {}
    if let Some(upload) = upload {
        upload.await?;
    }
    report.until_heard(&accounts, sockets).await;
    listening.iter().for_each(tokio::task::JoinHandle::abort);
    say("checking what was acknowledged\n");
    accounts.iter().zip(before).for_each(|(account, before)| account.remember(before));
    let mut lost = verify::lost(&pool, &accounts).await?;
    if options.upload > 0 {
        lost.extend(verify::check(&pool, &uploading, UPLOADED).await?);
    }
    say(&report.text(took, &lost));
    if lost.is_empty() { Ok(()) } else { Err("the host has lost what it acknowledged".into()) }
}

/// Registers every account, and gives it its past.
async fn prepare(
    options: &Options,
    pool: &Arc<Pool>,
    accounts: &[Arc<Account>],
    report: &Arc<Report>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut preparing = JoinSet::new();
    for (number, account) in accounts.iter().enumerate() {
        let (pool, account, report) = (Arc::clone(pool), Arc::clone(account), Arc::clone(report));
        let (past, body) = (options.past, options.body);
        preparing.spawn(async move {
            client::register(&pool, &account).await?;
            let quiet = Latencies::default();
            for start in (0..past).step_by(500) {
                let bags = account.bags(500.min(past - start), body);
                client::push_quietly(&pool, number, &account, bags, &quiet, &report).await;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        });
        if preparing.len() >= 32 {
            preparing.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(prepared) = preparing.join_next().await {
        prepared??;
    }
    Ok(())
}

fn say(text: &str) {
    // Whoever closed the pipe has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
