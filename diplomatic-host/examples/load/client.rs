//! Calls, on connections that are kept.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use diplomatic::standard::calls::{Notification, PushItem, PushOutcome, ResponseHead};
use diplomatic::standard::{Bag, Decode, Encode, Reader, Status};
use futures_util::{StreamExt, stream};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::Options;
use crate::account::{Account, lock};
use crate::report::{Latencies, Report};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections to each host, which calls take turns on.
pub(crate) struct Pool {
    hosts: Vec<Place>,
    seats: Semaphore,
}

struct Place {
    address: SocketAddr,
    name: String,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

impl Pool {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        use std::net::ToSocketAddrs;
        let place = |url: &String| -> Result<Place, Failure> {
            let name = url.strip_prefix("http://").ok_or("an address begins with http://")?.trim_end_matches('/');
            let address = name.to_socket_addrs()?.next().ok_or("the host has no address")?;
            Ok(Place { address, name: name.to_owned(), idle: Mutex::default() })
        };
        let hosts = options.urls.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { hosts, seats: Semaphore::new(options.connections) })
    }

    /// Posts to one of the hosts, and returns the status and the items.
    pub(crate) async fn post(&self, turn: usize, path: &str, body: Body) -> Result<(Status, Bytes), Failure> {
        let _seat = self.seats.acquire().await?;
        let place = &self.hosts[turn % self.hosts.len()];
        let idle = lock(&place.idle).pop().filter(|sender| !sender.is_closed());
        let mut sender = match idle {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(place.address).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                sender
            }
        };
        let request = Request::post(path).header("host", &place.name).body(body)?;
        sender.ready().await?;
        let response = timeout(PATIENCE, sender.send_request(request)).await??;
        if response.status() != 200 {
            return Err(format!("the host answered {}", response.status()).into());
        }
        let body = timeout(PATIENCE, to_bytes(Body::new(response.into_body()), usize::MAX)).await??;
        lock(&place.idle).push(sender);
        let mut reader = Reader::new(&body);
        let status = ResponseHead::read(&mut reader)?.status;
        let items = body.slice_ref(reader.rest());
        Ok((status, items))
    }
}

pub(crate) async fn register(pool: &Pool, account: &Account) -> Result<(), Failure> {
    match pool.post(0, "/user", account.auth().into()).await? {
        (Status::SUCCESS, _) => Ok(()),
        (status, _) => Err(format!("an account was not registered: {status}").into()),
    }
}

/// Pushes, and notes how long that took since it was due.
pub(crate) async fn push(pool: &Pool, turn: usize, due: Instant, account: &Account, bags: Vec<Bag>, report: &Report) {
    let stored = attempt(pool, turn, account, bags, report).await;
    report.pushes.note(due.elapsed(), stored);
}

pub(crate) async fn push_quietly(
    pool: &Pool,
    turn: usize,
    account: &Account,
    bags: Vec<Bag>,
    latencies: &Latencies,
    report: &Report,
) {
    let begun = Instant::now();
    let stored = attempt(pool, turn, account, bags, report).await;
    latencies.note(begun.elapsed(), stored);
}

/// Tells whether every bag was stored.
async fn attempt(pool: &Pool, turn: usize, account: &Account, bags: Vec<Bag>, report: &Report) -> bool {
    let mut request = account.auth();
    bags.iter().for_each(|bag| bag.encode(&mut request));
    match pool.post(turn, "/push", request.into()).await {
        Ok((Status::SUCCESS, items)) => acknowledge(account, &bags, &items, report),
        Ok((status, _)) => report.fail(status.to_string()),
        Err(failure) => report.fail(failure.to_string()),
    }
}

fn acknowledge(account: &Account, bags: &[Bag], items: &[u8], report: &Report) -> bool {
    let mut reader = Reader::new(items);
    let mut all = true;
    for bag in bags {
        match PushItem::read(&mut reader).map(|item| item.outcome) {
            Ok(PushOutcome::Stored(seq)) => {
                if !account.acknowledge(seq.number(), bag.head.signature) {
                    all = report.fail(format!("seq {seq} was given twice"));
                }
            }
            Ok(PushOutcome::Refused(status)) => all = report.fail(status.to_string()),
            Err(error) => return report.fail(error.to_string()),
        }
    }
    all
}

/// Pushes so many MiB in one request, sealed as they are sent.
pub(crate) async fn upload(pool: &Pool, size: usize, report: &Report) {
    let account = Account::random();
    if let Err(failure) = register(pool, &account).await {
        report.fail(failure.to_string());
        return;
    }
    let begun = Instant::now();
    let auth = Bytes::from(account.auth());
    let seal = move |_| account.bags(1, 1 << 20).iter().fold(Vec::new(), |_, bag| bag.to_bytes()).into();
    let body = std::iter::once(auth).chain((0..size).map(seal)).map(Ok::<Bytes, Infallible>);
    match pool.post(0, "/push", Body::from_stream(stream::iter(body))).await {
        Ok((Status::SUCCESS, _)) => report.upload(size, begun.elapsed()),
        Ok((status, _)) => drop(report.fail(status.to_string())),
        Err(failure) => drop(report.fail(failure.to_string())),
    }
}

/// Listens for an account until it is told to stop, and notes how long after the answer to a push it hears of it.
pub(crate) async fn follow(url: &str, account: &Account, report: &Report) {
    let token: String = account.auth().iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("{}/?t={token}", url.replacen("http", "ws", 1).trim_end_matches('/'));
    let mut socket = match connect_async(url).await {
        Ok((socket, _)) => socket,
        Err(error) => {
            report.fail(error.to_string());
            report.listens();
            return;
        }
    };
    report.listens();
    while let Some(Ok(message)) = socket.next().await {
        let Message::Binary(frame) = message else { continue };
        let Ok(Notification { items }) = Notification::decode(&frame) else { continue };
        let heard = Instant::now();
        items.iter().for_each(|item| account.hear(item.seq.number(), heard));
    }
}
