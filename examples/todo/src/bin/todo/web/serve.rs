//! Serves the site on this machine.

use std::error::Error;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Redirect, Response};
use tokio::net::TcpListener;

use super::assets::{Site, headers};
use crate::shutdown::Shutdown;
use crate::tell;

/// The browser keeps the lists for an address, so the port stays the same.
pub(crate) const DEFAULT_PORT: u16 = 31338;

/// Why the site cannot be served.
#[derive(Debug, thiserror::Error)]
#[error(
    "port {port} of 127.0.0.1 cannot be used: end what uses it, or choose another with --port (the browser keeps other lists there)"
)]
struct ListenError {
    port: u16,
    source: io::Error,
}

/// Serves the site until the program is asked to end.
pub(super) async fn serve(site: Site, port: u16, shutdown: Shutdown) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|source| ListenError { port, source })?;
    // Passkeys need a name.
    let name = format!("localhost:{}", listener.local_addr()?.port());
    tell(
        "Your lists are in the browser under this address, and work without this program once they were opened. Ctrl-C ends it.",
    );
    writeln!(io::stdout(), "http://{name}/")?;
    let app = Router::new().fallback(answer).with_state(Arc::new((site, name)));
    axum::serve(listener, app).with_graceful_shutdown(shutdown.requested()).await?;
    Ok(())
}

async fn answer(State(shared): State<Arc<(Site, String)>>, request: Request) -> Response {
    let (site, name) = &*shared;
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if host != Some(name) {
        // The same lists under every name of this machine: a browser keeps them for each name apart.
        return Redirect::temporary(&format!("http://{name}/")).into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let Some(file) = site.files.iter().find(|file| file.path == path) else {
        return (StatusCode::NOT_FOUND, "there is no such file").into_response();
    };
    let age = if file.is_immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = ([(CONTENT_TYPE, type_of(path)), (CACHE_CONTROL, age)], file.content.clone()).into_response();
    for (name, value) in headers() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => "text/html; charset=utf-8",
    }
}
