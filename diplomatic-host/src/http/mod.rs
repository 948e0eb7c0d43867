//! The calls and the live channel on HTTP. No other module names axum or hyper.
//!
//! Every answer is HTTP 200 with a response head, also a refusal, but for the upgrade to the live channel: that is what
//! the standard's clients read.

mod body;
mod connection;
mod outgoing;
mod patience;
mod respond;
mod socket;

use axum::extract::{Request, State};
use axum::http::header::UPGRADE;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use diplomatic::standard::Timestamp;

pub(crate) use axum::Router;
pub(crate) use connection::serve_connection;

use self::body::Upload;
use self::respond::respond;
use crate::app::{App, Seat};
use crate::{Refusal, Reply, Route, StoreError};

/// Returns a router that answers every request.
pub(crate) fn router(app: App) -> Router {
    Router::new().fallback(|State(app), request| answer(app, None, request)).with_state(app)
}

/// Answers one request. `seat` is what the connection takes up, and goes along with a socket of the live channel.
async fn answer(app: App, seat: Option<Seat>, request: Request) -> Response {
    let received = app.now();
    let path = request.uri().path();
    if request.method() == Method::GET && path == "/" && asks_for_websocket(request.headers()) {
        return socket::open(app, seat, received, request).await;
    }
    let address = seat.as_ref().map(Seat::address);
    let route = Route::of(request.method().as_str(), path);
    let reply = match route {
        Route::Call(_) => call(&app, received, route, Upload::new(&app, address, request.into_body())).await,
        _ => app.host.handle(received, route, Vec::new()).await,
    };
    respond(&app, reply, address).await
}

/// Carries out a call to its end, even should the client leave in the meantime: what is stored is to be told.
async fn call(app: &App, received: Timestamp, route: Route, mut upload: Upload) -> Reply {
    let app = app.clone();
    let call = tokio::spawn(async move {
        let reply = app.host.handle_within(received, route, &mut upload, &app).await;
        upload.discard().await;
        reply
    });
    call.await.unwrap_or_else(|_| Reply::refused(received, &Refusal::Store(StoreError::Stopped)))
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
