//! The server on real sockets: the live channel, limits, and clients that misbehave.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diplomatic::standard::calls::{Notification, PushItem, PushOutcome, PushRequest, UserRequest};
use diplomatic::standard::{Decode, SealedHead, Seq, Status};
use diplomatic_host::{BagStore, Host, LateStore, Limits, MemoryStore, RedbStore};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

use support::account::{Account, NOW};
use support::{Client, Response, Running, next_frame, soon};

fn seqs(frame: &[u8]) -> Vec<u64> {
    Notification::decode(frame).unwrap().items.iter().map(|item| item.seq.number()).collect()
}

/// Sends bytes as they are, and returns what comes back until the server closes.
async fn raw(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn pushes_are_told_to_every_open_socket_of_the_user_by_seq() {
    let server = Running::start(RedbStore::in_memory().unwrap()).await;
    let (account, stranger) = (Arc::new(Account::new(1)), Account::new(2));
    let mut client = server.client().await;
    client.user(&account).await;
    client.user(&stranger).await;
    let mut sockets = [server.socket(&account).await, server.socket(&account).await];
    let mut other = server.socket(&stranger).await;

    let pushing: Vec<_> = (0..8)
        .map(|_| {
            let (account, address) = (account.clone(), server.address);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                for count in [1, 2, 1, 3, 1] {
                    client.push(&account, account.bags(count, 20)).await;
                }
            })
        })
        .collect();
    for push in pushing {
        soon(push).await.unwrap();
    }
    for socket in &mut sockets {
        let mut told = Vec::new();
        while told.len() < 64 {
            told.extend(seqs(&soon(next_frame(socket)).await.unwrap()));
        }
        assert_eq!(told, (1..=64).collect::<Vec<_>>());
    }
    assert!(timeout(Duration::from_millis(50), other.next()).await.is_err(), "another user's socket heard something");
}

#[tokio::test]
async fn a_socket_is_refused_with_401_when_its_token_does_not_check_out() {
    let server = Running::start(MemoryStore::new()).await;
    let unregistered = Account::new(1).token(NOW);
    for query in ["", "?", "?t=", "?t=00", "?x=1", &format!("?t={unregistered}")] {
        match connect_async(format!("ws://{}/{query}", server.address)).await {
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), 401, "{query}");
                assert_eq!(response.headers()["access-control-allow-origin"], "*", "{query}");
            }
            other => panic!("{query} led to {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_a_client_says_on_a_socket_is_ignored_and_too_much_closes_it() {
    let server = Running::start(MemoryStore::new()).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let mut socket = server.socket(&account).await;
    socket.send(Message::text("hello")).await.unwrap();
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    client.push(&account, account.bags(1, 10)).await;
    assert_eq!(seqs(&soon(next_frame(&mut socket)).await.unwrap()), [1]);
    let _ = socket.send(Message::binary(vec![0; 1 << 20])).await;
    assert!(soon(next_frame(&mut socket)).await.is_none());
}

#[tokio::test]
async fn a_socket_that_never_answers_a_ping_is_dropped() {
    let mut limits = Limits::default();
    limits.ping = Duration::from_millis(50);
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let account = Account::new(1);
    server.client().await.user(&account).await;
    // A bare connection: it takes the pings and says nothing.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let upgrade = format!(
        "GET /?t={} HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        account.token(NOW)
    );
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    soon(stream.read_to_end(&mut heard)).await.unwrap();
    assert!(heard.starts_with(b"HTTP/1.1 101"));
    assert!(heard.ends_with(&[0x89, 0, 0x89, 0]), "two pings and the end");
}

#[tokio::test]
async fn a_socket_that_never_reads_holds_nobody_up_and_is_dropped() {
    let mut limits = Limits::default();
    limits.idle = Duration::from_millis(300);
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let mut deaf = server.socket(&account).await;
    let mut lively = server.socket(&account).await;
    let lively = tokio::spawn(async move {
        let mut told = 0;
        while told < 40_000 {
            told += seqs(&soon(next_frame(&mut lively)).await.unwrap()).len();
        }
    });
    for _ in 0..20 {
        client.push(&account, account.bags(2000, 0)).await;
    }
    soon(lively).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    let mut heard = 0;
    soon(async {
        while let Some(frame) = next_frame(&mut deaf).await {
            heard += seqs(&frame).len();
        }
    })
    .await;
    assert!(heard < 40_000, "the socket was let go while others heard everything");
}

