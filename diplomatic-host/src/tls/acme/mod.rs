//! A certificate from an authority that speaks ACME (RFC 8555), such as Let's Encrypt.
//!
//! The authority connects to the host itself to see who has the name (TLS-ALPN-01, RFC 8737), so that nothing else has to
//! listen, and no other program has to run.

mod cache;
mod certificate;
mod held;
mod issue;
mod options;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use diplomatic::standard::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

pub use options::{AcmeError, AcmeOptions};

use super::ACME_PROTOCOL;
use crate::metrics::Now;
use crate::{Metrics, Stage};
use cache::Cache;
use certificate::Certificate;
use held::Held;
use issue::{Authority, IssueError};
use options::Checked;

/// How often it looks whether the certificate is due.
const LOOK: Duration = Duration::from_secs(5);
/// How long a certificate may take to come.
const PATIENCE: Duration = Duration::from_secs(300);
/// The pause after a try, doubled with each that fails in a row. Let's Encrypt allows five failures in an hour.
const PAUSE: Duration = Duration::from_secs(120);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// A certificate that is got, kept on disk, and renewed in time.
#[derive(Debug)]
pub(super) struct Acme {
    authority: Authority,
    cache: Cache,
    held: Arc<Held>,
    config: Arc<ServerConfig>,
}

impl Acme {
    pub(super) fn open(options: AcmeOptions) -> Result<Self, AcmeError> {
        let Checked { domains, contacts, directory, cache, trust } = options.check()?;
        let cache = Cache::open(&cache, &directory)?;
        let held = Arc::new(Held::default());
        if let Some(pem) = cache.certificate()? {
            match Certificate::from_pem(&pem) {
                Ok(certificate) => held.replace(certificate),
                Err(error) => tracing::warn!(%error, "the certificate in the cache cannot be used: getting a new one"),
            }
        }
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(AcmeError::Tls)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(held.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec(), ACME_PROTOCOL.to_vec()];
        let authority = Authority::new(domains, contacts, directory, trust);
        Ok(Self { authority, cache, held, config: Arc::new(config) })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }

    pub(super) fn stage(&self, now: Timestamp) -> Stage {
        match self.held.certificate() {
            None => Stage::Starting,
            Some(certificate) if certificate.has_expired(now) => Stage::Failing,
            Some(_) => Stage::Ready,
        }
    }

    /// Renews the certificate whenever it is due, for as long as the future is polled.
    pub(super) async fn follow(&self, clock: &(dyn Fn() -> Timestamp + Send + Sync), metrics: &Metrics) {
        let mut tries = Tries::default();
        loop {
            self.tell(metrics);
            let now = clock();
            if self.is_due(now) && tries.may_try(now) {
                let renewed = self.renew().await;
                match renewed {
                    Ok(()) => {
                        metrics.count_renewal("done");
                        tries = Tries { last: Some(now), failures: 0 };
                    }
                    Err(error) => {
                        metrics.count_renewal("failed");
                        tries = Tries { last: Some(now), failures: tries.failures.saturating_add(1) };
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, pause = ?tries.pause(), "no new certificate: the last one stays");
                    }
                }
                self.tell(metrics);
            }
            sleep(LOOK).await;
        }
    }

    fn tell(&self, metrics: &Metrics) {
        if let Some(certificate) = self.held.certificate() {
            metrics.set(Now::CertificateExpiry, certificate.ends().as_millis() / 1000);
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let held = self.held.certificate();
        held.is_none_or(|certificate| certificate.is_due(now) || !certificate.covers(self.authority.domains()))
    }

    async fn renew(&self) -> Result<(), IssueError> {
        let issued = timeout(PATIENCE, self.authority.issue(&self.cache, &self.held)).await;
        let pem = issued.unwrap_or(Err(IssueError::TooSlow))?;
        let certificate = Certificate::from_pem(&pem)?;
        tracing::info!(domains = ?self.authority.domains(), "took up a new certificate");
        self.held.replace(certificate);
        // It serves whether or not it can be kept.
        if let Err(error) = self.cache.keep_certificate(&pem) {
            tracing::error!(%error, "the new certificate is not kept: a restart needs another one");
        }
        Ok(())
    }
}

/// When the authority was asked last, and how often in vain.
#[derive(Debug, Default)]
struct Tries {
    last: Option<Timestamp>,
    failures: u32,
}

impl Tries {
    /// Also after a success there is a pause: a clock that is wrong must not make the host ask all the time.
    fn may_try(&self, now: Timestamp) -> bool {
        // A clock that was set back says nothing.
        self.last.is_none_or(|last| now < last || now >= last.plus(self.pause()))
    }

    fn pause(&self) -> Duration {
        PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_asked_at_most_five_times_in_an_hour() {
        let mut tries = Tries::default();
        let mut asked = Vec::new();
        for second in 0..24 * 3600 {
            let now = Timestamp::from_millis(second * 1000);
            if tries.may_try(now) {
                asked.push(second);
                tries = Tries { last: Some(now), failures: tries.failures + 1 };
            }
        }
        assert!(asked.len() >= 24, "{asked:?}");
        let in_the_hour_from =
            |start: u64| asked.iter().filter(|second| (start..start + 3600).contains(second)).count();
        assert!(asked.iter().all(|start| in_the_hour_from(*start) <= 5), "{asked:?}");
        let long_ago = Timestamp::from_millis(0);
        assert!(tries.may_try(long_ago), "a clock that was set back stops nothing");
    }
}
