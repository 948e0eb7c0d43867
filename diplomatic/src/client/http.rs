//! Calls over HTTP, with reqwest.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::mpsc;
use url::Url;

use super::tls::TlsError;
use crate::sync::Failure;

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests; clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct HttpClient(reqwest::Client);

/// An event in the life of a request.
#[derive(Debug)]
pub(super) enum HttpEvent {
    Chunk(Vec<u8>),
    End,
    Failed(Failure),
}

impl HttpClient {
    pub(super) fn new(tls: Arc<ClientConfig>) -> Result<Self, TlsError> {
        reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            // Redirecting a POST would lose its body, so the address is taken literally.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map(Self)
            .map_err(TlsError::new)
    }

    /// Sends a request and forwards its events until `events` is closed.
    pub(super) async fn post(self, url: Url, body: Vec<u8>, events: mpsc::Sender<HttpEvent>) {
        let last = match self.stream(url, body, &events).await {
            Ok(()) => HttpEvent::End,
            Err(failure) => HttpEvent::Failed(failure),
        };
        // This fails only if nobody is waiting any more.
        let _ = events.send(last).await;
    }

    async fn stream(&self, url: Url, body: Vec<u8>, events: &mpsc::Sender<HttpEvent>) -> Result<(), Failure> {
        let mut response = self.0.post(url).body(body).send().await.map_err(failure)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(Failure::HttpStatus(response.status().as_u16()));
        }
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if events.send(HttpEvent::Chunk(chunk.to_vec())).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn failure(error: reqwest::Error) -> Failure {
    tracing::debug!(%error, "a request failed");
    if error.is_connect() {
        Failure::Unreachable
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Cut
    }
}
