//! Encrypted connections: rustls with the machine's trusted roots.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// Encrypted connections cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("encrypted connections cannot be set up: install the machine's root certificates, or use an http address")]
pub struct TlsError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl TlsError {
    pub(super) fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

/// Returns the configuration of all connections. A machine without root certificates can still use http.
pub(super) fn config(is_used: bool) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::new)?;
    let builder = if is_used {
        builder.with_platform_verifier().map_err(TlsError::new)?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}
