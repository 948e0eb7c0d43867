//! Attachments between real devices: fetched when they are opened, through hosts that go away, lose and withhold.

use std::io::Cursor;
use std::time::Duration;

use diplomatic::attachments::{AttachmentError, KeepAttachments};
use diplomatic::{Attachment, Client, ClientBuilder, Label};
use diplomatic_simulation::todo::{Event, Todos, added};
use diplomatic_simulation::world::{BodyLie, Quirks, WorldHost};

use crate::device::{Device, add, caught_up, soon, state, status};
use crate::host::{TestHost, new_seed};
use crate::lying::LyingServer;

const CHUNK: usize = 256 << 10;

fn bytes(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|place| (place / 777 % 251) as u8 ^ salt).collect()
}

async fn attach(client: &Client<Todos>, bytes: Vec<u8>) -> Attachment {
    soon("it is attached", client.attach(Cursor::new(bytes))).await.unwrap()
}

async fn opened(client: &Client<Todos>, attachment: &Attachment) -> Result<Vec<u8>, AttachmentError> {
    soon("it is opened, or cannot be", client.open_attachment(attachment)).await
}

/// Attaches, and tells of it in an event.
async fn add_photo(client: &Client<Todos>, bytes: Vec<u8>) -> Attachment {
    let attachment = attach(client, bytes).await;
    client.emit(added(attachment.to_string())).await.unwrap();
    attachment
}

#[tokio::test]
async fn what_one_device_attaches_another_opens_and_has_from_then_on() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone_device, laptop_device) = (Device::new(&seed), Device::new(&seed));
    let (phone, laptop) = (phone_device.open(&host.url()).await, laptop_device.open(&host.url()).await);
    let mut attachments = Vec::new();
    for (salt, len) in (0..).zip([0, 1, 400, 5_000, CHUNK - 1, CHUNK, CHUNK + 1, 21 * CHUNK + 3]) {
        attachments.push((add_photo(&phone, bytes(len, salt)).await, bytes(len, salt)));
    }
    caught_up(&phone).await;
    caught_up(&laptop).await;
    state(&laptop, "the events are there", |todos| todos.items.len() == attachments.len()).await;
    for (attachment, bytes) in &attachments {
        assert!(opened(&laptop, attachment).await.unwrap() == *bytes, "{attachment}");
    }
    assert!(laptop.status().is_caught_up(), "{:?}", laptop.status());
    assert_eq!(host.count(&seed), 8 + 8 + 21 + 1 + 1 + 1);
    laptop.close().await;
    host.kill().await;
    let laptop = laptop_device.open(&host.url()).await;
    for (attachment, bytes) in &attachments {
        let out = soon("it is copied", laptop.copy_attachment(attachment, Cursor::new(Vec::new()))).await.unwrap();
        assert!(out.into_inner() == *bytes, "without a network");
    }
    assert_eq!(laptop.verify(|_| ()).await.unwrap().problems, []);
}

#[tokio::test]
async fn nobody_fetches_what_nobody_opens_and_that_is_in_sync() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let photo = add_photo(&phone, bytes(9 * CHUNK, 1)).await;
    caught_up(&phone).await;
    let client = laptop.open(&host.url()).await;
    caught_up(&client).await;
    assert!(std::fs::metadata(laptop.path()).unwrap().len() < 4 * CHUNK as u64);
    // A restart does not begin to fetch it either.
    client.close().await;
    let client = laptop.open(&host.url()).await;
    caught_up(&client).await;
    assert_eq!(client.digest().await.unwrap(), phone.digest().await.unwrap());
    assert!(std::fs::metadata(laptop.path()).unwrap().len() < 4 * CHUNK as u64);
    let bytes_here = opened(&client, &photo).await.unwrap();
    assert!(bytes_here == bytes(9 * CHUNK, 1));
}

#[tokio::test]
async fn a_device_that_keeps_everything_has_it_before_anybody_opens_it() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let early = add_photo(&phone, bytes(9 * CHUNK, 1)).await;
    caught_up(&phone).await;
    let client = laptop.open(&host.url()).await;
    caught_up(&client).await;
    client.close().await;
    let client = laptop.builder().keep_attachments(KeepAttachments::All).host(host.url()).open().await.unwrap();
    let late = add_photo(&phone, bytes(3 * CHUNK, 2)).await;
    caught_up(&phone).await;
    state(&client, "the event is there", |todos| todos.items.len() == 2).await;
    caught_up(&client).await;
    host.kill().await;
    assert!(opened(&client, &early).await.unwrap() == bytes(9 * CHUNK, 1));
    assert!(opened(&client, &late).await.unwrap() == bytes(3 * CHUNK, 2));
}

