//! The Worker in workerd: the store's promises in a Durable Object, the recorded exchange, and what strangers get.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use diplomatic::standard::calls::{Notification, PeekRequest, PushItem, PushOutcome, PushRequest, UserRequest};
use diplomatic::standard::{Bag, Decode, Encode, Seq, Status, Timestamp};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use support::account::{Account, NOW};
use support::worker::Worker;
use support::{Client, Response, Socket, clock, next_frame, soon};

const OPEN: &[&str] = &["ADMISSION:open"];

impl Worker {
    async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    async fn text(&self, path: &str) -> String {
        let mut client = self.client().await;
        let answer = timeout(Duration::from_secs(120), client.send("GET", path, Vec::new())).await;
        let response = answer.unwrap_or_else(|_| panic!("{path} is not answered in two minutes")).unwrap();
        assert_eq!(response.status, 200, "{path}: {:?}", response.body);
        String::from_utf8(response.body.to_vec()).unwrap()
    }

    /// Opens a socket at the time of the real clock.
    async fn socket(&self, account: &Account) -> Socket {
        connect_async(self.socket_url(account)).await.unwrap().0
    }

    fn socket_url(&self, account: &Account) -> String {
        format!("ws://{}/?t={}", self.address, account.token(clock()))
    }

    /// Returns how many rows an account's object has read and written since it woke.
    async fn rows(&self, account: &Account) -> (u64, u64) {
        let text = self.text(&format!("/testing/{}/rows", account.key())).await;
        let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        (numbers[0], numbers[1])
    }
}

fn status(response: &Response) -> Status {
    response.parts().0.status
}

fn outcomes(response: &Response) -> Vec<PushOutcome> {
    response.items::<PushItem>().iter().map(|item| item.outcome).collect()
}

#[tokio::test]
async fn the_store_keeps_its_promises_in_a_durable_object() {
    let Some(worker) = Worker::start(OPEN).await else { return };
    let promises = worker.text("/testing").await;
    assert!(promises.lines().count() > 15);
    for promise in promises.lines() {
        // Strings of hex digits are accounts; each promise has an empty object of its own.
        assert_eq!(worker.text(&format!("/testing/of-{promise}/{promise}")).await, "kept", "{promise}");
    }
}

#[tokio::test]
async fn the_worker_answers_as_recorded() {
    let Some(worker) = Worker::start(&["ADMISSION:open", "QUOTA:0"]).await else { return };
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../../tests/vectors/api.json")).unwrap();
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let (mut client, mut socket) = (worker.client().await, None);
    for step in vectors["steps"].as_array().unwrap() {
        let text = |field: &str| step[field].as_str().unwrap_or_default().to_owned();
        assert_eq!(step["hostNowMs"].as_u64(), Some(NOW.as_millis()));
        let response = soon(client.send(&text("method"), &text("path"), hex(&text("request")))).await.unwrap();
        assert_eq!(response.status, 200, "{}", text("what"));
        assert_eq!(response.headers["access-control-allow-origin"], "*", "{}", text("what"));
        assert_eq!(response.body, hex(&text("response")), "{}", text("what"));
        for frame in step["notifications"].as_array().unwrap().iter().map(|frame| hex(frame.as_str().unwrap())) {
            if !frame.is_empty() {
                assert_eq!(soon(next_frame(socket.as_mut().unwrap())).await.unwrap(), frame, "{}", text("what"));
            }
        }
        if text("what") == "register" {
            let url = format!("ws://{}/?t={}", worker.address, text("request"));
            let mut request = url.into_client_request().unwrap();
            request.headers_mut().insert("x-clock", NOW.as_millis().to_string().parse().unwrap());
            socket = Some(connect_async(request).await.unwrap().0);
        }
    }
}

