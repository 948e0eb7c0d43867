//! A certificate in files, which somebody else renews.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::Metrics;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// A certificate with its key, read again whenever the files change.
///
/// Files that cannot be used leave the last good certificate in place, so that a renewal that goes wrong is an error in
/// the log and not an outage.
#[derive(Debug)]
pub(super) struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// The files as they were read last, whether they could be used or not.
    seen: Option<Contents>,
}

#[derive(Debug, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why certificate files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read ({source})", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file has no certificate in PEM.
    #[error("{} holds no certificate in PEM: give the file with the whole chain, often called fullchain.pem", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file has no private key in PEM.
    #[error("{} holds no private key in PEM", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key cannot be used together.
    #[error("the certificate in {} cannot be used with the key in {} ({source})", certificate.display(), key.display())]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong with them.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl CertificateFiles {
    pub(super) fn open(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.as_ref().to_owned(), key.as_ref().to_owned());
        let files = Contents::read(&certificate, &key)?;
        let config = files.config(&certificate, &key)?;
        Ok(Self { certificate, key, current: Mutex::new(Current { config, seen: Some(files) }) })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current.config))
    }

    /// Reads the files again whenever they change, for as long as the future is polled.
    pub(super) async fn follow(&self, metrics: &Metrics) {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.reload() {
                Ok(false) => {}
                Ok(true) => {
                    metrics.count_renewal("done");
                    tracing::info!(path = %self.certificate.display(), "took up a new certificate");
                }
                Err(error) => {
                    metrics.count_renewal("failed");
                    tracing::error!(%error, "the new certificate cannot be used: the last one stays");
                }
            }
        }
    }

    /// Takes up files that have changed since the last look; tells whether there were any.
    fn reload(&self) -> Result<bool, TlsError> {
        let read = Contents::read(&self.certificate, &self.key);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let files = match read {
            Ok(files) => files,
            // Said once, until the files can be read again.
            Err(error) => return current.seen.take().map_or(Ok(false), |_| Err(error)),
        };
        if current.seen.as_ref() == Some(&files) {
            return Ok(false);
        }
        let config = files.config(&self.certificate, &self.key);
        current.seen = Some(files);
        current.config = config?;
        Ok(true)
    }
}

impl Contents {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
        Ok(Self { certificate: read(certificate)?, key: read(key)? })
    }

    fn config(&self, certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate { path: certificate.to_owned() })?;
        let private = PrivateKeyDer::from_pem_slice(&self.key);
        let private = private.map_err(|_| TlsError::NoKey { path: key.to_owned() })?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
        let mut config = config.map_err(|error| TlsError::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source: Arc::new(error),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