#[tokio::test]
async fn the_host_and_both_devices_may_die_at_any_time_meanwhile() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let photo = bytes(90 * CHUNK + 1, 1);
    let mut client = phone.open(&host.url()).await;
    let attachment = add_photo(&client, photo.clone()).await;
    let total = 90 + 1 + 1 + 1;
    let mut left = u64::MAX;
    for round in 0..3 {
        let at = status(&client, "some more is sent", |status| status.pending() < total.min(left)).await.pending();
        if round % 2 == 0 {
            host.kill().await;
            host.restart().await;
        }
        client.close().await;
        client = phone.open(&host.url()).await;
        left = at;
        if at == 0 {
            break;
        }
    }
    caught_up(&client).await;
    assert_eq!(host.count(&seed) as u64, total, "nothing is sent twice");

    for round in 0..4 {
        let client = laptop.open(&host.url()).await;
        state(&client, "the event is there", |todos| todos.items.len() == 1).await;
        {
            let opening = client.open_attachment(&attachment);
            tokio::select! {
                _ = opening => {}
                _ = status(&client, "some is fetched", |status| {
                    let to_fetch = status.hosts()[0].status.to_fetch.parts;
                    (1..91 - 16 * round).contains(&to_fetch)
                }) => {}
            }
        }
        if round % 2 == 0 {
            host.kill().await;
            host.restart().await;
        }
        client.close().await;
    }
    let client = laptop.open(&host.url()).await;
    assert!(opened(&client, &attachment).await.unwrap() == photo);
    assert_eq!(client.verify(|_| ()).await.unwrap().problems, []);
}

#[tokio::test]
async fn what_no_host_lists_is_an_error_that_says_so_and_passes() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.builder().open().await.unwrap();
    let photo = attach(&phone, bytes(2 * CHUNK, 1)).await;
    let laptop_client = laptop.open(&host.url()).await;
    assert!(matches!(opened(&laptop_client, &photo).await, Err(AttachmentError::NotListed { parts: 1 })));
    let alone = Device::new(&seed).builder().open().await.unwrap();
    assert!(matches!(opened(&alone, &photo).await, Err(AttachmentError::NotListed { parts: 1 })));
    phone.close().await;
    drop(phone);
    laptop_client.emit(added("milk")).await.unwrap();
    let phone = Device::new(&seed);
    let phone = phone.open(&host.url()).await;
    assert_eq!(attach(&phone, bytes(2 * CHUNK, 1)).await, photo);
    caught_up(&phone).await;
    assert!(opened(&laptop_client, &photo).await.unwrap() == bytes(2 * CHUNK, 1));
}

#[tokio::test]
async fn what_is_at_a_host_that_is_away_is_an_error_and_comes_when_it_is_back() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let photo = add_photo(&phone, bytes(2 * CHUNK, 1)).await;
    caught_up(&phone).await;
    let client = laptop.open(&host.url()).await;
    caught_up(&client).await;
    host.kill().await;
    let error = opened(&client, &photo).await.unwrap_err();
    assert!(matches!(error, AttachmentError::Unreachable { parts: 2 }), "{error:?}");
    host.restart().await;
    // It is still wanted.
    caught_up(&client).await;
    host.kill().await;
    assert!(opened(&client, &photo).await.unwrap() == bytes(2 * CHUNK, 1));
}

#[tokio::test]
async fn a_host_that_does_not_deliver_parts_is_told_of_and_holds_up_nothing_else() {
    for lie in [BodyLie::LeftOut, BodyLie::Flipped, BodyLie::Endless] {
        let (seed, server) = (new_seed(), LyingServer::start(Quirks::default()).await);
        let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
        let phone = phone.open(&server.url()).await;
        let photo = add_photo(&phone, bytes(6 * CHUNK, 1)).await;
        caught_up(&phone).await;
        let client = laptop.open(&server.url()).await;
        caught_up(&client).await;
        server.host.lock().unwrap().lies.bodies = (1..=4).map(|seq| (seq, lie)).collect();
        let error = opened(&client, &photo).await.unwrap_err();
        assert!(matches!(error, AttachmentError::Withheld { parts: 1..=4 }), "{lie:?}: {error:?}");
        let line = client.status().hosts()[0].to_string();
        assert!(!client.status().is_caught_up() && line.contains("of attachments to be fetched"), "{lie:?}: {line}");
        add(&phone, "later", 1).await;
        state(&client, "events come", |todos| todos.items.len() == 2).await;
        server.host.lock().unwrap().heal();
        assert!(opened(&client, &photo).await.unwrap() == bytes(6 * CHUNK, 1), "{lie:?}");
        caught_up(&client).await;
    }
}

