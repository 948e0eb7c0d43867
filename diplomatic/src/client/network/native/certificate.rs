//! What is wrong with a host's certificate, in the terms of its user.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use crate::standard::Timestamp;
use crate::sync::TlsFault;

/// Verifies certificates as another verifier does, and tells those that vouch for themselves from the others.
#[derive(Debug)]
pub(super) struct Verifier(pub(super) Arc<dyn ServerCertVerifier>);

/// A certificate vouches for itself.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is self-signed")]
struct SelfSigned;

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0.verify_server_cert(certificate, intermediates, name, ocsp, now).map_err(|error| match error {
            Error::InvalidCertificate(error) if is_about_trust(&error) && is_self_issued(certificate) => {
                Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(SelfSigned))))
            }
            error => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Returns whether a certificate is not believed, whatever is in it.
const fn is_about_trust(error: &CertificateError) -> bool {
    use CertificateError::{
        BadEncoding, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        Revoked,
    };
    !matches!(
        error,
        BadEncoding
            | Expired
            | ExpiredContext { .. }
            | NotValidForName
            | NotValidForNameContext { .. }
            | NotValidYet
            | NotValidYetContext { .. }
            | Revoked
    )
}

/// Returns why a connection could not be encrypted.
pub(super) fn fault(error: &Error) -> TlsFault {
    match error {
        Error::InvalidCertificate(error) => certificate_fault(error),
        Error::InvalidMessage(_) => TlsFault::NotTls,
        error => TlsFault::Handshake(error.to_string().into()),
    }
}

fn certificate_fault(error: &CertificateError) -> TlsFault {
    let time = |time: &UnixTime| Timestamp::from_millis(time.as_secs().saturating_mul(1000));
    match error {
        CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
        CertificateError::Other(OtherError(error)) if error.is::<SelfSigned>() => TlsFault::SelfSigned,
        CertificateError::ExpiredContext { time: now, not_after } => {
            TlsFault::Expired { until: time(not_after), now: time(now) }
        }
        CertificateError::NotValidYetContext { time: now, not_before } => {
            TlsFault::NotYetValid { from: time(not_before), now: time(now) }
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            // The names come as `DnsName("example.org")`; a host could have very many.
            let names: Vec<_> = presented.iter().take(8).map(|name| quoted(name)).collect();
            TlsFault::WrongName { names: names.join(", ").into() }
        }
        CertificateError::NotValidForName => TlsFault::WrongName { names: "".into() },
        CertificateError::Revoked => TlsFault::Revoked,
        error => TlsFault::Certificate(error.to_string().into()),
    }
}

/// Returns what stands between quotation marks or brackets, or everything.
fn quoted(text: &str) -> &str {
    let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(text);
    inner.trim_matches('"')
}

/// Returns whether the issuer of a certificate is its subject. Anything unexpected in it counts as no.
fn is_self_issued(certificate: &[u8]) -> bool {
    fn names(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
        let (outer, _) = element(certificate)?;
        let (mut rest, _) = element(outer.content)?;
        let mut fields = rest.content;
        (rest, fields) = element(fields)?;
        // The version, which the oldest form leaves out, comes before the serial number.
        if rest.tag == 0xa0 {
            (_, fields) = element(fields)?;
        }
        let (_signature, fields) = element(fields)?;
        let (issuer, fields) = element(fields)?;
        let (_validity, fields) = element(fields)?;
        let (subject, _) = element(fields)?;
        Some((issuer.content, subject.content))
    }
    names(certificate).is_some_and(|(issuer, subject)| issuer == subject)
}

/// An element of DER.
#[derive(Clone, Copy)]
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

/// Splits off the first element.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&[tag, first], mut rest) = bytes.split_first_chunk::<2>()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        let digits;
        (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| digits.len() <= 4)?;
        len = digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit));
    }
    let (content, rest) = rest.split_at_checked(len)?;
    Some((Element { tag, content }, rest))
}