#[tokio::test]
async fn a_bag_above_the_limit_is_refused_for_itself_and_the_others_are_stored() {
    let mut limits = Limits::default();
    limits.body = 10_000;
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let bags = [account.bags(3, 1000), account.bags(1, 20_000), account.bags(10, 1000)].concat();
    let request = account.request(NOW, &PushRequest { bags });
    let response = soon(client.send("POST", "/push", request)).await.unwrap();
    let refused: Vec<_> = outcomes(&response).into_iter().enumerate().filter(|(_, outcome)| outcome.is_err()).collect();
    assert_eq!(refused, [(3, Err(Status::INVALID_REQUEST))]);
    assert_eq!(client.peek(&account, 0).await.len(), 13);
}

#[tokio::test]
async fn a_push_of_more_than_the_memory_for_bodies_is_stored() {
    let mut limits = Limits::default();
    limits.body = 100_000;
    limits.bodies = 1 << 20;
    let server = Running::with_limits(RedbStore::in_memory().unwrap(), limits).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let mut socket = server.socket(&account).await;
    let bags = account.bags(500, 90_000);
    let pushed = tokio::spawn(async move {
        let stored = soon(client.push(&account, bags)).await;
        assert_eq!(stored, (1..=500).collect::<Vec<_>>());
    });
    let mut told = Vec::new();
    while told.len() < 500 {
        told.extend(seqs(&soon(next_frame(&mut socket)).await.unwrap()));
    }
    assert_eq!(told, (1..=500).collect::<Vec<_>>());
    pushed.await.unwrap();
}

#[tokio::test]
async fn what_came_before_a_push_broke_off_is_stored_and_told() {
    let server = Running::start(RedbStore::in_memory().unwrap()).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let mut socket = server.socket(&account).await;
    let request = account.request(NOW, &PushRequest { bags: account.bags(100, 40_000) });
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let header = format!("POST /push HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", request.len());
    stream.write_all(&[header.as_bytes(), &request[..request.len() - 10]].concat()).await.unwrap();
    let told = seqs(&soon(next_frame(&mut socket)).await.unwrap());
    assert_eq!(told[0], 1, "bags are told of while others are on their way");
    drop(stream);
    let stored = client.peek(&account, 0).await;
    assert!(stored.iter().map(|item| item.seq.number()).eq(1..=stored.len() as u64));
}

#[tokio::test]
async fn a_bag_with_a_large_head_is_an_invalid_message_and_the_others_are_stored() {
    let server = Running::start(MemoryStore::new()).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let large = |head: usize| {
        let mut bag = account.bag(10);
        bag.head.head = SealedHead::from_bytes(vec![1; head]);
        bag
    };
    let bags = vec![account.bag(10), large(4097), account.bag(10), large(4096), large(1 << 20), account.bag(0)];
    let request = account.request(NOW, &PushRequest { bags });
    let response = soon(client.send("POST", "/push", request)).await.unwrap();
    let [message, signature] = [Status::INVALID_MESSAGE, Status::INVALID_SIGNATURE].map(Err);
    assert_eq!(outcomes(&response), [Ok(1), message, Ok(2), signature, message, Ok(3)]);
}

/// What became of each bag of a push.
fn outcomes(response: &Response) -> Vec<Result<u64, Status>> {
    let items: Vec<PushItem> = response.items();
    let outcome = |item: &PushItem| match item.outcome {
        PushOutcome::Stored(seq) => Ok(seq.number()),
        PushOutcome::Refused(status) => Err(status),
    };
    items.iter().map(outcome).collect()
}

