//! Calls, on connections that are kept.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use diplomatic::standard::calls::{Notification, PushItem, PushOutcome, ResponseHead};
use diplomatic::standard::{Bag, Decode, Encode, Reader, Signature, Status};
use futures_util::{StreamExt, stream};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::account::{Account, lock};
use crate::options::Options;
use crate::place::{Failure, Place, Stream};
use crate::report::{Latencies, Report};

type Socket = WebSocketStream<Box<dyn Stream>>;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the answer to an upload may take.
const LONG: Duration = Duration::from_secs(1800);

/// Connections to each host, which calls take turns on.
pub(crate) struct Pool {
    hosts: Vec<Host>,
    seats: Semaphore,
}

struct Host {
    place: Place,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

impl Pool {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let host = |url: &String| -> Result<Host, Failure> {
            Ok(Host { place: Place::new(url, options.authorities.as_deref())?, idle: Mutex::default() })
        };
        let hosts = options.urls.iter().map(host).collect::<Result<_, _>>()?;
        Ok(Self { hosts, seats: Semaphore::new(options.connections) })
    }

    /// Posts to one of the hosts, and returns the status and the items.
    pub(crate) async fn post(&self, turn: usize, path: &str, body: Body) -> Result<(Status, Bytes), Failure> {
        self.post_within(PATIENCE, turn, path, body).await
    }

    async fn post_within(
        &self,
        patience: Duration,
        turn: usize,
        path: &str,
        body: Body,
    ) -> Result<(Status, Bytes), Failure> {
        let _seat = self.seats.acquire().await?;
        let Host { place, idle } = &self.hosts[turn % self.hosts.len()];
        let kept = lock(idle).pop().filter(|sender| !sender.is_closed());
        let mut sender = match kept {
            Some(sender) => sender,
            None => {
                let (sender, connection) = handshake(TokioIo::new(place.connect().await?)).await?;
                tokio::spawn(connection);
                sender
            }
        };
        let request = Request::post(format!("{}{path}", place.path)).header("host", &place.authority).body(body)?;
        sender.ready().await?;
        let response = timeout(patience, sender.send_request(request)).await??;
        if response.status() != 200 {
            return Err(format!("the host answered {}", response.status()).into());
        }
        let body = timeout(PATIENCE, to_bytes(Body::new(response.into_body()), usize::MAX)).await??;
        lock(idle).push(sender);
        let mut reader = Reader::new(&body);
        let status = ResponseHead::read(&mut reader)?.status;
        let items = body.slice_ref(reader.rest());
        Ok((status, items))
    }
}

impl Pool {
    async fn open_socket(&self, turn: usize, account: &Account) -> Result<Socket, Failure> {
        let place = &self.hosts[turn % self.hosts.len()].place;
        let token: String = account.auth().iter().map(|byte| format!("{byte:02x}")).collect();
        // The stream is encrypted already where it has to be.
        let url = format!("ws://{}{}/?t={token}", place.authority, place.path);
        let (socket, _) = timeout(PATIENCE, client_async(url, place.connect().await?)).await??;
        Ok(socket)
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
        Ok((Status::SUCCESS, items)) => {
            let signatures: Vec<_> = bags.iter().map(|bag| bag.head.signature).collect();
            acknowledge(account, &signatures, &items, report)
        }
        Ok((status, _)) => report.fail(status.to_string()),
        Err(failure) => report.fail(failure.to_string()),
    }
}

fn acknowledge(account: &Account, signatures: &[Signature], items: &[u8], report: &Report) -> bool {
    let mut reader = Reader::new(items);
    let mut all = true;
    for signature in signatures {
        match PushItem::read(&mut reader).map(|item| item.outcome) {
            Ok(PushOutcome::Stored(seq)) => {
                if !account.acknowledge(seq.number(), *signature) {
                    all = report.fail(format!("seq {seq} was given twice"));
                }
            }
            Ok(PushOutcome::Refused(status)) => all = report.fail(status.to_string()),
            Err(error) => return report.fail(error.to_string()),
        }
    }
    all
}

/// Pushes so many MB in one request, a bag of each, sealed as they are sent.
pub(crate) async fn upload(pool: &Pool, account: Arc<Account>, size: usize, report: &Report) {
    if let Err(failure) = register(pool, &account).await {
        report.fail(failure.to_string());
        return;
    }
    let begun = Instant::now();
    let auth = Bytes::from(account.auth());
    let (sealed, signatures) = std::sync::mpsc::channel();
    let (ready, bodies) = mpsc::channel(2);
    let seal = {
        let account = Arc::clone(&account);
        move || {
            for bag in (0..size).flat_map(|_| account.bags(1, 1_000_000)) {
                // Nobody hears it once the answer has come.
                let _ = sealed.send(bag.head.signature);
                if ready.blocking_send(Bytes::from(bag.to_bytes())).is_err() {
                    return;
                }
            }
        }
    };
    // On a thread of its own: those who push meanwhile must not wait for it.
    spawn_blocking(seal);
    let bodies = stream::unfold(bodies, async |mut bodies| Some((bodies.recv().await?, bodies)));
    let body = stream::once(async { auth }).chain(bodies).map(Ok::<Bytes, Infallible>);
    let answer = pool.post_within(LONG, 0, "/push", Body::from_stream(body)).await;
    let signatures: Vec<_> = signatures.try_iter().collect();
    match answer {
        Ok((Status::SUCCESS, items)) => {
            if acknowledge(&account, &signatures, &items, report) {
                report.upload(size, begun.elapsed());
            }
        }
        Ok((status, _)) => drop(report.fail(status.to_string())),
        Err(failure) => drop(report.fail(failure.to_string())),
    }
}

/// Listens for an account until it is told to stop, and notes how long after the answer to a push it hears of it.
pub(crate) async fn follow(pool: &Pool, turn: usize, account: &Account, report: &Report) {
    let mut socket = match pool.open_socket(turn, account).await {
        Ok(socket) => socket,
        Err(failure) => {
            report.fail(failure.to_string());
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
