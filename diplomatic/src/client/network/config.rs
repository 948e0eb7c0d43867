//! How an app wants its hosts to be reached.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::own::HttpClient;
use super::proxy::Proxies;
use crate::client::address::without_credentials;

/// Headers that belong to the connection or to the protocol.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How an app wants its hosts to be reached, unchecked.
#[derive(Clone, Default)]
pub(in crate::client) struct NetworkConfig {
    pub(in crate::client) tls: Option<Arc<ClientConfig>>,
    /// In PEM.
    pub(in crate::client) certificates: Vec<Vec<u8>>,
    pub(in crate::client) headers: BTreeMap<String, String>,
    pub(in crate::client) proxy: ProxyChoice,
    pub(in crate::client) client: Option<Arc<dyn HttpClient>>,
}

/// Which proxy to use.
#[derive(Clone, Default)]
pub(in crate::client) enum ProxyChoice {
    /// The one that the environment names, if it does.
    #[default]
    Environment,
    None,
    At(String),
}

/// A setting of the network that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkConfigError {
    /// The name of a header is not one.
    #[error("{name:?} is not a header's name: use letters, digits and hyphens")]
    HeaderName {
        /// The name.
        name: String,
    },
    /// The value of a header has characters that cannot be sent.
    #[error(
        "the value of the header {name} cannot be sent: use visible ASCII characters and spaces, and no line breaks"
    )]
    HeaderValue {
        /// The header's name. The value may be a secret, and is not told.
        name: String,
    },
    /// The header belongs to the connection or the protocol.
    #[error("the header {name} is set by the connection itself: leave it out")]
    ReservedHeader {
        /// The header's name.
        name: String,
    },
    /// The address of a proxy is invalid.
    #[error("{address:?} is not a proxy's address: write it as http://proxy.example.org:3128, or https://")]
    Proxy {
        /// The address, without credentials.
        address: String,
    },
    /// Root certificates are not in the PEM format.
    #[error(
        "the root certificates cannot be read: give them as PEM, in which each begins with -----BEGIN CERTIFICATE-----"
    )]
    Certificates,
    /// There are both a TLS configuration and root certificates.
    #[error(
        "a TLS configuration brings its own roots: add the root certificates there, or leave the configuration out"
    )]
    TwoTrusts,
}

/// The checked settings.
#[derive(Clone)]
pub(in crate::client) struct NetworkSettings {
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) roots: Vec<CertificateDer<'static>>,
    pub(super) headers: HeaderMap,
    pub(super) proxies: Proxies,
    pub(super) client: Option<Arc<dyn HttpClient>>,
}

impl NetworkSettings {
    /// What goes for an app that sets nothing.
    pub(in crate::client) fn usual() -> Self {
        let (roots, headers) = (Vec::new(), HeaderMap::new());
        Self { tls: None, roots, headers, proxies: Proxies::of_environment(), client: None }
    }
}

impl NetworkConfig {
    /// Checks the settings.
    pub(in crate::client) fn check(self) -> Result<NetworkSettings, NetworkConfigError> {
        let Self { tls, certificates, headers, proxy, client } = self;
        if tls.is_some() && !certificates.is_empty() {
            return Err(NetworkConfigError::TwoTrusts);
        }
        let roots = certificates.iter().map(|pem| roots(pem)).collect::<Result<Vec<_>, _>>()?.concat();
        let headers = headers.into_iter().map(|(name, value)| header(name, &value)).collect::<Result<_, _>>()?;
        let proxies = match proxy {
            ProxyChoice::Environment => Proxies::of_environment(),
            ProxyChoice::None => Proxies::none(),
            ProxyChoice::At(address) => Proxies::all(&address)
                .ok_or_else(|| NetworkConfigError::Proxy { address: without_credentials(&address) })?,
        };
        // Calls are made over HTTP/1.1, and a host that was offered more might choose it.
        let tls = tls.map(|mut tls| {
            if !tls.alpn_protocols.is_empty() {
                Arc::make_mut(&mut tls).alpn_protocols.clear();
            }
            tls
        });
        Ok(NetworkSettings { tls, roots, headers, proxies, client })
    }
}

fn roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NetworkConfigError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or(NetworkConfigError::Certificates)
}

fn header(name: String, value: &str) -> Result<(HeaderName, HeaderValue), NetworkConfigError> {
    let Ok(checked) = name.parse::<HeaderName>() else { return Err(NetworkConfigError::HeaderName { name }) };
    if RESERVED.contains(&checked.as_str()) || checked.as_str().starts_with("sec-websocket-") {
        return Err(NetworkConfigError::ReservedHeader { name });
    }
    let Ok(mut value) = HeaderValue::from_str(value) else { return Err(NetworkConfigError::HeaderValue { name }) };
    value.set_sensitive(true);
    Ok((checked, value))
}

/// Headers are named without their values, which may be secrets.
impl fmt::Debug for NetworkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls, certificates, headers, proxy, client } = self;
        let proxy = match proxy {
            ProxyChoice::Environment => "of the environment".to_owned(),
            ProxyChoice::None => "none".to_owned(),
            ProxyChoice::At(address) => without_credentials(address),
        };
        f.debug_struct("NetworkConfig")
            .field("has_tls", &tls.is_some())
            .field("certificates", &certificates.len())
            .field("headers", &headers.keys().collect::<Vec<_>>())
            .field("proxy", &proxy)
            .field("has_client", &client.is_some())
            .finish()
    }
}