/// Sends the start of a push of 64 MiB, and then a byte now and then for as long as the server listens.
async fn trickle(address: SocketAddr, start: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST /push HTTP/1.1\r\nhost: h\r\ncontent-length: 67108864\r\n\r\n").await.unwrap();
    let _ = stream.write_all(start).await;
    while stream.write_all(&[0]).await.is_ok() {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn strangers_who_trickle_large_bodies_keep_nobody_waiting() {
    let mut limits = Limits::default();
    limits.body = 1 << 20;
    limits.bodies = 16 << 20;
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let start = vec![7; 8 << 20];
    let strangers: Vec<_> = (0..9)
        .map(|_| {
            let (address, start) = (server.address, start.clone());
            tokio::spawn(async move { trickle(address, &start).await })
        })
        .collect();
    sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    for _ in 0..10 {
        soon(client.push(&account, account.bags(10, 10_000))).await;
    }
    assert!(started.elapsed() < Duration::from_secs(10), "it took {:?}", started.elapsed());
    strangers.iter().for_each(|stranger| stranger.abort());
}

#[tokio::test]
async fn an_account_that_takes_all_the_memory_it_can_keeps_no_other_waiting() {
    let mut limits = Limits::default();
    limits.body = 1 << 20;
    limits.bodies = 64 << 20;
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let (greedy, modest) = (Account::new(1), Account::new(2));
    let mut client = server.client().await;
    client.user(&greedy).await;
    client.user(&modest).await;
    // A bag of almost a MiB that never ends.
    let mut start = greedy.request(NOW, &PushRequest { bags: greedy.bags(1, 1_000_000) });
    start.truncate(900_000);
    let trickling: Vec<_> = (0..40)
        .map(|_| {
            let (address, start) = (server.address, start.clone());
            tokio::spawn(async move { trickle(address, &start).await })
        })
        .collect();
    sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    for _ in 0..5 {
        soon(client.push(&modest, modest.bags(5, 100_000))).await;
    }
    assert!(started.elapsed() < Duration::from_secs(10), "it took {:?}", started.elapsed());
    trickling.iter().for_each(|trickling| trickling.abort());
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_given_up_on() {
    let mut limits = Limits::default();
    limits.idle = Duration::from_millis(300);
    limits.rate = 10_000;
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let account = Account::new(1);
    server.client().await.user(&account).await;
    let mut start = account.request(NOW, &PushRequest { bags: account.bags(1, 100_000) });
    start.truncate(50_000);
    soon(trickle(server.address, &start)).await;
}

#[tokio::test]
async fn short_calls_are_not_read_beyond_what_they_can_be() {
    let server = Running::start(MemoryStore::new()).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    for (path, rest, status) in [
        ("/user", vec![0; 1 << 20], Status::EXTRA_BODY_CONTENT),
        ("/peek", vec![0; 1 << 20], Status::EXTRA_BODY_CONTENT),
        ("/peek", vec![0xff; 1 << 20], Status::VAR_LIMIT_EXCEEDED),
        ("/pull", vec![0; 5 << 20], Status::INVALID_REQUEST),
    ] {
        let mut request = account.request(NOW, &UserRequest);
        request.extend(rest);
        let response = soon(client.send("POST", path, request)).await.unwrap();
        assert_eq!(response.parts().0.status, status, "{path}");
    }
}

#[tokio::test]
async fn one_account_has_a_bounded_number_of_sockets_and_others_still_get_theirs() {
    let mut limits = Limits::default();
    limits.sockets = 3;
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let (greedy, modest) = (Account::new(1), Account::new(2));
    let mut client = server.client().await;
    client.user(&greedy).await;
    client.user(&modest).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(server.socket(&greedy).await);
    }
    match connect_async(format!("ws://{}/?t={}", server.address, greedy.token(NOW))).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 429),
        other => panic!("{other:?}"),
    }
    let mut other = server.socket(&modest).await;
    client.push(&modest, modest.bags(1, 10)).await;
    assert_eq!(seqs(&soon(next_frame(&mut other)).await.unwrap()), [1]);
}

#[tokio::test]
async fn a_socket_ends_after_its_time() {
    let mut limits = Limits::default();
    limits.socket_life = Duration::from_millis(200);
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let account = Account::new(1);
    server.client().await.user(&account).await;
    let mut socket = server.socket(&account).await;
    assert!(soon(next_frame(&mut socket)).await.is_none());
}

#[tokio::test]
async fn until_the_store_is_open_calls_are_told_to_come_back() {
    let store = LateStore::default();
    let server = Running::start(store.clone()).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    for (path, request) in
        [("/user", account.request(NOW, &UserRequest)), ("/push", account.request(NOW, &UserRequest))]
    {
        let response = soon(client.send("POST", path, request)).await.unwrap();
        assert_eq!(response.parts().0.status, Status::STORAGE_ERROR, "{path}");
    }
    store.set(Arc::new(RedbStore::in_memory().unwrap()));
    client.user(&account).await;
    let mut socket = server.socket(&account).await;
    client.push(&account, account.bags(1, 10)).await;
    assert_eq!(seqs(&soon(next_frame(&mut socket)).await.unwrap()), [1]);
}

#[tokio::test]
async fn sockets_are_closed_when_anything_may_have_changed() {
    let host = Arc::new(Host::new(MemoryStore::new()));
    let server = Running::over(host.clone(), Limits::default()).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    client.push(&account, account.bags(3, 10)).await;
    let mut socket = server.socket(&account).await;
    host.store().roll_back(&account.key(), Seq::new(1).unwrap());
    assert!(soon(next_frame(&mut socket)).await.is_none());
    let mut socket = server.socket(&account).await;
    client.push(&account, account.bags(1, 10)).await;
    assert_eq!(seqs(&soon(next_frame(&mut socket)).await.unwrap()), [2]);
}

