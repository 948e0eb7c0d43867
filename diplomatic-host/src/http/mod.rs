//! The calls and the live channel on HTTP. No other module names axum or hyper.
//!
//! Every answer is HTTP 200 with a response head, also a refusal, but for the upgrade to the live channel: that is what
//! the standard's clients read.

mod around;
mod body;
mod connection;
mod invite;
mod monitor;
mod outgoing;
mod patience;
mod respond;
mod socket;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::UPGRADE;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use diplomatic::standard::Timestamp;
use tracing::Instrument;

pub(crate) use axum::Router;
pub(crate) use connection::serve_connection;
pub use monitor::serve_monitor;

use self::around::{Around, Traffic};
use self::body::Upload;
use self::respond::respond;
use crate::admission::InviteCode;
use crate::app::{App, Seat};
use crate::{Metrics, Refusal, Reply, Route, StoreError, Visitor};

/// Returns a router that answers every request.
pub(crate) fn router(app: App) -> Router {
    Router::new().fallback(|State(app), request| answer(app, None, request)).with_state(app)
}

/// Answers one request. `seat` is what the connection takes up, and goes along with a socket of the live channel.
async fn answer(app: App, seat: Option<Seat>, request: Request) -> Response {
    let started = Instant::now();
    let received = app.now();
    let (visitor, path) = identify(&app, seat.as_ref().map(Seat::address), &request);
    let address = visitor.address;
    let id = RequestId::next(received);
    let span = tracing::info_span!("request", %id);
    async {
        let route = Route::of(request.method().as_str(), &path);
        if address.is_some_and(|address| !app.guard.meter.allows_address(address)) {
            let reply = Reply::refused(received, &Refusal::TooMany);
            note(&app.metrics, route, &reply, started);
            return respond(&app, reply, address, None).await;
        }
        if request.method() == Method::GET && path == "/" {
            if asks_for_websocket(request.headers()) {
                return socket::open(app, seat, received, request).await;
            }
            if let Some(code) = visitor.invite {
                return invite::welcome(&app, received, code, address).await;
            }
        }
        let (reply, traffic) = match route {
            Route::Call(_) => {
                let upload = Upload::new(&app, address, request.into_body());
                call(&app, received, route, upload, visitor).await
            }
            _ => (app.host.handle(received, route, Vec::new()).await, None),
        };
        note(&app.metrics, route, &reply, started);
        respond(&app, reply, address, traffic).await
    }
    .instrument(span)
    .await
}

/// Returns who is at the door, and what of the path is the call's: an invite's link is as good as the host's address.
fn identify(app: &App, peer: Option<IpAddr>, request: &Request) -> (Visitor, String) {
    let forwarded = request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let address = peer.map(|peer| app.guard.proxies.client(peer, forwarded));
    let mut visitor = Visitor { address, invite: None };
    let path = request.uri().path();
    match path.strip_prefix("/invite/") {
        Some(rest) => {
            let (code, call) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
            visitor.invite = InviteCode::parse(code);
            (visitor, call.to_owned())
        }
        None => (visitor, path.to_owned()),
    }
}

/// Names a request in the log, among all those of all processes.
struct RequestId(Timestamp, u64);

impl RequestId {
    fn next(received: Timestamp) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self(received, COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.0.as_millis(), self.1)
    }
}

/// Counts a request, and names it in the log.
fn note(metrics: &Metrics, route: Route, reply: &Reply, started: Instant) {
    let call = match route {
        Route::Call(call) => call.path().trim_start_matches('/'),
        Route::Preflight => "preflight",
        Route::Unknown => "unknown",
    };
    let status = reply.status().map_or("none", |status| status.name().unwrap_or("unknown"));
    metrics.count_request(call, status, started.elapsed());
    if let Some(reason) = reply.refusal() {
        metrics.count_refusal(reason);
    }
    let refused = reply.refusal().unwrap_or("no");
    tracing::info!(call, status, refused, ms = started.elapsed().as_millis() as u64, "answered");
}

/// Carries out a call to its end, even should the client leave in the meantime: what is stored is to be told.
async fn call(
    app: &App,
    received: Timestamp,
    route: Route,
    mut upload: Upload,
    visitor: Visitor,
) -> (Reply, Option<Traffic>) {
    let app = app.clone();
    let call = async move {
        let around = Around::new(&app, visitor);
        let reply = app.host.handle_within(received, route, &mut upload, &around).await;
        let size = upload.received();
        app.metrics.count_received(size);
        upload.discard().await;
        around.settle(reply, size).await
    };
    let stopped = |_| (Reply::refused(received, &Refusal::Store(StoreError::Stopped)), None);
    tokio::spawn(call.in_current_span()).await.unwrap_or_else(stopped)
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
