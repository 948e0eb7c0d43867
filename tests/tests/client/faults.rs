//! Bad networks.

use std::time::Duration;

use diplomatic::sync::{Live, Phase, Trouble};
use diplomatic_simulation::todo::added;

use crate::device::{Device, add, brisk, caught_up, soon, state, status, todos};
use crate::host::{TestHost, new_seed};
use crate::proxy::{Network, Proxy};

/// Lets two devices emit and sync over a bad network, and checks that all is well when it is good again.
async fn lives_through(network: Network, most_waits: Duration) {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone.open(&proxy.url()).await, laptop.open(&proxy.url()).await);
    let mut emitted = 0;
    for round in 0..6 {
        proxy.set(if round % 3 == 2 { Network::Good } else { network });
        for client in [&phone, &laptop] {
            client.emit_all((0..30).map(|n| added(format!("round {round} item {n}"))).collect()).await.unwrap();
            add(client, &format!("round {round} single"), 3).await;
            emitted += 33;
        }
        let _ = tokio::time::timeout(most_waits, async { drop((phone.sync().await, laptop.sync().await)) }).await;
    }
    proxy.set(Network::Good);
    state(&phone, "the phone has all", |todos| todos.items.len() == emitted).await;
    state(&laptop, "the laptop has all", |todos| todos.items.len() == emitted).await;
    caught_up(&phone).await;
    caught_up(&laptop).await;
    assert_eq!(todos(&phone), todos(&laptop));
    assert_eq!(host.count(&seed), emitted);
}

#[tokio::test]
async fn answers_cut_at_any_byte_lose_nothing_and_store_nothing_twice() {
    lives_through(Network::Cutting(3000), Duration::from_millis(700)).await;
}

#[tokio::test]
async fn requests_cut_at_any_byte_lose_nothing_and_store_nothing_twice() {
    lives_through(Network::CuttingRequests(12_000), Duration::from_millis(700)).await;
}

#[tokio::test]
async fn connections_that_break_at_once_lose_nothing() {
    lives_through(Network::Closing, Duration::from_millis(300)).await;
}

#[tokio::test]
async fn slow_network_only_takes_longer() {
    lives_through(Network::Slow(Duration::from_millis(30)), Duration::from_secs(2)).await;
}

#[tokio::test]
async fn dead_sockets_that_never_close_are_given_up_and_sync_goes_on() {
    lives_through(Network::Silent, Duration::from_millis(300)).await;
}

#[tokio::test]
async fn client_notices_that_its_channel_is_dead_and_says_so() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone.open(&proxy.url()).await, laptop.open(&host.url()).await);
    status(&phone, "the channel is open", |status| status.hosts()[0].status.live == Live::Open).await;
    proxy.set(Network::Silent);
    status(&phone, "the channel is known to be dead", |status| status.hosts()[0].status.live == Live::Down).await;
    let is_timeout = |phase: &Phase| matches!(phase, Phase::Waiting { trouble: Trouble::Timeout, .. });
    status(&phone, "the silence is told", |status| is_timeout(&status.hosts()[0].status.phase)).await;
    laptop.emit(added("meanwhile")).await.unwrap();
    proxy.set(Network::Good);
    state(&phone, "what was missed is here", |todos| todos.items.len() == 1).await;
    status(&phone, "the channel is open again", |status| status.hosts()[0].status.live == Live::Open).await;
}

#[tokio::test]
async fn host_without_a_live_channel_is_polled() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    proxy.set(Network::NoUpgrades);
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone.open(&proxy.url()).await, laptop.open(&proxy.url()).await);
    for client in [&phone, &laptop] {
        status(client, "polling is told", |status| status.hosts()[0].status.live == Live::Polling).await;
    }
    for round in 0..4 {
        let (from, to) = if round % 2 == 0 { (&phone, &laptop) } else { (&laptop, &phone) };
        from.emit(added(format!("round {round}"))).await.unwrap();
        state(to, "the other device has looked", |todos| todos.items.len() == round + 1).await;
    }
}

#[tokio::test]
async fn sockets_on_which_nothing_ever_comes_are_let_go() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    proxy.set(Network::SilentUpgrades);
    let phone = Device::new(&seed);
    let mut config = brisk();
    config.request_timeout = Duration::from_millis(300);
    config.longest_backoff = Duration::from_millis(100);
    let phone = phone.builder().session_config(config).host(proxy.url()).open().await.unwrap();
    let mut most = 0;
    soon("the channel was tried again and again", async {
        loop {
            let (all, open) = proxy.silent_connections();
            most = open.max(most);
            if all >= 8 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(most <= 3, "{most} sockets were open at once");
    phone.emit(added("calls go on")).await.unwrap();
    caught_up(&phone).await;
    assert_eq!(host.count(&seed), 1);
}

#[tokio::test]
async fn push_that_arrives_after_it_was_given_up_and_repeated_is_not_stored_twice() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    let phone = Device::new(&seed);
    let mut config = brisk();
    config.request_timeout = Duration::from_millis(600);
    let phone = phone.builder().session_config(config).host(proxy.url()).open().await.unwrap();
    caught_up(&phone).await;
    let mut emitted = 0;
    for _ in 0..3 {
        proxy.set(Network::LatePushes(Duration::from_millis(2000)));
        phone.emit_all((0..10).map(|n| added(format!("item {n}"))).collect()).await.unwrap();
        emitted += 10;
        let is_told = |phase: &Phase| matches!(phase, Phase::Waiting { .. });
        status(&phone, "the push was given up", |status| is_told(&status.hosts()[0].status.phase)).await;
        proxy.set(Network::Good);
        caught_up(&phone).await;
        assert_eq!(host.count(&seed), emitted);
    }
    // By then the late ones have arrived too.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    caught_up(&phone).await;
    assert_eq!(host.count(&seed), emitted);
}
