//! Real networks: slow lines, hosts that drip, proxies with a prefix, a device that sleeps, and hosts that ask for patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use diplomatic::sync::{BlockCause, Live, Phase, Refusal, SessionConfig, Trouble};
use diplomatic::{Label, Timestamp};
use diplomatic_simulation::todo::added;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::device::{Device, add, brisk, caught_up, soon, state, status};
use crate::host::{TestHost, new_seed};
use crate::proxy::{Network, Proxy};
use crate::wrong::{impostor, page};

/// An answer with a head of its own.
fn answer(head: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn upload_on_a_slow_line_arrives_at_the_first_attempt() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    let client = Device::new(&seed);
    let client = client.open(&proxy.url()).await;
    soon("the host is known", client.sync()).await.unwrap();
    // At 64 KiB a second, this takes several times the two seconds that a host may be silent.
    proxy.set(Network::Narrow);
    client.emit(added("x".repeat(600_000))).await.unwrap();
    add(&client, "behind it", 5).await;
    let synced = soon("everything is sent", client.sync()).await.unwrap();
    assert!(synced.is_caught_up(), "{synced:?}");
    assert_eq!(host.count(&seed), 6);
    assert!(proxy.upstream_bytes() < 900_000, "{} bytes were sent", proxy.upstream_bytes());
}

#[tokio::test]
async fn message_that_never_gets_through_is_named_and_the_others_arrive_in_one_sync() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    // Connections that are open keep their limit, so it is set before the first.
    proxy.set(Network::CuttingLarge(100_000));
    let client = Device::new(&seed);
    let client = client.open(&proxy.url()).await;
    soon("the host is known", client.sync()).await.unwrap();
    add(&client, "before", 20).await;
    let large = client.emit(added("x".repeat(300_000))).await.unwrap();
    add(&client, "after", 20).await;
    let synced = soon("all others are sent", client.sync()).await.unwrap();
    assert_eq!(host.count(&seed), 40);
    let told = &synced.hosts()[0];
    assert_eq!((told.status.pending, told.status.refused), (1, 1), "{told:?}");
    assert_eq!(told.status.refusal, Some(Refusal::Undelivered));
    let message = told.status.refused_message.as_ref().unwrap();
    assert_eq!(message.entity, large);
    assert!(message.bytes > 300_000 && told.to_string().contains(&large.to_string()), "{told}");

    proxy.set(Network::Good);
    // Asking lets it be tried again at once.
    caught_up(&client).await;
    assert_eq!(host.count(&seed), 41);
}

#[tokio::test]
async fn host_that_drips_is_given_up_with_the_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
                let _ = stream.write_all(head).await;
                // Something like a success, and then a byte from time to time.
                while stream.write_all(&[0]).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
        }
    });
    let device = Device::new(&new_seed());
    let client = device.open(&url).await;
    let synced = soon("sync comes back", client.sync()).await.unwrap();
    let phase = &synced.hosts()[0].status.phase;
    assert!(matches!(phase, Phase::Waiting { trouble: Trouble::TooSlow | Trouble::Garbled, .. }), "{phase:?}");
}

#[tokio::test]
async fn answer_without_end_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicU64::new(0));
    let counter = sent.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let counter = counter.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap_or_default();
                let is_user = request[..read].starts_with(b"POST /user");
                // The account is not registered, and its registration is answered with more than fits anywhere.
                let mut body = vec![if is_user { 0 } else { 5 }];
                body.extend_from_slice(&[0; 6]);
                let len: u64 = if is_user { 10 << 30 } else { 7 };
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n");
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                let chunk = vec![7; 64 << 10];
                while is_user && stream.write_all(&chunk).await.is_ok() {
                    counter.fetch_add(chunk.len() as u64, Ordering::SeqCst);
                }
                // The rest of the request, without which closing would reset the connection and lose the answer.
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    let device = Device::new(&new_seed());
    let client = device.open(&url).await;
    let synced = soon("sync comes back", client.sync()).await.unwrap();
    let phase = &synced.hosts()[0].status.phase;
    assert!(matches!(phase, Phase::Waiting { trouble: Trouble::Garbled, .. }), "{phase:?}");
    assert!(sent.load(Ordering::SeqCst) < 256 << 20, "{} bytes were read", sent.load(Ordering::SeqCst));
}

#[tokio::test]
async fn redirects_name_their_target() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let redirect = format!("{status}\r\nlocation: https://me:secret@new.example.org/peek?token=1");
        let (address, _impostor) = impostor(move |_| answer(&redirect)).await;
        let device = Device::new(&new_seed());
        let client = device.open(&format!("http://{address}")).await;
        let synced = soon("sync comes back", client.sync()).await.unwrap();
        let told = &synced.hosts()[0];
        let Phase::Blocked { cause: BlockCause::Redirected { target, .. }, .. } = &told.status.phase else {
            panic!("{told:?}");
        };
        assert_eq!(&**target, "https://new.example.org");
        assert!(told.to_string().contains("https://new.example.org"), "{told}");
    }
}

#[tokio::test]
async fn sign_in_page_does_not_look_like_a_wrong_clock() {
    for body in [&b"<!doctype html><html>Sign in</html>"[..], b"<html>", b"{\"error\":1}", b"\n\n\n\n", b"Hello", b""] {
        let (address, _impostor) = impostor(move |_| page("200 OK", body)).await;
        let device = Device::new(&new_seed());
        let client = device.open(&format!("http://{address}")).await;
        let synced = soon("sync comes back", client.sync()).await.unwrap();
        let told = &synced.hosts()[0];
        assert_eq!(told.status.clock_offset, None, "{told:?}");
        assert!(synced.clock_troubles().is_empty());
        assert!(matches!(told.status.phase, Phase::Blocked { cause: BlockCause::SomethingElse, .. }), "{told:?}");
        assert!(told.to_string().contains("not a DIPLOMATIC host"), "{told}");
    }
}

