//! What somebody sees who opens an invite's link.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use diplomatic::standard::Timestamp;

use super::respond::refuse;
use crate::admission::{DOOR, InviteCode};
use crate::app::App;

/// Opens the door for a while to a client at the same address.
pub(super) async fn welcome(app: &App, now: Timestamp, code: InviteCode, address: Option<IpAddr>) -> Response {
    let open = match app.guard.gate.open_door(app.host.store(), now, code, address).await {
        Ok(open) => open,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "could not look up an invite");
            return refuse(StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    let (status, text) = match open {
        true => (StatusCode::OK, welcome_text()),
        false => (StatusCode::NOT_FOUND, "This invite was used, or is too old. Ask for another one.\n".to_owned()),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn welcome_text() -> String {
    format!(
        "You are invited to store your data on this host.\n\n\
         Give your app the address of this page as the address of the host. If it does not accept that, give it the \
         address up to /invite, within {} minutes and from this network.\n",
        DOOR.as_secs() / 60
    )
}
