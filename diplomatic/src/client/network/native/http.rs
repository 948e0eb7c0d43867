//! Calls over HTTP, with hyper.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use http_body::Body;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::mpsc;

use super::dial::{Dialer, NotConnected, failure_of};
use super::upload::Upload;
use crate::client::address::Address;
use crate::client::network::sent::Sent;
use crate::client::network::{HttpEvent, refusal};
use crate::standard::Timestamp;
use crate::standard::calls::Call;
use crate::sync::{Failure, ProxyFault};

/// Sends requests to one host; clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct HyperClient {
    client: Client<Dialer, Upload>,
    dialer: Dialer,
    credentials: Option<HeaderValue>,
    headers: HeaderMap,
}

impl HyperClient {
    pub(super) fn new(dialer: Dialer, address: &Address, headers: HeaderMap) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(dialer.clone());
        Self { client, dialer, credentials: address.credentials(), headers }
    }

    pub(super) const fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Sends a request, and hands on what comes.
    pub(super) async fn post(
        &self,
        address: &Address,
        call: Call,
        body: Vec<u8>,
        sent: Arc<Sent>,
        events: &mpsc::Sender<HttpEvent>,
    ) -> Result<(), Failure> {
        let url = address.call(call);
        let uri: Uri = url.as_str().parse().map_err(|_| Failure::Unreachable)?;
        let mut request = Request::new(Upload::new(body, sent));
        *request.method_mut() = Method::POST;
        if let Some(credentials) = &self.credentials {
            request.headers_mut().insert(AUTHORIZATION, credentials.clone());
        }
        request.headers_mut().extend(self.headers.clone());
        if let Some(credentials) = self.dialer.forwarder_credentials(&uri) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
        }
        *request.uri_mut() = uri.clone();
        // Redirects are not followed: the body of a POST would be lost, and the host is the one that the user named.
        let response = self.client.request(request).await.map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        if status == 407
            && let Some(proxy) = self.dialer.proxy_before(&uri)
        {
            return Err(Failure::Proxy { proxy, fault: ProxyFault::Denied });
        }
        if let Some(failure) = refusal::of_head(status, response.headers(), &url, call.path(), Timestamp::now()) {
            return Err(failure);
        }
        let mut body = response.into_body();
        while let Some(bytes) = next_chunk(&mut body).await? {
            if events.send(HttpEvent::Chunk(bytes)).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

async fn next_chunk(body: &mut Incoming) -> Result<Option<Vec<u8>>, Failure> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            None => return Ok(None),
            Some(Err(error)) => return Err(failure(&error)),
            Some(Ok(frame)) => {
                // Trailers say nothing.
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes.to_vec()));
                }
            }
        }
    }
}

/// Finds the cause of an error.
fn failure(error: &(dyn Error + 'static)) -> Failure {
    tracing::debug!(error, "a request failed");
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(NotConnected(failure)) = error.downcast_ref() {
            return failure.clone();
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return failure_of(error);
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Failure::NotHttp;
        }
        cause = error.source();
    }
    Failure::Cut
}
