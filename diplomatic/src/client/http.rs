//! The calls, over reqwest.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::mpsc;
use url::Url;

use super::tls::TlsError;
use crate::sync::Failure;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests; clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct HttpClient(reqwest::Client);

/// What comes of a request.
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
            // A redirect of a POST would lose its body; the host's address is meant as it is.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map(Self)
            .map_err(TlsError::new)
    }

    /// Sends a request, and hands on what comes of it until `events` is closed.
    pub(super) async fn post(self, url: Url, body: Vec<u8>, events: mpsc::Sender<HttpEvent>) {
        let last = match self.stream(url, body, &events).await {
            Ok(()) => HttpEvent::End,
            Err(failure) => HttpEvent::Failed(failure),
        };
        // Nobody waits for it any more if this fails.
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
