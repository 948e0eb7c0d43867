//! What is shown to those who connect: the certificate, or to an authority the proof that it asked for.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::super::ACME_PROTOCOL;
use super::certificate::Certificate;

/// The certificate that serves, and the proofs of the order that is under way.
#[derive(Debug, Default)]
pub(super) struct Held {
    certificate: RwLock<Option<Arc<Certificate>>>,
    proofs: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Held {
    pub(super) fn certificate(&self) -> Option<Arc<Certificate>> {
        self.certificate.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, certificate: Certificate) {
        *self.certificate.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certificate));
    }

    /// Shows proofs until what this returns is dropped.
    pub(super) fn start_proofs(&self) -> Proofs<'_> {
        Proofs(self)
    }
}

impl ResolvesServerCert for Held {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|protocols| protocols.eq([ACME_PROTOCOL])) {
            let domain = hello.server_name()?.to_ascii_lowercase();
            return self.proofs.read().unwrap_or_else(PoisonError::into_inner).get(&domain).cloned();
        }
        Some(Arc::clone(&self.certificate()?.key))
    }
}

/// The proofs of an order that is under way.
#[derive(Debug)]
pub(super) struct Proofs<'a>(&'a Held);

impl Proofs<'_> {
    pub(super) fn show(&self, domain: String, proof: CertifiedKey) {
        let mut proofs = self.0.proofs.write().unwrap_or_else(PoisonError::into_inner);
        proofs.insert(domain, Arc::new(proof));
    }
}

impl Drop for Proofs<'_> {
    fn drop(&mut self) {
        self.0.proofs.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
