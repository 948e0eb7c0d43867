//! How hosts are reached over the system's sockets, in the builder.

use std::sync::Arc;

use super::builder::ClientBuilder;
use super::network::{HttpClient, ProxyChoice, TlsConfig};

impl<R> ClientBuilder<R> {
    /// Trusts the hosts that these root certificates vouch for, beside those that the machine trusts: one or several in
    /// PEM, such as the contents of a file of your own authority. On Android, they belong in the app's network security
    /// configuration instead.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.network.certificates.push(pem.into());
        self
    }

    /// Uses this configuration for encrypted connections, with the certificates, versions and ciphers that it allows; those of
    /// the machine do not count then. Protocols for ALPN are left out of it, since calls use HTTP/1.1.
    #[must_use]
    pub fn tls_config(mut self, config: impl Into<Arc<TlsConfig>>) -> Self {
        self.network.tls = Some(config.into());
        self
    }

    /// Reaches all hosts through the proxy at this `http` or `https` address, which may hold a name and a password. What the
    /// environment says does not count then.
    #[must_use]
    pub fn proxy(mut self, address: impl Into<String>) -> Self {
        self.network.proxy = ProxyChoice::At(address.into());
        self
    }

    /// Uses no proxy. By default, it is that in `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` in the environment, but not for
    /// addresses in `NO_PROXY`.
    #[must_use]
    pub fn no_proxy(mut self) -> Self {
        self.network.proxy = ProxyChoice::None;
        self
    }

    /// Sends the calls with the app's own HTTP client. There is no live channel then, and hosts are polled; see
    /// [`HttpClient`].
    #[must_use]
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.network.client = Some(Arc::new(client));
        self
    }
}
