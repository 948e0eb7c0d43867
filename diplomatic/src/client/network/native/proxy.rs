//! Proxies: those that the environment names in `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, or one that the app
//! names.

use std::sync::Arc;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Url;

use crate::sync::ProxyFault;

/// The longest accepted head of a proxy's answer.
const LONGEST_HEAD: usize = 16 << 10;

/// The proxies on the way to hosts.
#[derive(Debug, Clone)]
pub(super) struct Proxies(Arc<Matcher>);

/// The proxy on the way to a host.
#[derive(Debug)]
pub(super) struct Proxy(Intercept);

impl Proxies {
    pub(super) fn of_environment() -> Self {
        Self(Arc::new(Matcher::from_env()))
    }

    pub(super) fn none() -> Self {
        Self(Arc::new(Matcher::builder().build()))
    }

    /// Uses one proxy for all addresses; `None` if there is none at its address.
    pub(super) fn all(address: &str) -> Option<Self> {
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
        let proxies = Self(Arc::new(Matcher::builder().all(url.as_str()).build()));
        proxies.before(&Uri::from_static("http://host/")).is_some().then_some(proxies)
    }

    /// Returns the proxy on the way to an `http` or `https` address, if there is one.
    pub(super) fn before(&self, uri: &Uri) -> Option<Proxy> {
        self.0.intercept(uri).map(Proxy)
    }
}

impl Proxy {
    /// Returns its host, and its port.
    pub(super) fn place(&self) -> (&str, u16) {
        let uri = self.0.uri();
        let usual = if self.is_https() { 443 } else { 80 };
        (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(usual))
    }

    /// Returns its name for people, without credentials.
    pub(super) fn name(&self) -> Arc<str> {
        let (host, port) = self.place();
        format!("{}://{host}:{port}", self.0.uri().scheme_str().unwrap_or("http")).into()
    }

    pub(super) fn is_https(&self) -> bool {
        self.0.uri().scheme_str() == Some("https")
    }

    pub(super) fn is_supported(&self) -> bool {
        matches!(self.0.uri().scheme_str(), Some("http" | "https"))
    }

    /// Returns the credentials in its address, as a header's value.
    pub(super) fn credentials(&self) -> Option<&HeaderValue> {
        self.0.basic_auth()
    }

    /// Asks it on a connection to connect to a host, and returns once it has done so.
    pub(super) async fn tunnel(
        &self,
        wire: &mut (impl AsyncRead + AsyncWrite + Unpin),
        host: &str,
        port: u16,
    ) -> Result<(), ProxyFault> {
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
        if let Some(credentials) = self.credentials() {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(credentials.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        wire.write_all(&request).await.map_err(|_| ProxyFault::Unreachable)?;
        let mut head = Vec::new();
        // The host says nothing before the client does, so nothing but the proxy's answer is read.
        while !head.ends_with(b"\r\n\r\n") {
            match wire.read_buf(&mut head).await {
                Ok(1..) if head.len() <= LONGEST_HEAD => {}
                Ok(0) if head.is_empty() => return Err(ProxyFault::Unreachable),
                Err(_) => return Err(ProxyFault::Unreachable),
                Ok(_) => return Err(ProxyFault::NotAProxy),
            }
        }
        match status(&head) {
            Some(200..300) => Ok(()),
            Some(407) => Err(ProxyFault::Denied),
            Some(status) => Err(ProxyFault::HttpStatus(status)),
            None => Err(ProxyFault::NotAProxy),
        }
    }
}

/// Returns the status in the first line of an answer.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tunnelled(proxy: &str, answer: &[u8]) -> (String, Result<(), ProxyFault>) {
        let proxy = Proxy(Matcher::builder().all(proxy).build().intercept(&Uri::from_static("https://h/")).unwrap());
        let (mut near, mut far) = tokio::io::duplex(1 << 20);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let outcome = proxy.tunnel(&mut near, "h", 443).await;
        drop(near);
        let mut asked = String::new();
        far.read_to_string(&mut asked).await.unwrap();
        (asked, outcome)
    }

    #[tokio::test]
    async fn a_proxy_is_asked_with_its_credentials_and_its_answer_is_understood() {
        let (asked, outcome) = tunnelled("http://me:secret@p:3128", b"HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(asked.starts_with("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n"), "{asked}");
        assert!(asked.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{asked}");
        assert_eq!(outcome, Ok(()));
        for (answer, fault) in [
            (&b"HTTP/1.0 407 Who are you?\r\nx: y\r\n\r\n"[..], ProxyFault::Denied),
            (b"HTTP/1.1 502 Bad\r\n\r\n", ProxyFault::HttpStatus(502)),
            (b"SSH-2.0-server\r\n\r\n", ProxyFault::NotAProxy),
            (b"HTTP/1.1 20", ProxyFault::NotAProxy),
            (b"", ProxyFault::Unreachable),
            (&[b'x'; 100_000], ProxyFault::NotAProxy),
        ] {
            assert_eq!(tunnelled("p", answer).await.1, Err(fault));
        }
    }

    #[test]
    fn names_of_proxies_hold_no_credentials() {
        let proxy = Proxy(
            Matcher::builder()
                .all("http://me:secret@p:3128")
                .build()
                .intercept(&Uri::from_static("http://h/"))
                .unwrap(),
        );
        assert_eq!(&*proxy.name(), "http://p:3128");
        assert!(!format!("{proxy:?}").contains("secret"));
    }
}