#[tokio::test]
async fn who_cannot_prove_an_account_gets_a_refusal_and_leaves_no_row_behind() {
    let Some(worker) = Worker::start(OPEN).await else { return };
    let (account, mut client) = (Account::new(1), worker.client().await);
    let peek = peek();
    let mut forged = account.request(NOW, &peek);
    forged[40] ^= 1;
    let late = account.request(NOW.plus(Duration::from_secs(31)), &peek);
    let whole = account.request(NOW, &peek);
    for (path, request, expected) in [
        ("/peek", forged, Status::INVALID_SIGNATURE),
        ("/peek", late, Status::CLOCK_OUT_OF_SYNC),
        ("/peek", whole[..90].to_vec(), Status::OUT_OF_BOUNDS),
        ("/peek", Vec::new(), Status::OUT_OF_BOUNDS),
        ("/peek", whole.clone(), Status::USER_NOT_REGISTERED),
        ("/push", whole.clone(), Status::USER_NOT_REGISTERED),
        ("/nothing", whole.clone(), Status::NOT_FOUND),
    ] {
        assert_eq!(status(&client.send("POST", path, request).await.unwrap()), expected, "{path}");
    }
    assert_eq!(status(&client.send("GET", "/peek", Vec::new()).await.unwrap()), Status::NOT_FOUND);
    let preflight = client.send("OPTIONS", "/push", Vec::new()).await.unwrap();
    assert_eq!((preflight.status.as_u16(), preflight.body.len()), (200, 0));
    assert_eq!(preflight.headers["access-control-allow-headers"], "content-type");
    for url in [
        format!("ws://{}/?t={}", worker.address, account.token(NOW)),
        format!("ws://{}/?t=beef", worker.address),
        format!("ws://{}/", worker.address),
        worker.socket_url(&account),
    ] {
        match connect_async(&url).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 401, "{url}"),
            other => panic!("{url} gets {other:?}"),
        }
    }
    assert_eq!(worker.rows(&account).await.1, 0, "nothing was written for a stranger");
}

