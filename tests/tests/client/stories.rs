//! Two devices, one host, a good network.

use std::time::{Duration, Instant};

use diplomatic::EntityId;
use diplomatic::Label;
use diplomatic::sync::{Live, Phase};
use diplomatic_simulation::todo::{Event, added};

use crate::device::{Device, add, caught_up, soon, state, status, todos};
use crate::host::{TestHost, new_seed};
use crate::proxy::{Network, Proxy};

#[tokio::test]
async fn events_of_every_shape_give_both_devices_the_same_state() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone.open(&host.url()).await, laptop.open(&host.url()).await);
    let milk = phone.emit(added("milk")).await.unwrap();
    let bread = phone.emit(added("bread")).await.unwrap();
    let note = EntityId::new(b"notenote", milk.created());
    phone.emit(Event::Noted { note: note.clone(), text: "first".into() }).await.unwrap();
    phone.emit(Event::Status("shopping".into())).await.unwrap();
    state(&laptop, "the laptop has it all", |todos| todos.items.len() == 2 && todos.status == "shopping").await;

    laptop.emit(Event::Renamed { todo: milk.clone(), title: "oat milk".into() }).await.unwrap();
    laptop.emit(Event::Noted { note: note.clone(), text: "second".into() }).await.unwrap();
    laptop.emit(Event::Removed { todo: bread.clone() }).await.unwrap();
    phone.emit(Event::Done { todo: milk.clone(), done: true }).await.unwrap();
    caught_up(&phone).await;
    caught_up(&laptop).await;
    caught_up(&phone).await;

    assert_eq!(todos(&phone), todos(&laptop));
    let state = todos(&phone);
    assert_eq!(state.items.values().collect::<Vec<_>>(), [&("oat milk".to_owned(), true)]);
    assert_eq!((state.notes[&note].as_str(), state.status.as_str()), ("second", "shopping"));
    assert_eq!(host.count(&seed), 8);
}

#[tokio::test]
async fn news_arrive_by_the_live_channel_without_a_poll() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let mut config = crate::device::brisk();
    // Nobody looks by themselves within this test.
    config.poll = (Duration::from_secs(3600), Duration::from_secs(3600));
    config.recheck = Duration::from_secs(3600);
    let phone = phone.builder().session_config(config.clone()).host(host.url()).open().await.unwrap();
    let laptop = laptop.builder().session_config(config).host(host.url()).open().await.unwrap();
    for client in [&phone, &laptop] {
        status(client, "the channel is open", |status| status.hosts()[0].status.live == Live::Open).await;
        status(client, "everything was read", |status| status.is_caught_up()).await;
    }
    for round in 0..10 {
        let (from, to) = if round % 2 == 0 { (&phone, &laptop) } else { (&laptop, &phone) };
        let started = Instant::now();
        from.emit(added(format!("round {round}"))).await.unwrap();
        state(to, "the other device has it", |todos| todos.items.len() == round + 1).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn small_and_large_bodies_arrive_whole() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone.open(&host.url()).await, laptop.open(&host.url()).await);
    for size in [0, 1, 400, 512, 1 << 10, 1 << 20, 3 << 20] {
        let title: String = (0..size).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        phone.emit(added(title.clone())).await.unwrap();
        state(&laptop, "it is there", |todos| todos.items.values().any(|(other, _)| *other == title)).await;
    }
    assert_eq!(todos(&phone), todos(&laptop));
}

#[tokio::test]
async fn many_events_in_one_transaction_arrive_in_their_order() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone.open(&host.url()).await, laptop.open(&host.url()).await);
    let todo = phone.emit(added("start")).await.unwrap();
    let events = (0..2000).map(|n| Event::Renamed { todo: todo.clone(), title: format!("title {n}") }).collect();
    phone.emit_all(events).await.unwrap();
    state(&laptop, "the last counts", |todos| todos.titles() == ["title 1999"]).await;
    caught_up(&phone).await;
    assert_eq!(host.count(&seed), 2001);
}

#[tokio::test]
async fn wait_for_first_sync_ends_when_everything_was_read() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    soon("the first sync with an empty host is over", phone.first_sync()).await.unwrap();
    phone.emit_all((0..3000).map(|n| added(format!("item {n}"))).collect()).await.unwrap();
    caught_up(&phone).await;

    let opened = laptop.open(&host.url()).await;
    soon("the first sync is over", opened.first_sync()).await.unwrap();
    assert_eq!(opened.read(|todos| todos.items.len()), 3000);
    opened.close().await;

    let mut host = host;
    host.kill().await;
    let again = laptop.open(&host.url()).await;
    soon("an earlier first sync counts, though the host is gone", again.first_sync()).await.unwrap();
}

