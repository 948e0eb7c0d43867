//! A host on a port of its own, and a small client.

// Every test file takes what it needs of this.
#![allow(dead_code)]

#[path = "../../src/contract/account.rs"]
pub(crate) mod account;
#[cfg(all(unix, feature = "postgres"))]
pub(crate) mod postgres;
#[cfg(unix)]
pub(crate) mod program;
pub(crate) mod secure;
#[cfg(unix)]
pub(crate) mod worker;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use diplomatic::standard::calls::{PeekItem, PeekRequest, PullItem, PullRequest, PushItem, PushRequest, ResponseHead};
use diplomatic::standard::calls::{PushOutcome, UserRequest};
use diplomatic::standard::{Bag, Decode, Encode, Reader, Seq, Status, Timestamp};
use diplomatic_host::{BagStore, Host, Limits, Server};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use account::{Account, NOW};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server that stops when this is dropped, or when it is told to.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Running {
    /// Starts a server whose clock stands at [`NOW`].
    pub(crate) async fn start<S: BagStore>(store: S) -> Self {
        Self::with_limits(store, Limits::default()).await
    }

    pub(crate) async fn with_limits<S: BagStore>(store: S, limits: Limits) -> Self {
        Self::over(Arc::new(Host::new(store)), limits).await
    }

    pub(crate) async fn over<S: BagStore>(host: Arc<Host<S>>, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(host).with_limits(limits).with_clock(|| NOW);
        let serving = tokio::spawn(server.serve(listener, async { drop(stopped.await) }));
        Self { address, stop: Some(stop), serving }
    }

    /// Tells the server to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop = None;
        self.serving.await.unwrap();
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    pub(crate) async fn socket(&self, account: &Account) -> Socket {
        let url = format!("ws://{}/?t={}", self.address, account.token(NOW));
        connect_async(url).await.unwrap().0
    }
}

/// Returns the next frame of a socket, pings aside; `None` when it was closed.
pub(crate) async fn next_frame(socket: &mut Socket) -> Option<Vec<u8>> {
    use futures_util::StreamExt;
    loop {
        match socket.next().await? {
            Ok(Message::Binary(frame)) => return Some(frame.to_vec()),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(_) | Err(_) => return None,
        }
    }
}

/// One kept connection.
pub(crate) struct Client {
    sender: SendRequest<Body>,
    now: Option<Timestamp>,
}

pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Response {
    /// Splits the body into its head and its items.
    pub(crate) fn parts(&self) -> (ResponseHead, &[u8]) {
        assert_eq!(self.status, StatusCode::OK);
        assert_eq!(self.headers["access-control-allow-origin"], "*");
        let mut reader = Reader::new(&self.body);
        (ResponseHead::read(&mut reader).unwrap(), reader.rest())
    }

    pub(crate) fn items<T: Decode>(&self) -> Vec<T> {
        let (head, items) = self.parts();
        assert_eq!(head.status, Status::SUCCESS);
        let mut reader = Reader::new(items);
        std::iter::from_fn(|| (!reader.is_empty()).then(|| T::read(&mut reader).unwrap())).collect()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, now: Some(NOW) }
    }

    /// A client at another time.
    pub(crate) async fn at(address: SocketAddr, now: Timestamp) -> Self {
        Self { now: Some(now), ..Self::connect(address).await }
    }

    /// A client of a host with a real clock.
    pub(crate) async fn by_the_clock(address: SocketAddr) -> Self {
        Self { now: None, ..Self::connect(address).await }
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, body: impl Into<Body>) -> hyper::Result<Response> {
        let request = Request::builder().method(method).uri(path).header("host", "host");
        // The Worker of the tests takes its time from there; others do not heed it.
        let clock = self.now.map(|now| now.as_millis().to_string());
        let request = clock.into_iter().fold(request, |request, clock| request.header("x-clock", clock));
        let request = request.body(body.into()).unwrap();
        self.sender.ready().await?;
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.expect("the response is whole");
        Ok(Response { status: parts.status, headers: parts.headers, body })
    }

    async fn call(&mut self, account: &Account, path: &str, rest: &impl Encode) -> Response {
        let request = account.request(self.now.unwrap_or_else(clock), rest);
        self.send("POST", path, request).await.unwrap()
    }

    pub(crate) async fn user(&mut self, account: &Account) {
        assert_eq!(self.call(account, "/user", &UserRequest).await.parts().0.status, Status::SUCCESS);
    }

    pub(crate) async fn push(&mut self, account: &Account, bags: Vec<Bag>) -> Vec<u64> {
        let response = self.call(account, "/push", &PushRequest { bags }).await;
        let seq = |item: PushItem| match item.outcome {
            PushOutcome::Stored(seq) => seq.number(),
            PushOutcome::Refused(status) => panic!("bag {} was refused: {status}", item.index),
        };
        response.items().into_iter().map(seq).collect()
    }

    pub(crate) async fn peek(&mut self, account: &Account, after: u64) -> Vec<PeekItem> {
        self.call(account, "/peek", &PeekRequest { after: Seq::new(after).unwrap() }).await.items()
    }

    pub(crate) async fn pull(&mut self, account: &Account, seqs: impl IntoIterator<Item = u64>) -> Vec<PullItem> {
        let seqs = seqs.into_iter().map(|seq| Seq::new(seq).unwrap()).collect();
        self.call(account, "/pull", &PullRequest { seqs }).await.items()
    }
}

/// Returns what a future comes to that never waits, as those of a store in memory.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

pub(crate) fn clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::EPOCH.plus(since)
}

/// Fails a test that hangs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes no longer than 20 s")
}