#[tokio::test]
async fn what_somebody_else_stores_is_told_and_who_is_deleted_hears_no_more() {
    let host = Arc::new(Host::new(RedbStore::in_memory().unwrap()));
    let server = Running::over(host.clone(), Limits::default()).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let mut socket = server.socket(&account).await;
    // Not through the server, as another process would.
    let appended = host.store().append(account.key(), account.verified(3, 10)).await;
    assert!(appended.cut.is_none());
    assert_eq!(seqs(&soon(next_frame(&mut socket)).await.unwrap()), [1, 2, 3]);
    client.push(&account, account.bags(1, 10)).await;
    assert_eq!(seqs(&soon(next_frame(&mut socket)).await.unwrap()), [4]);
    host.store().delete(account.key()).await.unwrap();
    assert!(soon(next_frame(&mut socket)).await.is_none());
}

#[tokio::test]
async fn other_methods_and_paths_are_not_found_and_options_are_empty() {
    let server = Running::start(MemoryStore::new()).await;
    let mut client = server.client().await;
    for (method, path) in
        [("GET", "/"), ("GET", "/peek"), ("PUT", "/push"), ("DELETE", "/user"), ("POST", "/"), ("POST", "/peek/")]
    {
        let response = soon(client.send(method, path, "body")).await.unwrap();
        assert_eq!(response.parts().0.status, Status::NOT_FOUND, "{method} {path}");
        assert_eq!(response.headers["content-type"], "application/octet-stream");
    }
    let response = soon(client.send("OPTIONS", "/push", "")).await.unwrap();
    assert!(response.body.is_empty());
    assert_eq!(response.headers["access-control-allow-methods"], "GET, POST, OPTIONS");
    assert_eq!(response.headers["access-control-allow-headers"], "content-type");
}

#[tokio::test]
async fn garbage_and_broken_requests_never_get_a_500_and_harm_nobody() {
    let mut limits = Limits::default();
    limits.header = Duration::from_millis(200);
    limits.idle = Duration::from_millis(200);
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    for bytes in [
        &b"\0\xff\xfe garbage\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /push HTTP/1.1\r\n\r\n",
        b"POST /push HTTP/1.1\r\nhost: h\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /push HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nshort",
        b"POST /push HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[b'a'; 300_000],
    ] {
        let answer = raw(server.address, bytes).await;
        assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
    }
    server.client().await.user(&Account::new(1)).await;
}

#[tokio::test]
async fn headers_that_trickle_in_are_given_up_on() {
    let mut limits = Limits::default();
    limits.header = Duration::from_millis(200);
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let started = Instant::now();
    for byte in b"POST /user HTTP/1.1\r\nhost: h\r\nx-slow: ".iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(10)).await;
        assert!(started.elapsed() < Duration::from_secs(10), "the connection is still open");
    }
}

#[tokio::test]
async fn a_response_that_nobody_takes_is_given_up_on() {
    let mut limits = Limits::default();
    limits.idle = Duration::from_millis(200);
    let host = Arc::new(Host::new(MemoryStore::new()));
    let server = Running::over(host.clone(), limits).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    client.push(&account, account.bags(30, 1 << 20)).await;
    let seqs = (1..=30).map(|seq| diplomatic::standard::Seq::new(seq).unwrap()).collect();
    let request = account.request(NOW, &diplomatic::standard::calls::PullRequest { seqs });
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let header = format!("POST /pull HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", request.len());
    stream.write_all(&[header.as_bytes(), &request].concat()).await.unwrap();
    sleep(Duration::from_millis(800)).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    assert!(answer.len() < 30 << 20, "the response was cut short");
}

#[tokio::test]
async fn stopping_answers_what_was_accepted_and_closes_sockets() {
    let server = Running::start(MemoryStore::new()).await;
    let account = Account::new(1);
    let mut client = server.client().await;
    client.user(&account).await;
    let mut socket = server.socket(&account).await;
    let request = account.request(NOW, &PushRequest { bags: account.bags(1, 10) });
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let header = format!("POST /push HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", request.len());
    stream.write_all(&[header.as_bytes(), &request[..50]].concat()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let address = server.address;
    let stopping = tokio::spawn(server.stop());
    assert!(soon(next_frame(&mut socket)).await.is_none(), "the socket is closed at once");
    stream.write_all(&request[50..]).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.ends_with(&[0, 0, 1]), "bag 0 was stored under seq 1");
    soon(stopping).await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn more_connections_than_there_are_seats_wait_for_one() {
    let mut limits = Limits::default();
    limits.connections = 1;
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let account = Account::new(1);
    let mut first = server.client().await;
    first.user(&account).await;
    let second = tokio::spawn({
        let address = server.address;
        async move { Client::connect(address).await.user(&Account::new(2)).await }
    });
    sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished());
    drop(first);
    soon(second).await.unwrap();
}