#[tokio::test]
async fn first_sync_is_over_when_all_was_read_though_nothing_can_be_pushed() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let phone = Device::new(&seed);
    let laptop = Device::new(&seed);
    let phone = phone.open(&host.url()).await;
    add(&phone, "item", 3).await;
    caught_up(&phone).await;
    let offline = laptop.builder().open().await.unwrap();
    offline.emit(added("x".repeat(100_000))).await.unwrap();
    offline.close().await;
    let proxy = Proxy::before(host.address).await;
    proxy.set(Network::Closing);
    let laptop = laptop.open(&proxy.url()).await;
    status(&laptop, "it fails", |status| matches!(status.hosts()[0].status.phase, Phase::Waiting { .. })).await;
    assert!(!laptop.status().hosts()[0].is_first_synced());
    // Everything but pushes gets through.
    proxy.set(Network::LatePushes(Duration::from_secs(3600)));
    soon("the first sync is over", laptop.first_sync()).await.unwrap();
    assert_eq!(laptop.read(|todos| todos.items.len()), 4);
    assert_eq!((laptop.status().pending(), host.count(&seed)), (1, 3));
}

#[tokio::test]
async fn sync_returns_when_what_the_host_has_is_here_and_what_is_here_is_there() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    proxy.set(Network::NoUpgrades);
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let mut config = crate::device::brisk();
    // Only `sync` looks at the host.
    config.poll = (Duration::from_secs(3600), Duration::from_secs(3600));
    config.recheck = Duration::from_secs(3600);
    let phone = phone.builder().session_config(config.clone()).host(proxy.url()).open().await.unwrap();
    let laptop = laptop.builder().session_config(config).host(proxy.url()).open().await.unwrap();
    for round in 1..30 {
        let (from, to) = if round % 2 == 0 { (&phone, &laptop) } else { (&laptop, &phone) };
        from.emit(added(format!("round {round}"))).await.unwrap();
        let status = soon("it is pushed", from.sync()).await.unwrap();
        assert!(status.is_caught_up(), "{status:?}");
        assert_eq!(host.count(&seed), round, "sync returns when it is at the host");
        let status = soon("it is pulled", to.sync()).await.unwrap();
        assert!(status.is_caught_up(), "{status:?}");
        assert_eq!(to.read(|todos| todos.items.len()), round, "sync returns when it is here");
    }
}

#[tokio::test]
async fn another_label_is_another_account() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let laptop = laptop.builder().host_as(Label::new("work"), host.url()).open().await.unwrap();
    phone.emit(added("milk")).await.unwrap();
    caught_up(&phone).await;
    soon("the laptop has synced", laptop.sync()).await.unwrap();
    assert_eq!(laptop.read(|todos| todos.items.len()), 0);
    assert_eq!((host.count(&seed), host.bags(&seed, &Label::new("work")).len()), (1, 0));
}

#[tokio::test]
async fn closed_client_goes_on_where_it_was() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let client = phone.open(&host.url()).await;
    add(&client, "online", 3).await;
    caught_up(&client).await;
    host.kill().await;
    add(&client, "offline", 3).await;
    client.close().await;
    let client = phone.open(&host.url()).await;
    assert_eq!(client.read(|todos| todos.items.len()), 6);
    add(&client, "later", 1).await;
    host.restart().await;
    caught_up(&client).await;
    assert_eq!(host.count(&seed), 7);
    client.close().await;
    // Once more, with nothing to do.
    let client = phone.open(&host.url()).await;
    caught_up(&client).await;
    assert_eq!(host.count(&seed), 7);
    let laptop = laptop.open(&host.url()).await;
    caught_up(&laptop).await;
    assert_eq!(todos(&laptop), todos(&client));
}

#[tokio::test]
async fn dropped_client_lets_go_of_its_file() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let phone = Device::new(&seed);
    for round in 1..6 {
        let client = phone.open(&host.url()).await;
        add(&client, &format!("round {round}"), 3).await;
        if round % 2 == 0 {
            client.close().await;
        } else {
            drop(client);
            let reopening = async {
                loop {
                    match phone.builder().open().await {
                        Ok(client) => return client.close().await,
                        Err(diplomatic::OpenError::OpenLog(diplomatic::OpenLogError::InUse { .. })) => {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            };
            soon("the file is free", reopening).await;
        }
    }
    let client = phone.open(&host.url()).await;
    caught_up(&client).await;
    assert_eq!(host.count(&seed), 15);
}

#[tokio::test]
async fn right_after_an_emit_the_status_does_not_claim_that_the_host_has_it() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let phone = Device::new(&seed);
    let phone = phone.open(&host.url()).await;
    for round in 1..=20 {
        phone.emit(added("milk")).await.unwrap();
        status(&phone, "the host has it", |status| status.is_caught_up()).await;
        assert_eq!(host.count(&seed), round);
    }
}
