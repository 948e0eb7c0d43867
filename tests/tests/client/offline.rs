//! Hosts that are not there, or go away.

use std::time::Duration;

use diplomatic::sync::{Phase, Trouble};
use diplomatic_simulation::todo::added;
use diplomatic_simulation::world::Chance;

use crate::device::{Device, add, caught_up, soon, state, status, todos};
use crate::host::{TestHost, new_seed};

#[tokio::test]
async fn device_works_without_a_host_and_syncs_when_there_is_one() {
    let (mut host, seed) = (TestHost::absent().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    add(&phone, "offline", 5).await;
    assert_eq!(phone.read(|todos| todos.items.len()), 5);
    let is_waiting = |phase: &Phase| matches!(phase, Phase::Waiting { trouble: Trouble::ConnectionRefused, .. });
    status(&phone, "it waits for the host", |status| {
        is_waiting(&status.hosts()[0].status.phase) && status.pending() == 5
    })
    .await;
    host.restart().await;
    status(&phone, "everything is pushed", |status| status.is_caught_up()).await;
    assert_eq!(host.count(&seed), 5);
    let laptop = laptop.open(&host.url()).await;
    state(&laptop, "it is on the laptop", |todos| todos.items.len() == 5).await;
}

#[tokio::test]
async fn sync_tries_at_once_though_a_pause_has_begun() {
    let (mut host, seed) = (TestHost::absent().await, new_seed());
    let phone = Device::new(&seed);
    let mut config = crate::device::brisk();
    config.shortest_backoff = Duration::from_secs(3600);
    config.longest_backoff = Duration::from_secs(3600);
    let phone = phone.builder().session_config(config).host(host.url()).open().await.unwrap();
    add(&phone, "offline", 1).await;
    for _ in 0..5 {
        let status = soon("the try is over", phone.sync()).await.unwrap();
        assert!(matches!(status.hosts()[0].status.phase, Phase::Waiting { .. }), "{status:?}");
    }
    host.restart().await;
    let status = soon("it is pushed", phone.sync()).await.unwrap();
    assert!(status.is_caught_up(), "{status:?}");
    assert_eq!(host.count(&seed), 1);
}

#[tokio::test]
async fn killing_the_host_in_the_middle_of_pushes_loses_nothing_and_stores_nothing_twice() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let mut chance = Chance::new(1);
    for round in 0..20 {
        phone.emit_all((0..60).map(|n| added(format!("round {round} item {n}"))).collect()).await.unwrap();
        tokio::time::sleep(Duration::from_micros(chance.below(12_000))).await;
        host.kill().await;
        phone.emit(added(format!("round {round} while the host is away"))).await.unwrap();
        host.restart().await;
        if chance.in_thousand(300) {
            caught_up(&phone).await;
            assert_eq!(host.count(&seed), 61 * (round + 1));
        }
    }
    caught_up(&phone).await;
    assert_eq!(host.count(&seed), 61 * 20);
    let laptop = laptop.open(&host.url()).await;
    caught_up(&laptop).await;
    assert_eq!(todos(&laptop), todos(&phone));
    assert_eq!(host.count(&seed), 61 * 20);
}

#[tokio::test]
async fn host_that_lost_its_data_gets_everything_again() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone.open(&host.url()).await, laptop.open(&host.url()).await);
    add(&phone, "phone", 10).await;
    add(&laptop, "laptop", 10).await;
    state(&phone, "the phone has all", |todos| todos.items.len() == 20).await;
    state(&laptop, "the laptop has all", |todos| todos.items.len() == 20).await;
    host.lose_everything().await;
    let hashes = async {
        while host.bags(&seed, &diplomatic::Label::default()).len() < 20 {
            phone.sync().await.unwrap();
            laptop.sync().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("everything is back", hashes).await;
    caught_up(&phone).await;
    caught_up(&laptop).await;
    phone.emit(added("after")).await.unwrap();
    state(&laptop, "sync goes on", |todos| todos.items.len() == 21).await;

    let tablet = Device::new(&seed);
    let tablet = tablet.open(&host.url()).await;
    state(&tablet, "a new device has all", |todos| todos.items.len() == 21).await;
    assert_eq!(todos(&tablet), todos(&phone));
}

#[tokio::test]
async fn a_client_that_went_offline_sends_and_fetches_nothing_until_it_is_online_again() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone.open(&host.url()).await, laptop.open(&host.url()).await);
    add(&phone, "before", 1).await;
    status(&phone, "it is pushed", |status| status.is_caught_up()).await;
    state(&laptop, "it is on the laptop", |todos| todos.items.len() == 1).await;
    for round in 1..=3 {
        laptop.go_offline();
        assert!(laptop.is_offline());
        let is_off = |phase: &Phase| matches!(phase, Phase::Waiting { trouble: Trouble::Offline, .. });
        status(&laptop, "it says why", |status| is_off(&status.hosts()[0].status.phase)).await;
        add(&laptop, "offline on the laptop", 2).await;
        add(&phone, "while the laptop is offline", 1).await;
        status(&phone, "the phone's is pushed", |status| status.is_caught_up()).await;
        // Asking for sync does not turn the switch.
        let asked = soon("the request is answered", laptop.sync()).await.unwrap();
        assert!(is_off(&asked.hosts()[0].status.phase) && asked.pending() == 2, "{asked:?}");
        assert_eq!(host.count(&seed), 3 * round - 1);
        assert_eq!(laptop.read(|todos| todos.items.len()), 3 * round);
        laptop.go_online();
        status(&laptop, "all is pushed", |status| status.is_caught_up()).await;
        state(&phone, "all is on the phone", |todos| todos.items.len() == 3 * round + 1).await;
        state(&laptop, "all is on the laptop", |todos| todos.items.len() == 3 * round + 1).await;
    }
    assert_eq!(laptop.read(|todos| todos.clone()), phone.read(|todos| todos.clone()));
}