#[tokio::test]
async fn attachments_pass_from_one_host_to_the_other() {
    let (first, second, seed) = (TestHost::start().await, TestHost::start().await, new_seed());
    let devices = [Device::new(&seed), Device::new(&seed), Device::new(&seed)];
    let backup = Label::new("backup");
    let phone = devices[0].open(&first.url()).await;
    let bridge = devices[1].builder().host(first.url()).host_as(backup.clone(), second.url()).open().await.unwrap();
    let laptop = devices[2].builder().host_as(backup, second.url()).open().await.unwrap();
    let photo = add_photo(&phone, bytes(6 * CHUNK, 1)).await;
    caught_up(&phone).await;
    caught_up(&bridge).await;
    caught_up(&laptop).await;
    assert!(opened(&laptop, &photo).await.unwrap() == bytes(6 * CHUNK, 1));
}

#[tokio::test]
async fn a_host_that_lost_its_data_gets_the_attachments_again() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let photo = add_photo(&phone, bytes(6 * CHUNK, 1)).await;
    caught_up(&phone).await;
    let client = laptop.open(&host.url()).await;
    caught_up(&client).await;
    host.lose_everything().await;
    caught_up(&phone).await;
    caught_up(&client).await;
    assert!(opened(&client, &photo).await.unwrap() == bytes(6 * CHUNK, 1));
    assert_eq!(host.count(&seed), 8);
}

#[tokio::test]
async fn witnesses_speak_of_events_and_attachments_do_not_confuse_them() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let quickly = Some(Duration::from_millis(50));
    let phone = phone.builder().witness_after(quickly).host(host.url()).open().await.unwrap();
    let laptop = laptop.builder().witness_after(quickly).host(host.url()).open().await.unwrap();
    let photo = add_photo(&phone, bytes(6 * CHUNK, 1)).await;
    status(&laptop, "the phone has spoken", |status| {
        status.peers().devices.iter().any(|peer| peer.heard.is_some()) && status.is_caught_up()
    })
    .await;
    assert!(laptop.status().peers().is_complete());
    assert!(opened(&laptop, &photo).await.unwrap() == bytes(6 * CHUNK, 1));
}

#[tokio::test]
async fn what_no_live_event_refers_to_is_removed_by_itself_on_every_device_and_nothing_else() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let devices = [Device::new(&seed), Device::new(&seed)];
    let mut clients = Vec::new();
    for device in &devices {
        let builder = device.builder().keep_attachments(KeepAttachments::All).host(host.url());
        clients.push(builder.remove_attachments_after(Some(Duration::from_secs(2))).open().await.unwrap());
    }
    // However long this machine takes, there is never a moment at which nothing refers to it.
    let elsewhere = Client::<Todos>::builder(seed.clone()).in_memory().open().await.unwrap();
    let kept = attach(&elsewhere, bytes(2 * CHUNK, 1)).await;
    clients[0].emit(added(kept.to_string())).await.unwrap();
    assert_eq!(attach(&clients[0], bytes(2 * CHUNK, 1)).await, kept);
    let draft = attach(&clients[0], bytes(2 * CHUNK + 5, 2)).await;
    let removed = attach(&clients[0], bytes(700, 3)).await;
    let todo = clients[0].emit(added(removed.to_string())).await.unwrap();
    clients[1].wait_until(|todos| todos.items.len() == 2).await.unwrap();
    clients[1].emit(Event::Removed { todo }).await.unwrap();
    for client in &clients {
        for gone in [&draft, &removed] {
            // Nobody opens them, since that would bring them back from the host.
            let mut statuses = client.status_changes();
            while client.holds_attachment(gone).await.unwrap() {
                let wait = tokio::time::timeout(Duration::from_millis(100), statuses.next());
                drop(soon("time passes", async { wait.await.ok() }).await);
            }
        }
    }
    for client in &clients {
        caught_up(client).await;
        assert!(client.holds_attachment(&kept).await.unwrap());
        assert_eq!(client.verify(|_| ()).await.unwrap().problems, []);
        assert!(opened(client, &kept).await.unwrap() == bytes(2 * CHUNK, 1));
    }
    assert!(opened(&clients[1], &draft).await.unwrap() == bytes(2 * CHUNK + 5, 2), "hosts keep what they have");
}

