//! TLS: where the certificate comes from, which may change while the host runs.

#[cfg(feature = "acme")]
mod acme;
mod files;

use std::io;
use std::path::Path;

use diplomatic::standard::Timestamp;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

#[cfg(feature = "acme")]
pub use acme::{AcmeError, AcmeOptions};
pub use files::TlsError;

use crate::{Metrics, Stage};
use files::CertificateFiles;

/// The protocol of connections by which an authority checks who has a name (RFC 8737).
const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// A certificate with its key, which is replaced by a newer one while the host serves.
///
/// A renewal that goes wrong leaves the last good certificate in place: it is an error in the log and not an outage.
#[derive(Debug)]
pub struct Tls(Source);

#[derive(Debug)]
enum Source {
    Files(CertificateFiles),
    #[cfg(feature = "acme")]
    Acme(Box<acme::Acme>),
}

impl Tls {
    /// Reads a certificate chain and its private key, both in PEM, and again whenever the files change.
    ///
    /// # Errors
    ///
    /// [`TlsError`].
    pub fn open(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        Ok(Self(Source::Files(CertificateFiles::open(certificate, key)?)))
    }

    /// Gets a certificate from an authority while the host serves, and renews it in time. The last one is kept on disk.
    ///
    /// # Errors
    ///
    /// [`AcmeError`] where the options cannot be used. An authority that cannot be reached is tried again later.
    #[cfg(feature = "acme")]
    pub fn acme(options: AcmeOptions) -> Result<Self, AcmeError> {
        Ok(Self(Source::Acme(Box::new(acme::Acme::open(options)?))))
    }

    /// Shakes hands; `None` if an authority only wanted to see who is here.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let acceptor = match &self.0 {
            Source::Files(files) => files.acceptor(),
            #[cfg(feature = "acme")]
            Source::Acme(acme) => acme.acceptor(),
        };
        let stream = acceptor.accept(stream).await?;
        let is_check = stream.get_ref().1.alpn_protocol() == Some(ACME_PROTOCOL);
        Ok((!is_check).then_some(stream))
    }

    /// Takes up new certificates for as long as the future is polled.
    pub(crate) async fn follow(&self, clock: &(dyn Fn() -> Timestamp + Send + Sync), metrics: &Metrics) {
        match &self.0 {
            Source::Files(files) => files.follow(metrics).await,
            #[cfg(feature = "acme")]
            Source::Acme(acme) => acme.follow(clock, metrics).await,
        }
        #[cfg(not(feature = "acme"))]
        let _ = clock;
    }

    /// Tells whether clients can be served. Of files, only their owner knows when they expire.
    pub(crate) fn stage(&self, now: Timestamp) -> Stage {
        #[cfg(not(feature = "acme"))]
        let _ = now;
        match &self.0 {
            Source::Files(_) => Stage::Ready,
            #[cfg(feature = "acme")]
            Source::Acme(acme) => acme.stage(now),
        }
    }
}