#[tokio::test]
async fn bags_of_any_size_come_back_and_those_too_large_are_refused_for_themselves() {
    let Some(worker) = Worker::start(OPEN).await else { return };
    let (account, mut client) = (Account::new(1), worker.client().await);
    client.user(&account).await;
    let bags: Vec<Bag> = [0, 100, 1 << 20, (1 << 20) + 1, 5 << 20, 15 << 20].map(|size| account.bag(size)).into();
    assert_eq!(client.push(&account, bags.clone()).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(client.push(&account, vec![bags[4].clone()]).await, [5]);
    for item in client.pull(&account, [6, 1, 4, 5, 3, 2, 99]).await {
        assert_eq!(item.body, bags[item.seq.number() as usize - 1].body, "{}", item.seq.number());
    }
    let mut request = account.request(NOW, &PushRequest { bags: vec![account.bag(1)] });
    account.bag(17 << 20).encode(&mut request);
    account.bag(2).encode(&mut request);
    let outcomes = outcomes(&client.send("POST", "/push", request).await.unwrap());
    assert_eq!(outcomes[1], PushOutcome::Refused(Status::INVALID_REQUEST));
    assert!(matches!((outcomes[0], outcomes[2]), (PushOutcome::Stored(_), PushOutcome::Stored(_))), "{outcomes:?}");
}

#[tokio::test]
async fn long_lists_come_whole() {
    let Some(worker) = Worker::start(OPEN).await else { return };
    let (account, mut client) = (Account::new(1), worker.client().await);
    client.user(&account).await;
    let bags = account.bags(5000, 200);
    assert!(client.push(&account, bags.clone()).await.into_iter().eq(1..=5000));
    let items = client.peek(&account, 0).await;
    assert!(items.iter().map(|item| &item.head).eq(bags.iter().map(|bag| &bag.head)));
    let bodies = client.pull(&account, 1..=5000).await;
    assert!(bodies.iter().map(|item| &item.body).eq(bags.iter().map(|bag| &bag.body)));
    let numbers = worker.text(&format!("/testing/{}/rows", account.key())).await;
    println!("5000 bags with bodies of 200 bytes (rows read, rows written, bytes of the database): {numbers}");
    // Each row is read once for its head and once for its body, and a few again where a chunk ends.
    assert!(worker.rows(&account).await.0 < 11_000, "{numbers}");
}

#[tokio::test]
async fn concurrent_pushes_are_told_to_every_socket_by_seq_without_a_gap() {
    let Some(worker) = Worker::start(OPEN).await else { return };
    let (account, other) = (Arc::new(Account::new(1)), Account::new(2));
    let mut client = Client::by_the_clock(worker.address).await;
    client.user(&account).await;
    client.user(&other).await;
    let mut sockets = [worker.socket(&account).await, worker.socket(&account).await];
    let mut strangers = worker.socket(&other).await;
    let pushes = (0..8).map(|device| {
        let address = worker.address;
        tokio::spawn(async move {
            let (account, mut client) = (Account::device(1, device), Client::by_the_clock(address).await);
            for count in [1, 3, 2, 5] {
                client.push(&account, account.bags(count, 600)).await;
            }
        })
    });
    join_all(pushes).await.into_iter().for_each(Result::unwrap);
    for socket in &mut sockets {
        let mut seqs = Vec::new();
        while seqs.len() < 88 {
            let frame = soon(next_frame(socket)).await.unwrap();
            seqs.extend(Notification::decode(&frame).unwrap().items.iter().map(|item| item.seq.number()));
        }
        assert!(seqs.into_iter().eq(1..=88));
    }
    client.push(&other, other.bags(1, 10)).await;
    let frame = soon(next_frame(&mut strangers)).await.unwrap();
    assert_eq!(Notification::decode(&frame).unwrap().items.len(), 1, "nobody hears of the bags of others");
}

#[tokio::test]
async fn a_socket_is_closed_after_a_day_and_a_younger_one_stays() {
    let Some(worker) = Worker::start(OPEN).await else { return };
    let account = Account::new(1);
    let mut client = Client::by_the_clock(worker.address).await;
    client.user(&account).await;
    let mut socket = worker.socket(&account).await;
    let ring = async |at: Timestamp| {
        let mut later = Client::at(worker.address, at).await;
        let response = later.send("GET", &format!("/testing/{}/alarm", account.key()), Vec::new()).await.unwrap();
        assert_eq!(response.body, "rang");
    };
    ring(clock().plus(Duration::from_secs(23 * 3600))).await;
    client.push(&account, account.bags(1, 10)).await;
    assert!(soon(next_frame(&mut socket)).await.is_some(), "it is not a day old");
    ring(clock().plus(Duration::from_secs(25 * 3600))).await;
    match soon(socket.next()).await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1013),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_panic_costs_one_call_and_nothing_else() {
    let Some(worker) = Worker::start(OPEN).await else { return };
    let (account, mut client) = (Account::new(1), worker.client().await);
    client.user(&account).await;
    assert_eq!(client.push(&account, account.bags(2, 10)).await, [1, 2]);
    let path = format!("/testing/{}/panic", account.key());
    assert_eq!(worker.client().await.send("GET", &path, Vec::new()).await.unwrap().status, 500);
    let mut client = worker.client().await;
    assert_eq!(client.push(&account, account.bags(2, 10)).await, [3, 4]);
    assert_eq!(client.peek(&account, 0).await.len(), 4);
}

#[tokio::test]
async fn a_closed_host_is_the_first_ones_and_everything_acknowledged_outlives_a_kill() {
    let Some(mut worker) = Worker::start(&[]).await else { return };
    let (first, second) = (Account::new(1), Account::new(2));
    let bags = first.bags(300, 1000);
    let user = |account: &Account| account.request(NOW, &UserRequest);
    {
        let mut client = worker.client().await;
        client.user(&first).await;
        client.user(&first).await;
        let refused = client.send("POST", "/user", user(&second)).await.unwrap();
        assert_eq!(status(&refused), Status::USER_NOT_REGISTERED);
        assert!(client.push(&first, bags.clone()).await.into_iter().eq(1..=300));
    }
    worker.kill_and_start().await;
    let mut client = worker.client().await;
    assert_eq!(client.peek(&first, 0).await.len(), 300);
    assert!(client.push(&first, bags).await.into_iter().eq(1..=300), "a repeated bag keeps its seq");
    assert_eq!(client.push(&first, first.bags(1, 10)).await, [301]);
    let refused = client.send("POST", "/user", user(&second)).await.unwrap();
    assert_eq!(status(&refused), Status::USER_NOT_REGISTERED);
}

#[tokio::test]
async fn quotas_are_reported_and_kept_and_the_operators_lists_decide() {
    let (one, two, three) = (Account::new(1), Account::new(2), Account::new(3));
    let (allow, block) = (format!("ALLOW:{}", one.key()), format!("BLOCK:{}", two.key()));
    let variables = ["ADMISSION:allow-list", "QUOTA:4K", "TRAFFIC:64K", &allow, &block];
    let Some(mut worker) = Worker::start(&variables).await else { return };
    let mut client = worker.client().await;
    client.user(&one).await;
    for refused in [&two, &three] {
        let response = client.send("POST", "/user", refused.request(NOW, &UserRequest)).await.unwrap();
        assert_eq!(status(&response), Status::USER_NOT_REGISTERED);
    }
    let push = one.request(NOW, &PushRequest { bags: one.bags(4, 1000) });
    let response = client.send("POST", "/push", push.clone()).await.unwrap();
    assert_eq!(outcomes(&response)[3], PushOutcome::Refused(Status::STORAGE_ERROR));
    assert!(matches!(
        outcomes(&response)[..3],
        [PushOutcome::Stored(_), PushOutcome::Stored(_), PushOutcome::Stored(_)]
    ));
    assert_eq!(response.parts().0.stored.limit(), Some(4096));
    assert!(response.parts().0.stored.used().unwrap() > 3000);
    // Bags that are there take no room, but traffic.
    let mut over = false;
    for _ in 0..20 {
        client.send("POST", "/push", push.clone()).await.unwrap();
        over = status(&client.send("POST", "/peek", one.request(NOW, &peek())).await.unwrap()) == Status::STORAGE_ERROR;
    }
    assert!(over, "the traffic of the day is used up");
    // It stays used up when the object has slept.
    worker.kill_and_start().await;
    let mut client = worker.client().await;
    let response = client.send("POST", "/peek", one.request(NOW, &peek())).await.unwrap();
    assert_eq!(status(&response), Status::STORAGE_ERROR);
    // A note for each call is what the quota of traffic costs.
    let before = worker.rows(&one).await;
    client.user(&one).await;
    let after = worker.rows(&one).await;
    println!("a call with a quota of traffic: {} rows read, {} rows written", after.0 - before.0, after.1 - before.1);
    assert!(after.0 - before.0 <= 2 && after.1 - before.1 <= 2);
    // Tomorrow it works.
    let tomorrow = NOW.plus(Duration::from_secs(24 * 3600));
    let mut client = Client::at(worker.address, tomorrow).await;
    assert_eq!(client.peek(&one, 0).await.len(), 3);
}

fn peek() -> PeekRequest {
    PeekRequest { after: Seq::ZERO }
}

#[tokio::test]
async fn calls_cost_no_more_rows_than_the_documentation_says() {
    let Some(mut worker) = Worker::start(OPEN).await else { return };
    let (account, mut client) = (Account::new(1), worker.client().await);
    let mut before = (0, 0);
    let mut costs = async |what: &str, reads: u64, writes: u64| {
        let after = worker.rows(&account).await;
        let (read, written) = (after.0 - before.0, after.1 - before.1);
        println!("{what}: {read} rows read, {written} rows written");
        assert!(read <= reads && written <= writes, "{what}: {read} read, {written} written");
        before = after;
    };
    client.user(&account).await;
    costs("USER, the first time", 30, 30).await;
    client.user(&account).await;
    costs("USER again", 0, 0).await;
    client.push(&account, account.bags(1, 300)).await;
    costs("PUSH of 1 bag", 5, 5).await;
    client.push(&account, account.bags(100, 300)).await;
    costs("PUSH of 100 bags", 500, 500).await;
    client.push(&account, vec![account.bag(3 << 20)]).await;
    costs("PUSH of 1 bag of 3 MiB", 20, 20).await;
    client.peek(&account, 100).await;
    costs("PEEK that lists 2 heads", 5, 0).await;
    client.peek(&account, 102).await;
    costs("PEEK that lists nothing", 5, 0).await;
    client.pull(&account, 1..=100).await;
    costs("PULL of 100 bodies", 300, 0).await;
    // An object that wakes knows nothing.
    worker.kill_and_start().await;
    worker.client().await.peek(&account, 102).await;
    let (read, written) = worker.rows(&account).await;
    println!("PEEK that lists nothing, after a sleep: {read} rows read, {written} rows written");
    assert!(read <= 15 && written == 0, "{read} read, {written} written");
}
