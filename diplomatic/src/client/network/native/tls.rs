//! Encrypted connections: rustls with the machine's trusted roots.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};

use super::certificate::Verifier;
use crate::client::wall_clock::WallClock;

/// Encrypted connections cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("encrypted connections cannot be set up: install the machine's root certificates, or use an http address")]
pub struct TlsError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl TlsError {
    fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

/// Returns the configuration of all connections, with roots beside those of the machine. A machine without root certificates
/// can still use http.
pub(super) fn config(
    is_used: bool,
    roots: Vec<CertificateDer<'static>>,
    clock: WallClock,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_details(provider.clone(), Arc::new(Clock(clock)))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::new)?;
    let builder = if is_used {
        let verifier: Arc<dyn ServerCertVerifier> =
            Arc::new(platform_verifier(roots, provider).map_err(TlsError::new)?);
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier(verifier)))
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

#[cfg(not(target_os = "android"))]
fn platform_verifier(
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    if roots.is_empty() {
        rustls_platform_verifier::Verifier::new(provider)
    } else {
        rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider)
    }
}

/// On Android, apps name their roots in the network security configuration.
#[cfg(target_os = "android")]
fn platform_verifier(
    _: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    rustls_platform_verifier::Verifier::new(provider)
}

/// The client's clock, by which certificates are valid or not.
struct Clock(WallClock);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis((self.0)().as_millis())))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

crate::standard::never_retryable::never_retryable!(TlsError);
