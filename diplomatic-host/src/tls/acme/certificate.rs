//! A certificate with its key: for whom, and for how long.

use std::sync::Arc;

use diplomatic::standard::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// A certificate is renewed when this part of its time is left.
const LEFT: u64 = 3;

/// A certificate with its key.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    names: Vec<String>,
    begins: Timestamp,
    ends: Timestamp,
}

/// Why something cannot serve as a certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error("it is not a private key and a certificate in PEM")]
    Pem,
    #[error("the certificate cannot be read")]
    X509,
    #[error(transparent)]
    Unusable(#[from] rustls::Error),
}

impl Certificate {
    /// Reads a private key and a certificate chain from one text in PEM.
    pub(super) fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::Pem)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        let chain = chain.map_err(|_| CertificateError::Pem)?;
        let first = chain.first().ok_or(CertificateError::Pem)?;
        let (_, parsed) = X509Certificate::from_der(first).map_err(|_| CertificateError::X509)?;
        let (names, validity) = (names(&parsed), parsed.validity());
        let (begins, ends) = (time(validity.not_before), time(validity.not_after));
        let key = CertifiedKey::from_der(chain, key, &ring::default_provider())?;
        Ok(Self { key: Arc::new(key), names, begins, ends })
    }

    pub(super) const fn ends(&self) -> Timestamp {
        self.ends
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.ends
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let left = self.ends.since(self.begins).as_millis() as u64 / LEFT;
        now.as_millis() >= self.ends.as_millis().saturating_sub(left)
    }

    pub(super) fn covers(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.names.contains(domain))
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}

fn time(time: ASN1Time) -> Timestamp {
    Timestamp::from_millis(u64::try_from(time.timestamp()).unwrap_or(0).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    const DAY: u64 = 24 * 3600 * 1000;

    /// A certificate of 90 days from 1 January 1971 on.
    fn pem() -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["Host.example.org".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1971, 1, 1);
        params.not_after = date_time_ymd(1971, 4, 1);
        params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
    }

    #[test]
    fn a_certificate_is_due_when_a_third_of_its_time_is_left() {
        let certificate = Certificate::from_pem(&pem()).unwrap();
        let day = |day: u64| Timestamp::from_millis((365 + day) * DAY);
        assert_eq!(certificate.ends(), day(90));
        assert!(!certificate.is_due(day(59)) && certificate.is_due(day(60)));
        assert!(!certificate.has_expired(day(89)) && certificate.has_expired(day(90)));
        assert!(certificate.covers(&["host.example.org".to_owned()]));
        assert!(!certificate.covers(&["host.example.org".to_owned(), "other.example.org".to_owned()]));
    }

    #[test]
    fn what_is_no_certificate_with_its_key_is_refused() {
        let (one, two) = (pem(), pem());
        let (begin, _) = one.split_once("-----BEGIN PRIVATE").unwrap();
        let (_, key) = two.split_once("-----BEGIN PRIVATE").unwrap();
        assert!(Certificate::from_pem(&format!("{begin}-----BEGIN PRIVATE{key}")).is_err(), "a key of another");
        for text in ["", "nonsense", begin, &one[..one.len() / 2]] {
            assert!(Certificate::from_pem(text).is_err(), "{text}");
        }
    }
}
