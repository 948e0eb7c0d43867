//! Whom the host trusts where it connects to others.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// Why nobody can be trusted.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("{} cannot be used as certificates ({said})", path.display())]
    Unusable { path: PathBuf, said: String },
    #[error("the system trusts no certificates ({0})")]
    System(rustls::Error),
}

/// Trusts those whose certificates are in a file in PEM, or whom the system trusts.
pub(crate) fn trusting(authorities: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(TrustError::System)?;
    let builder = match authorities {
        None => builder.with_platform_verifier().map_err(TrustError::System)?,
        Some(path) => builder.with_root_certificates(roots(path)?),
    };
    Ok(builder.with_no_client_auth())
}

/// Reads the certificates of those whom a file names.
fn roots(path: &Path) -> Result<RootCertStore, TrustError> {
    let unusable = |said: String| TrustError::Unusable { path: path.to_owned(), said };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(said(error)))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(said(error)))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() { Err(unusable("there are none in it".to_owned())) } else { Ok(roots) }
}

fn said(error: pem::Error) -> String {
    match error {
        pem::Error::Io(error) => io::Error::to_string(&error),
        error => error.to_string(),
    }
}
