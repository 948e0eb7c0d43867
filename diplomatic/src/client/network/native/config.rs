//! How an app wants its hosts to be reached.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hyper::header::HeaderMap;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::own::HttpClient;
use super::proxy::Proxies;
use crate::client::address::without_credentials;
use crate::client::network::settings::{NetworkConfigError, headers};

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
        let Self { tls, certificates, headers: extra, proxy, client } = self;
        if tls.is_some() && !certificates.is_empty() {
            return Err(NetworkConfigError::TwoTrusts);
        }
        let roots = certificates.iter().map(|pem| roots(pem)).collect::<Result<Vec<_>, _>>()?.concat();
        let headers = headers(extra)?;
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
