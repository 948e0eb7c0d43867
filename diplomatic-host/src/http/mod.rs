//! The calls and the live channel on HTTP. No other module names axum or hyper.
//!
//! Every answer is HTTP 200 with a response head, also a refusal, but for the upgrade to the live channel: that is what
//! the standard's clients read.

mod body;
mod connection;
mod patience;
mod respond;
mod socket;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::UPGRADE;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use diplomatic::standard::Timestamp;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

pub(crate) use connection::serve_connection;

use self::body::{Held, Upload};
use self::respond::respond;
use crate::app::{App, Seat};
use crate::{BagStore, Host, Reply, Route, Server};

impl<S: BagStore> Server<S> {
    /// Returns an axum router that answers every request, for those who serve it themselves.
    ///
    /// [`Limits`](crate::Limits) about connections (`connections`, `header`, `grace`, and `idle` for responses) are then theirs.
    pub fn router(self) -> Router {
        Router::new().fallback(|State(app), request| answer(app, None, request)).with_state(self.into_app())
    }
}

/// Answers one request. `seat` is what the connection takes up, and goes along with a socket of the live channel.
async fn answer<S: BagStore>(app: App<S>, seat: Option<Seat>, request: Request) -> Response {
    let received = app.now();
    let path = request.uri().path();
    if request.method() == Method::GET && path == "/" && asks_for_websocket(request.headers()) {
        return socket::open(app, seat, received, request).await;
    }
    let route = Route::of(request.method().as_str(), path);
    let (reply, held) = match route {
        Route::Call(_) => match body::read(&app, request.into_body()).await {
            Ok(Upload { bytes, held }) => {
                let held = held.map(Arc::new);
                (call(&app, received, route, bytes, held.clone()).await, held)
            }
            Err(refusal) => (Host::<S>::refuse(received, refusal), None),
        },
        _ => (app.host.handle(received, route, Vec::new()), None),
    };
    respond(&app, reply, held)
}

/// Carries out a call off the async threads: it checks signatures and reads from the disk. Nothing waits there for the
/// commit of a write.
async fn call<S: BagStore>(app: &App<S>, received: Timestamp, route: Route, body: Vec<u8>, held: Held) -> Reply {
    let (answer, answered) = oneshot::channel();
    let (host, hub) = (app.host.clone(), app.hub.clone());
    spawn_blocking(move || {
        host.submit(received, route, body, move |mut reply| {
            // Here, in the order of the commits, so that every socket gets its frames by seq.
            if let Some(notice) = reply.notice.take() {
                hub.publish(notice);
            }
            // Only now, should the client have left in the meantime.
            drop(held);
            let _ = answer.send(reply);
        });
    });
    answered.await.unwrap_or_else(|_| Host::<S>::stopped(received))
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
