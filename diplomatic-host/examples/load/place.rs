//! Where a host is, and connections to it.

use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The address of a host: `http` or `https`, and a path where it has one, such as an invite's.
pub(crate) struct Place {
    address: SocketAddr,
    /// The name with the port.
    pub(crate) authority: String,
    /// Without a slash at the end.
    pub(crate) path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Place {
    pub(crate) fn new(url: &str, authorities: Option<&Path>) -> Result<Self, Failure> {
        let (encrypted, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err("an address begins with http:// or https://".into()),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = if encrypted { 443 } else { 80 };
        let full = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
        let address = full.to_socket_addrs()?.next().ok_or("the host has no address")?;
        let tls = match encrypted {
            false => None,
            true => {
                let name = full.rsplit_once(':').map_or(authority, |(name, _)| name);
                let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())?;
                Some((TlsConnector::from(Arc::new(config(authorities)?)), name))
            }
        };
        Ok(Self { address, authority: authority.to_owned(), path: path.trim_end_matches('/').to_owned(), tls })
    }

    pub(crate) async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
        })
    }
}

/// Trusts those whose certificates are in a file, or whom the system trusts.
fn config(authorities: Option<&Path>) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let Some(path) = authorities else { return Ok(builder.with_platform_verifier()?.with_no_client_auth()) };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
