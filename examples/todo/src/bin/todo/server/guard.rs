//! Access to the page's server, which only this page may use.
//!
//! The server is on this machine only, but so are the browser's other pages, and they can send requests to it. So a request has
//! to know the token, which is in the page's address and nowhere else; has to name this server as its host, which a
//! foreign name that was bent to 127.0.0.1 does not; and must not come from another site.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::address::{Address, Token};

/// The requirements for a request.
#[derive(Debug)]
pub(super) struct Guard {
    token: Token,
    /// The host and port under which a browser may reach this server.
    hosts: [String; 2],
}

/// Why a request was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum TurnedAway {
    #[error("this server does not go by that name: open the address that `todo` printed")]
    ForeignHost,
    #[error("another site has no business here: open the address that `todo` printed")]
    OtherSite,
    #[error("there is nothing here: open the address that `todo` printed")]
    NothingHere,
}

impl Guard {
    pub(super) fn new(address: &Address) -> Self {
        let hosts = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{}", address.port));
        Self { token: address.token.clone(), hosts }
    }

    fn examine(&self, request: &Request) -> Result<(), TurnedAway> {
        let headers = request.headers();
        let is_ours = |host: &str| self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host));
        if !only(headers, header::HOST).is_some_and(is_ours) {
            return Err(TurnedAway::ForeignHost);
        }
        let has_origin = headers.contains_key(header::ORIGIN);
        let is_our_origin = || only(headers, header::ORIGIN)?.strip_prefix("http://").map(is_ours);
        // Browsers send the origin of every WebSocket, and apply no other rule about origins to WebSockets.
        if (has_origin || headers.contains_key(header::UPGRADE)) && is_our_origin() != Some(true) {
            return Err(TurnedAway::OtherSite);
        }
        match request.uri().path().split('/').nth(1) {
            Some(token) if self.token.is(token) => Ok(()),
            _ => Err(TurnedAway::NothingHere),
        }
    }
}

/// Returns the value of a header that occurs exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

/// Lets allowed requests pass, and adds the headers that isolate the page to every response.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.examine(&request) {
        Ok(()) => next.run(request).await,
        Err(reason @ TurnedAway::NothingHere) => (StatusCode::NOT_FOUND, reason.to_string()).into_response(),
        Err(reason) => (StatusCode::FORBIDDEN, reason.to_string()).into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Answers requests for unknown paths.
pub(super) async fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, TurnedAway::NothingHere.to_string()).into_response()
}

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
