//! Real clients on real files against the Worker in workerd.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

// Other tests take more of it.
#[allow(dead_code)]
#[path = "client/device.rs"]
mod device;
#[path = "../../diplomatic-host/tests/support/worker.rs"]
mod worker;

use std::time::Duration;

use diplomatic::SyncStatus;
use diplomatic::standard::Seed;
use diplomatic::sync::{Live, SessionConfig};
use diplomatic_simulation::todo::added;
use rand::RngExt;

use device::{Device, add, brisk, caught_up, soon, state, todos};
use worker::Worker;

fn new_seed() -> Seed {
    Seed::from_bytes(rand::rng().random())
}

/// As brisk as a machine allows that runs a whole Workers platform beside the tests.
fn patient(device: &Device) -> diplomatic::ClientBuilder<diplomatic_simulation::todo::Todos> {
    let mut config = brisk();
    config.request_timeout = Duration::from_secs(20);
    config.ping_after = Duration::from_secs(5);
    config.dead_after = Duration::from_secs(15);
    device.builder().session_config(config)
}

#[tokio::test]
async fn devices_share_what_they_emit_live_and_after_a_time_offline() {
    let Some(worker) = Worker::start(&["ADMISSION:open"]).await else { return };
    let seed = new_seed();
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = patient(&phone).host(worker.url()).open().await.unwrap();
    let client = patient(&laptop).host(worker.url()).open().await.unwrap();
    add(&phone, "phone", 20).await;
    add(&client, "laptop", 20).await;
    for client in [&phone, &client] {
        state(client, "it has everything", |todos| todos.items.len() == 40).await;
        caught_up(client).await;
    }
    client.close().await;
    phone.emit_all((0..2000).map(|n| added(format!("while the laptop is away {n}"))).collect()).await.unwrap();
    caught_up(&phone).await;
    let client = patient(&laptop).host(worker.url()).open().await.unwrap();
    state(&client, "it has everything", |todos| todos.items.len() == 2040).await;
    caught_up(&client).await;
    assert_eq!(todos(&phone), todos(&client));
}

#[tokio::test]
async fn a_change_reaches_the_other_device_over_the_live_channel() {
    let Some(worker) = Worker::start(&["ADMISSION:open"]).await else { return };
    let seed = new_seed();
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    // Nobody polls within the time of the test.
    let open = async |device: &Device| {
        let mut config = brisk();
        config.request_timeout = Duration::from_secs(20);
        config.ping_after = Duration::from_secs(600);
        config.dead_after = Duration::from_secs(1200);
        config.poll = (Duration::from_secs(600), Duration::from_secs(600));
        let client = device.builder().session_config(config).host(worker.url()).open().await.unwrap();
        let mut statuses = client.status_changes();
        soon(
            "the channel is open",
            statuses.until(|status| status.hosts().iter().all(|host| host.status.live == Live::Open)),
        )
        .await
        .unwrap();
        client
    };
    let (phone, laptop) = (open(&phone).await, open(&laptop).await);
    for n in 1..=5 {
        add(&phone, "phone", 1).await;
        state(&laptop, "it is there", |todos| todos.items.len() == n).await;
    }
}

/// The documentation says what a day costs; this is what it says it of.
#[tokio::test]
async fn a_day_of_two_devices_costs_no_more_calls_than_the_documentation_says() {
    let Some(worker) = Worker::start(&["ADMISSION:open"]).await else { return };
    let seed = new_seed();
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let mut config = SessionConfig::default();
    config.request_timeout = Duration::from_secs(20);
    let open = async |device: &Device| {
        let client = device.builder().session_config(config.clone()).host(worker.url()).open().await.unwrap();
        let mut statuses = client.status_changes();
        let is_open = |status: &SyncStatus| status.hosts().iter().all(|host| host.status.live == Live::Open);
        soon("the channel is open", statuses.until(is_open)).await.unwrap();
        client
    };
    let (phone, laptop) = (open(&phone).await, open(&laptop).await);
    let opened = worker.calls();
    println!("two devices that open: {opened} calls");
    // One change after another, each of which is to be seen before the next.
    for n in 1..=30 {
        add(&phone, "phone", 1).await;
        state(&laptop, "it is there", |todos| todos.items.len() == n).await;
    }
    caught_up(&phone).await;
    caught_up(&laptop).await;
    let calls = worker.calls() - opened;
    println!("30 changes, one after another: {calls} calls");
    assert!(opened <= 10 && calls <= 80, "{opened} calls to open, {calls} for 30 changes");
}

#[tokio::test]
async fn what_a_device_has_sent_outlives_a_kill_and_what_it_has_not_is_sent_afterwards() {
    let Some(mut worker) = Worker::start(&["ADMISSION:open"]).await else { return };
    let seed = new_seed();
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let client = patient(&phone).host(worker.url()).open().await.unwrap();
    add(&client, "before", 50).await;
    caught_up(&client).await;
    let adding = async {
        for n in 0..200 {
            client.emit(added(format!("meanwhile {n}"))).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(adding, worker.kill_and_start());
    caught_up(&client).await;
    let laptop = patient(&laptop).host(worker.url()).open().await.unwrap();
    state(&laptop, "it has everything", |todos| todos.items.len() == 250).await;
    assert_eq!(todos(&client), todos(&laptop));
}

#[tokio::test]
async fn an_attachment_comes_back_whole_on_another_device() {
    let Some(worker) = Worker::start(&["ADMISSION:open"]).await else { return };
    let seed = new_seed();
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let client = patient(&phone).host(worker.url()).open().await.unwrap();
    let attachment = client.attach(std::io::Cursor::new(bytes.clone())).await.unwrap();
    caught_up(&client).await;
    let client = patient(&laptop).host(worker.url()).open().await.unwrap();
    caught_up(&client).await;
    assert_eq!(soon("it is there", client.open_attachment(&attachment)).await.unwrap(), bytes);
}