#[tokio::test]
async fn host_that_asks_for_patience_is_left_alone_even_if_the_user_asks() {
    for (status, after) in [("429 Too Many Requests", "3600"), ("503 Busy", "Fri, 01 Jan 2100 00:00:00 GMT")] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let busy = format!("{status}\r\nretry-after: {after}");
        let (address, _impostor) = impostor(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            answer(&busy)
        })
        .await;
        let device = Device::new(&new_seed());
        let client = device.open(&format!("http://{address}")).await;
        client.emit(added("milk")).await.unwrap();
        for _ in 0..5 {
            let synced = soon("sync comes back", client.sync()).await.unwrap();
            let phase = &synced.hosts()[0].status.phase;
            assert!(matches!(phase, Phase::Waiting { trouble: Trouble::Busy { .. }, .. }), "{phase:?}");
            client.emit(added("bread")).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{status}");
    }
}

#[tokio::test]
async fn live_channel_opens_behind_a_proxy_with_a_prefix() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let address = host.address;
    let mut tasks = JoinSet::new();
    // It forwards what is below /dip/ without the prefix, and redirects /dip itself, as usual servers do.
    tasks.spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                let read = client.read(&mut head).await.unwrap_or_default();
                let text = String::from_utf8_lossy(&head[..read]).into_owned();
                if !text.split(' ').nth(1).is_some_and(|path| path.starts_with("/dip/")) {
                    let _ = client.write_all(&answer("301 Moved Permanently\r\nlocation: /dip/")).await;
                    return;
                }
                let mut upstream = TcpStream::connect(address).await.unwrap();
                let place = head[..read].windows(5).position(|part| part == b"/dip/").unwrap();
                head.truncate(read);
                head.drain(place..place + 4);
                if head.starts_with(b"POST") {
                    // One request a connection, so that no later one keeps its prefix.
                    let end = head.windows(2).position(|part| part == b"\r\n").unwrap();
                    head.splice(end..end, *b"\r\nconnection: close");
                }
                let _ = upstream.write_all(&head).await;
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            });
        }
    });
    for path in ["/dip", "/dip/"] {
        let device = Device::new(&seed);
        let client = device.open(&format!("http://{place}{path}")).await;
        status(&client, "the channel is open", |status| status.hosts()[0].status.live == Live::Open).await;
    }
}

#[tokio::test]
async fn device_that_wakes_up_is_in_sync_at_once_though_its_connections_are_dead() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy = Proxy::before(host.address).await;
    let slept = Arc::new(AtomicU64::new(0));
    let clock = {
        let slept = slept.clone();
        move || {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap() + Duration::from_secs(slept.load(Ordering::SeqCst));
            Timestamp::EPOCH.plus(now)
        }
    };
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    // Nothing but the awakening makes the device look again, or notice that its connections are dead.
    let mut config = SessionConfig::default();
    let never = Duration::from_secs(24 * 3600);
    (config.request_timeout, config.ping_after, config.dead_after, config.recheck) = (never, never, never, never);
    config.poll = (never, never);
    let phone = phone.builder().session_config(config).clock(clock).host(proxy.url()).open().await.unwrap();
    let laptop = laptop.open(&host.url()).await;
    status(&phone, "the channel is open", |status| status.hosts()[0].status.live == Live::Open).await;
    proxy.set(Network::Dead);
    laptop.emit(added("meanwhile")).await.unwrap();
    status(&laptop, "it is sent", |status| status.is_caught_up()).await;
    proxy.set(Network::Good);
    assert_eq!(phone.read(|todos| todos.items.len()), 0);
    slept.store(600, Ordering::SeqCst);
    state(&phone, "what was missed is here", |todos| todos.items.len() == 1).await;
}

#[tokio::test]
async fn sync_ends_when_the_slower_host_has_what_the_faster_one_brought() {
    let (first, second) = (TestHost::start().await, TestHost::start().await);
    let proxy = Proxy::before(second.address).await;
    proxy.set(Network::Slow(Duration::from_millis(60)));
    for _ in 0..6 {
        let seed = new_seed();
        let (phone, bridge) = (Device::new(&seed), Device::new(&seed));
        let phone = phone.open(&first.url()).await;
        add(&phone, "phone", 10).await;
        assert!(soon("it is sent", phone.sync()).await.unwrap().is_caught_up());
        let backup = Label::new("backup");
        let bridge = bridge.builder().host(first.url()).host_as(backup.clone(), proxy.url()).open().await.unwrap();
        let synced = soon("both are in sync", bridge.sync()).await.unwrap();
        assert!(synced.is_caught_up(), "{synced:?}");
        assert_eq!(second.bags(&seed, &backup).len(), 10);
    }
}

#[tokio::test]
async fn silent_host_is_told_apart_from_one_that_is_not_there() {
    let mut config = brisk();
    config.request_timeout = Duration::from_millis(500);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    for (url, part) in [
        (silent.as_str(), "does not answer"),
        ("http://127.0.0.1:1", "connection refused"),
        ("http://no-such-name.invalid", "no address was found for the name no-such-name.invalid"),
    ] {
        let device = Device::new(&new_seed());
        let client = device.builder().session_config(config.clone()).host(url).open().await.unwrap();
        let synced = soon("sync comes back", client.sync()).await.unwrap();
        let told = synced.hosts()[0].to_string();
        assert!(told.contains(part), "{told}");
    }
}
