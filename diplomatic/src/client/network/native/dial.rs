//! Connections to a host: directly or through a proxy, encrypted or not.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::certificate;
use super::proxy::{Proxies, Proxy};
use super::race::{self, Unreached};
use crate::sync::{Failure, ProxyFault, TlsFault};

/// How long it may take at most to connect.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to hosts.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: Arc<ClientConfig>,
    proxies: Proxies,
    patience: Duration,
}

/// What a connection to a host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Calls,
    /// A proxy only passes bytes on, since it may not know how to forward the live channel.
    Live,
}

/// A connection to a host.
pub(super) struct Line {
    wire: Box<dyn Wire>,
    /// A proxy takes the requests and forwards them.
    is_forwarded: bool,
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Dialer {
    /// Prepares connections. `silence` is how long a host may be silent, before which connecting fails.
    pub(super) fn new(tls: Arc<ClientConfig>, proxies: Proxies, silence: Duration) -> Self {
        Self { tls, proxies, patience: PATIENCE.min(silence * 3 / 4) }
    }

    /// Returns the credentials for the proxy that forwards the requests to an address, if one does.
    pub(super) fn forwarder_credentials(&self, uri: &Uri) -> Option<HeaderValue> {
        if is_https(uri) { None } else { self.proxies.before(uri)?.credentials().cloned() }
    }

    /// Returns the name of the proxy on the way to an address, if there is one.
    pub(super) fn proxy_before(&self, uri: &Uri) -> Option<Arc<str>> {
        self.proxies.before(uri).map(|proxy| proxy.name())
    }

    /// Connects to an `http` or `https` address.
    pub(super) async fn dial(&self, uri: &Uri, purpose: Use) -> Result<Line, Failure> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if is_https(uri) { 443 } else { 80 });
        let Some(proxy) = self.proxies.before(uri) else {
            let connected = timeout(self.patience, race::connect(host, port)).await;
            let stream = connected.unwrap_or(Err(Unreached::Timeout)).map_err(|unreached| match unreached {
                Unreached::NoAddress => Failure::NoAddress { name: host.into() },
                Unreached::Unreachable => Failure::Unreachable,
                Unreached::Timeout => Failure::Timeout,
                Unreached::Refused => Failure::ConnectionRefused,
            })?;
            return self.secure(uri, Line { wire: Box::new(stream), is_forwarded: false }).await;
        };
        let is_forwarded = !is_https(uri) && purpose == Use::Calls;
        let reaching = timeout(self.patience, self.reach(&proxy, (!is_forwarded).then_some((host, port)))).await;
        let wire = reaching.unwrap_or(Err(ProxyFault::Timeout));
        let wire = wire.map_err(|fault| Failure::Proxy { proxy: proxy.name(), fault })?;
        self.secure(uri, Line { wire, is_forwarded }).await
    }

    /// Connects to a proxy and, if a host is given, through it to the host.
    async fn reach(&self, proxy: &Proxy, target: Option<(&str, u16)>) -> Result<Box<dyn Wire>, ProxyFault> {
        if !proxy.is_supported() {
            return Err(ProxyFault::NotSupported);
        }
        let (host, port) = proxy.place();
        let stream = race::connect(host, port).await.map_err(|unreached| match unreached {
            Unreached::NoAddress => ProxyFault::NoAddress,
            Unreached::Unreachable => ProxyFault::Unreachable,
            Unreached::Timeout => ProxyFault::Timeout,
            Unreached::Refused => ProxyFault::ConnectionRefused,
        })?;
        let mut wire: Box<dyn Wire> = Box::new(stream);
        if proxy.is_https() {
            wire = self.encrypt(host, wire).await.map_err(|_| ProxyFault::Tls)?;
        }
        if let Some((host, port)) = target {
            proxy.tunnel(&mut wire, host, port).await?;
        }
        Ok(wire)
    }

    async fn secure(&self, uri: &Uri, line: Line) -> Result<Line, Failure> {
        if !is_https(uri) {
            return Ok(line);
        }
        let encrypting = timeout(self.patience, self.encrypt(uri.host().unwrap_or_default(), line.wire)).await;
        let wire = encrypting.map_err(|_| Failure::Timeout)?.map_err(|error| failure_of(&error))?;
        Ok(Line { wire, ..line })
    }

    async fn encrypt(&self, host: &str, wire: Box<dyn Wire>) -> io::Result<Box<dyn Wire>> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Box::new(TlsConnector::from(self.tls.clone()).connect(name, wire).await?))
    }
}

/// Returns why a connection broke, or could not be encrypted.
pub(super) fn failure_of(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
        Some(error) => Failure::Tls(certificate::fault(error)),
        None if error.kind() == io::ErrorKind::InvalidData => Failure::Tls(TlsFault::NotTls),
        None => Failure::Cut,
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// A failure to connect, in the form that hyper expects.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotConnected(pub(super) Failure);

impl Service<Uri> for Dialer {
    type Response = TokioIo<Line>;
    type Error = NotConnected;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Line>, NotConnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(&uri, Use::Calls).await.map(TokioIo::new).map_err(NotConnected) })
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_forwarded)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("is_forwarded", &self.is_forwarded).finish_non_exhaustive()
    }
}