#[tokio::test]
async fn parts_that_a_host_does_not_deliver_come_from_a_device_that_has_them() {
    let (seed, server) = (new_seed(), LyingServer::start(Quirks { repeats_bags: true, ..Quirks::default() }).await);
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let quickly = Some(Duration::from_millis(50));
    let phone = phone.builder().witness_after(quickly).host(server.url()).open().await.unwrap();
    let photo = add_photo(&phone, bytes(6 * CHUNK, 1)).await;
    caught_up(&phone).await;
    let client = laptop.builder().witness_after(quickly).host(server.url()).open().await.unwrap();
    caught_up(&client).await;
    // They are never delivered under these numbers.
    server.host.lock().unwrap().lies.bodies = (1..=8).map(|seq| (seq, BodyLie::LeftOut)).collect();
    let error = opened(&client, &photo).await.unwrap_err();
    assert!(matches!(error, AttachmentError::Withheld { .. }), "{error:?}");
    let opening = async {
        while client.open_attachment(&photo).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the phone sends it again", opening).await;
    assert!(opened(&client, &photo).await.unwrap() == bytes(6 * CHUNK, 1));
}

fn with_limit(device: &Device, chunks: usize, url: String) -> ClientBuilder<Todos> {
    // The body of a chunk is a little longer than the chunk.
    device.builder().keep_attachments(KeepAttachments::UpTo((chunks * CHUNK + CHUNK / 2) as u64)).host(url)
}

async fn holds(client: &Client<Todos>, attachment: &Attachment) -> bool {
    client.holds_attachment(attachment).await.unwrap()
}

/// Waits until an attachment is no longer whole here.
async fn gone(client: &Client<Todos>, attachment: &Attachment) {
    // The status need not change: as much may be here as before.
    let waiting = async {
        while holds(client, attachment).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("there is room", waiting).await;
}

/// Waits until so many parts at most are here.
async fn kept(client: &Client<Todos>, most: u64) {
    status(client, "there is room", |status| status.kept_attachments().is_some_and(|kept| kept.parts <= most)).await;
}

#[tokio::test]
async fn a_device_with_a_limit_keeps_what_was_opened_last_and_fetches_the_rest_again() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let mut photos = Vec::new();
    for salt in 1..=4 {
        photos.push((add_photo(&phone, bytes(3 * CHUNK, salt)).await, bytes(3 * CHUNK, salt)));
    }
    caught_up(&phone).await;
    let mut client = with_limit(&laptop, 7, host.url()).open().await.unwrap();
    caught_up(&client).await;
    // The first is opened again, so the second is the one that was not opened for longest; also after a restart.
    for (step, number) in [0, 1, 0, 2].into_iter().enumerate() {
        let (photo, bytes) = &photos[number];
        assert!(opened(&client, photo).await.unwrap() == *bytes);
        if step == 2 {
            client.close().await;
            client = with_limit(&laptop, 7, host.url()).open().await.unwrap();
            caught_up(&client).await;
        }
    }
    gone(&client, &photos[1].0).await;
    kept(&client, 7).await;
    assert!(holds(&client, &photos[0].0).await && holds(&client, &photos[2].0).await);
    for (photo, bytes) in photos.iter().rev() {
        assert!(opened(&client, photo).await.unwrap() == *bytes, "it is fetched again");
        kept(&client, 7).await;
    }
    assert!(client.status().is_caught_up(), "{:?}", client.status());
    assert_eq!(client.verify(|_| ()).await.unwrap().problems, []);
}

#[tokio::test]
async fn a_device_with_a_limit_never_drops_what_a_host_does_not_have() {
    let (mut first, second, seed) = (TestHost::start().await, TestHost::start().await, new_seed());
    let phone = Device::new(&seed);
    // Nobody listens there.
    let client = with_limit(&phone, 1, "http://localhost:9".to_owned()).open().await.unwrap();
    let photo = add_photo(&client, bytes(4 * CHUNK, 1)).await;
    client.sync().await.unwrap();
    assert!(holds(&client, &photo).await, "no host has it");
    client.close().await;
    let both = || with_limit(&phone, 1, first.url()).host_as(Label::new("backup"), second.url());
    let client = both().open().await.unwrap();
    caught_up(&client).await;
    // Both hosts have it.
    gone(&client, &photo).await;
    kept(&client, 1).await;
    assert!(opened(&client, &photo).await.unwrap() == bytes(4 * CHUNK, 1));
    first.kill().await;
    let second_photo = add_photo(&client, bytes(4 * CHUNK, 2)).await;
    status(&client, "the second host has it", |status| status.hosts()[1].status.pending == 0).await;
    kept(&client, 5).await;
    assert!(holds(&client, &second_photo).await, "the first host has not");
    first.restart().await;
    caught_up(&client).await;
    gone(&client, &second_photo).await;
    assert_eq!(client.verify(|_| ()).await.unwrap().problems, []);
}

#[tokio::test]
async fn attachments_larger_than_the_limit_are_read_whole_also_at_once() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.open(&host.url()).await;
    let photos = [add_photo(&phone, bytes(9 * CHUNK, 1)).await, add_photo(&phone, bytes(8 * CHUNK, 2)).await];
    caught_up(&phone).await;
    let client = with_limit(&laptop, 1, host.url()).open().await.unwrap();
    caught_up(&client).await;
    for _ in 0..3 {
        let (first, second) = tokio::join!(opened(&client, &photos[0]), opened(&client, &photos[1]));
        assert!(first.unwrap() == bytes(9 * CHUNK, 1) && second.unwrap() == bytes(8 * CHUNK, 2));
        kept(&client, 1).await;
    }
}
