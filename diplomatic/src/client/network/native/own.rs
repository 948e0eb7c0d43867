//! HTTP clients that an app brings along.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::{StreamExt, stream};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::sync::mpsc;

use crate::client::address::Address;
use crate::client::network::sent::Sent;
use crate::client::network::{HttpEvent, refusal};
use crate::standard::Timestamp;
use crate::standard::calls::Call;
use crate::sync::Failure;

/// A way to send HTTP requests, for apps that have to use the network stack of their platform, or one of their own.
///
/// It is asked for the calls only. With it there is no live channel: the host is polled, often after activity and rarely
/// when idle, and the status says so ([`Live::Polling`](crate::sync::Live::Polling)). The TLS configuration, the root
/// certificates and the proxy of the [builder](crate::ClientBuilder) are not used, since connections are its own affair;
/// extra headers are among those of the request.
///
/// ```
/// use std::pin::Pin;
///
/// use diplomatic::http::{HttpClient, HttpRequest, HttpResponse};
/// use diplomatic::sync::Failure;
///
/// /// A network that is always down.
/// struct Down;
///
/// impl HttpClient for Down {
///     fn post(
///         &self,
///         request: HttpRequest,
///     ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, Failure>> + Send + '_>> {
///         Box::pin(async move {
///             println!("{} bytes for {}", request.body.len(), request.url);
///             Err(Failure::Unreachable)
///         })
///     }
/// }
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// Sends a POST, and returns the response when its head has come. Redirects must not be followed. The future, and
    /// later the response's body, is dropped when the request is given up.
    ///
    /// # Errors
    ///
    /// Why there is no response, as the status will tell the user: such as [`Failure::Unreachable`], or
    /// [`Failure::Cut`].
    fn post(&self, request: HttpRequest) -> Pin<Box<dyn Future<Output = Result<HttpResponse, Failure>> + Send + '_>>;
}

/// A POST to a host.
#[derive(Debug)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The address.
    pub url: String,
    /// The headers beside those that HTTP itself needs, by their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    sent: Arc<Sent>,
}

impl HttpRequest {
    /// Reports how many bytes of the body have been sent. Without reports, a request whose body takes longer to send than
    /// [`SessionConfig::request_timeout`](crate::sync::SessionConfig::request_timeout) is given up as if the host were
    /// silent.
    pub fn report_sent(&self, bytes: u64) {
        self.sent.note(bytes);
    }
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Failure>> + Send>>;

/// A response of a host.
pub struct HttpResponse {
    status: u16,
    headers: HeaderMap,
    body: Chunks,
}

impl HttpResponse {
    /// Makes a response whose body comes piece by piece.
    pub fn new(status: u16, body: impl Stream<Item = Result<Vec<u8>, Failure>> + Send + 'static) -> Self {
        Self { status, headers: HeaderMap::new(), body: Box::pin(body) }
    }

    /// Makes a response whose body has come as a whole.
    pub fn whole(status: u16, body: Vec<u8>) -> Self {
        Self::new(status, stream::iter([Ok(body)]))
    }

    /// Adds a header. `Location` and `Retry-After` are understood, and all others ignored, as is one that is not a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse::<hyper::header::HeaderName>(), HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Sends a request with an app's own client.
pub(super) async fn post(
    client: &dyn HttpClient,
    address: &Address,
    extra: &HeaderMap,
    call: Call,
    body: Vec<u8>,
    sent: Arc<Sent>,
    events: &mpsc::Sender<HttpEvent>,
) -> Result<(), Failure> {
    let mut headers = extra.clone();
    if let Some(credentials) = address.credentials() {
        headers.entry(AUTHORIZATION).or_insert(credentials);
    }
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let url = address.call(call);
    let request = HttpRequest { url: url.to_string(), headers, body, sent };
    let HttpResponse { status, headers, mut body } = client.post(request).await?;
    if let Some(failure) = refusal::of_head(status, &headers, &url, call.path(), Timestamp::now()) {
        return Err(failure);
    }
    while let Some(chunk) = body.next().await {
        if events.send(HttpEvent::Chunk(chunk?)).await.is_err() {
            break;
        }
    }
    Ok(())
}
