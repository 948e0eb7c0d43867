//! Several hosts.

use std::sync::Arc;

use diplomatic::Label;
use diplomatic_host::{Host, Server};
use diplomatic_simulation::todo::added;
use diplomatic_tests::counting::CountingStore;
use tokio::net::TcpListener;

use crate::device::{Device, add, caught_up, state, todos};
use crate::host::{TestHost, new_seed};

fn backup() -> Label {
    Label::new("backup")
}

#[tokio::test]
async fn messages_pass_from_one_host_to_the_other() {
    let (first, second, seed) = (TestHost::start().await, TestHost::start().await, new_seed());
    let devices = [Device::new(&seed), Device::new(&seed), Device::new(&seed)];
    let phone = devices[0].open(&first.url()).await;
    let bridge = devices[1].builder().host(first.url()).host_as(backup(), second.url()).open().await.unwrap();
    let laptop = devices[2].builder().host_as(backup(), second.url()).open().await.unwrap();
    add(&phone, "phone", 20).await;
    add(&laptop, "laptop", 20).await;
    add(&bridge, "bridge", 20).await;
    for client in [&phone, &laptop, &bridge] {
        state(client, "it has everything", |todos| todos.items.len() == 60).await;
    }
    for client in [&phone, &laptop, &bridge] {
        caught_up(client).await;
    }
    assert_eq!(todos(&phone), todos(&laptop));
    assert_eq!((first.count(&seed), second.bags(&seed, &backup()).len()), (60, 60));
}

#[tokio::test]
async fn host_that_is_linked_later_gets_everything() {
    let (first, mut second, seed) = (TestHost::start().await, TestHost::absent().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let client = phone.open(&first.url()).await;
    client.emit_all((0..700).map(|n| added(format!("early {n}"))).collect()).await.unwrap();
    caught_up(&client).await;
    client.close().await;

    let client = phone.builder().host(first.url()).host_as(backup(), second.url()).open().await.unwrap();
    add(&client, "later", 1).await;
    assert!(!client.status().is_caught_up());
    second.restart().await;
    caught_up(&client).await;
    assert_eq!(second.bags(&seed, &backup()).len(), 701);
    let laptop = laptop.builder().host_as(backup(), second.url()).open().await.unwrap();
    state(&laptop, "it has everything", |todos| todos.items.len() == 701).await;
}

#[tokio::test]
async fn one_host_that_is_away_holds_up_nothing() {
    let (first, second, seed) = (TestHost::start().await, TestHost::absent().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.builder().host(first.url()).host_as(backup(), second.url()).open().await.unwrap();
    let laptop = laptop.open(&first.url()).await;
    phone.emit(added("milk")).await.unwrap();
    state(&laptop, "it is there", |todos| todos.items.len() == 1).await;
    assert_eq!(phone.status().hosts().len(), 2);
    assert_eq!(phone.status().hosts()[1].label, backup());
}

#[tokio::test]
async fn host_that_is_unlinked_waits_for_nothing_and_gets_everything_when_it_is_linked_again() {
    let (first, mut second, seed) = (TestHost::start().await, TestHost::absent().await, new_seed());
    let device = Device::new(&seed);
    let client = device.builder().host(first.url()).host_as(backup(), second.url()).open().await.unwrap();
    add(&client, "before", 10).await;
    client.sync().await.unwrap();
    assert_eq!(client.status().pending(), 10);
    assert!(client.unlink_host(&backup()).await.unwrap());
    assert!(!client.unlink_host(&backup()).await.unwrap());
    assert_eq!((client.status().hosts().len(), client.status().pending()), (1, 0));
    add(&client, "after", 5).await;
    assert!(client.sync().await.unwrap().is_caught_up());
    assert_eq!(first.count(&seed), 15);
    client.close().await;

    second.restart().await;
    let client = device.open(&first.url()).await;
    assert!(client.sync().await.unwrap().is_caught_up());
    client.close().await;
    let client = device.builder().host(first.url()).host_as(backup(), second.url()).open().await.unwrap();
    caught_up(&client).await;
    assert_eq!(second.bags(&seed, &backup()).len(), 15);
}

async fn counting_host() -> (String, CountingStore) {
    let (listener, store) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), CountingStore::default());
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(Server::new(Arc::new(Host::new(store.clone()))).serve(listener, std::future::pending()));
    (url, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_with_the_same_messages_each_body_is_fetched_from_one_and_own_messages_from_none() {
    const MESSAGES: usize = 12_000;
    let ((first, first_store), (second, second_store)) = (counting_host().await, counting_host().await);
    let seed = new_seed();
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let client = phone.builder().host(&first).host_as(backup(), &second).open().await.unwrap();
    for _ in 0..4 {
        client.emit_all((0..MESSAGES / 4).map(|n| added(format!("item {n}"))).collect()).await.unwrap();
    }
    caught_up(&client).await;
    client.close().await;
    for store in [&first_store, &second_store] {
        assert_eq!(store.bodies_fetched(), 0);
        assert!(store.heads_listed() < MESSAGES / 4, "{} of the own messages were listed", store.heads_listed());
    }

    let client = laptop.builder().host(&first).host_as(backup(), &second).open().await.unwrap();
    state(&client, "it has everything", |todos| todos.items.len() == MESSAGES).await;
    caught_up(&client).await;
    let fetched = first_store.bodies_fetched() + second_store.bodies_fetched();
    // A host that takes seconds for an answer, as on a very busy machine, is no longer waited for.
    assert!((MESSAGES..MESSAGES * 3 / 2).contains(&fetched), "{fetched} bodies were fetched");
}

#[tokio::test]
async fn host_that_goes_away_in_the_middle_does_not_keep_messages_from_coming_from_another() {
    let (mut first, second, seed) = (TestHost::start().await, TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let client = phone.builder().host(first.url()).host_as(backup(), second.url()).open().await.unwrap();
    client.emit_all((0..3_000).map(|n| added(format!("item {n}"))).collect()).await.unwrap();
    caught_up(&client).await;
    client.close().await;
    let client = laptop.builder().host(first.url()).host_as(backup(), second.url()).open().await.unwrap();
    state(&client, "something has come", |todos| !todos.items.is_empty()).await;
    first.kill().await;
    state(&client, "it has everything", |todos| todos.items.len() == 3_000).await;
}
