//! Why a request or a live channel failed, as the transport reports it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::utc::Utc;
use crate::standard::Timestamp;
use crate::standard::serde_forms::{millis, shared_text};

/// Why a request failed, its response was cut short, or a live channel could not be opened.
///
/// The `Display` form is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// No address was found for the host's name.
    NoAddress {
        /// The name.
        #[serde(with = "shared_text")]
        name: Arc<str>,
    },
    /// Nothing listens at the host's address.
    ConnectionRefused,
    /// The connection to the host could not be established.
    Unreachable,
    /// The connection could not be encrypted, or the host did not prove its identity.
    Tls(TlsFault),
    /// The proxy that the app or the environment names cannot be used.
    Proxy {
        /// The proxy's address, without credentials.
        #[serde(with = "shared_text")]
        proxy: Arc<str>,
        /// What is wrong with it.
        fault: ProxyFault,
    },
    /// What answers does not speak HTTP.
    NotHttp,
    /// The answer is a web page or something else that no host sends.
    WebPage,
    /// The answer is a redirect.
    Redirected {
        /// The HTTP status.
        status: u16,
        /// Where it leads.
        #[serde(with = "shared_text")]
        target: Arc<str>,
    },
    /// The host asks to be left alone for a while.
    Busy {
        /// The HTTP status.
        status: u16,
        /// For how long.
        #[serde(with = "millis")]
        retry_after: Duration,
    },
    /// The HTTP status was not 200.
    HttpStatus(u16),
    /// The connection broke while sending the request or reading the response.
    Cut,
    /// The transport's own timeout expired.
    Timeout,
    /// So little of the response arrived that it would never have ended.
    TooSlow,
    /// The app is offline, so nothing was sent.
    Offline,
}

/// Why a connection could not be encrypted, or the host did not prove its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate vouches for itself, and this device does not know it.
    SelfSigned,
    /// The certificate was issued by someone whom this device does not trust.
    UnknownIssuer,
    /// The certificate has expired.
    Expired {
        /// Until when it was valid.
        until: Timestamp,
        /// The time of this device's clock.
        now: Timestamp,
    },
    /// The certificate is not valid yet, so this device's clock is probably wrong.
    NotYetValid {
        /// From when on it is valid.
        from: Timestamp,
        /// The time of this device's clock.
        now: Timestamp,
    },
    /// The certificate is for another name.
    WrongName {
        /// The names in it, separated by commas.
        #[serde(with = "shared_text")]
        names: Arc<str>,
    },
    /// The certificate was revoked.
    Revoked,
    /// Something else is wrong with the certificate.
    Certificate(#[serde(with = "shared_text")] Arc<str>),
    /// What answers does not speak TLS.
    NotTls,
    /// The two sides could not agree on an encryption, or the host broke it off.
    Handshake(#[serde(with = "shared_text")] Arc<str>),
}

impl TlsFault {
    /// Returns what the user can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::SelfSigned => {
                "add it to the certificates that this device trusts, or ask the host's operator for one from a known \
                 authority"
            }
            Self::UnknownIssuer => {
                "add the issuer to those that this device trusts if you know it, or ask the host's operator for the whole \
                 chain of certificates"
            }
            Self::Expired { .. } => {
                "ask the host's operator to renew it; if that date is still to come, set this device's clock"
            }
            Self::NotYetValid { .. } => "set this device's clock",
            Self::WrongName { .. } => {
                "check the host's address, or ask the host's operator for a certificate with its name"
            }
            Self::Revoked | Self::Certificate(_) => "ask the host's operator for another certificate",
            Self::NotTls => "check the host's address and port; perhaps it begins with http:// instead of https://",
            Self::Handshake(_) => "check the host's address, and whatever stands between this device and the host",
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SelfSigned => f.write_str("the host's certificate is self-signed, and this device does not trust it"),
            Self::UnknownIssuer => {
                f.write_str("the host's certificate is from an issuer that this device does not trust")
            }
            Self::Expired { until, now } => write!(
                f,
                "the host's certificate expired on {}, and this device's clock says {}",
                Utc(*until),
                Utc(*now)
            ),
            Self::NotYetValid { from, now } => write!(
                f,
                "this device's clock says {}, but the host's certificate is valid only from {} on",
                Utc(*now),
                Utc(*from)
            ),
            Self::WrongName { names } if names.is_empty() => f.write_str("the host's certificate is for no name"),
            Self::WrongName { names } => write!(f, "the host's certificate is for another name ({names})"),
            Self::Revoked => f.write_str("the host's certificate was revoked"),
            Self::Certificate(what) => write!(f, "the host's certificate cannot be used ({what})"),
            Self::NotTls => f.write_str("what answers at the host's address does not speak TLS"),
            Self::Handshake(what) => write!(f, "the connection to the host could not be encrypted ({what})"),
        }
    }
}

/// What is wrong with a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProxyFault {
    /// No address was found for its name.
    NoAddress,
    /// Nothing listens at its address.
    ConnectionRefused,
    /// There is no connection to it, or it broke.
    Unreachable,
    /// It does not answer.
    Timeout,
    /// It asks for other credentials.
    Denied,
    /// It does not connect to the host.
    HttpStatus(u16),
    /// What answers is not a proxy.
    NotAProxy,
    /// The connection to it could not be encrypted.
    Tls,
    /// It is of a kind that is not supported, such as SOCKS.
    NotSupported,
}

impl ProxyFault {
    /// Returns whether it may pass without anybody's doing.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::NoAddress | Self::ConnectionRefused | Self::Unreachable | Self::Timeout => true,
            Self::HttpStatus(status) => is_temporary_http(status),
            Self::Denied | Self::NotAProxy | Self::Tls | Self::NotSupported => false,
        }
    }
}

/// Returns whether a server says with an HTTP status that the same request may succeed later.
pub(super) const fn is_temporary_http(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 507 | 520..=527)
}

/// What follows the name of the proxy in a sentence.
impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("cannot be found: its name has no address"),
            Self::ConnectionRefused => f.write_str("refuses connections"),
            Self::Unreachable => f.write_str("cannot be reached"),
            Self::Timeout => f.write_str("does not answer"),
            Self::Denied => f.write_str("asks for a name and a password (HTTP status 407)"),
            Self::HttpStatus(status) => write!(f, "does not connect to the host (HTTP status {status})"),
            Self::NotAProxy => f.write_str("does not answer as a proxy does"),
            Self::Tls => f.write_str("does not encrypt the connection as it should"),
            Self::NotSupported => f.write_str("is of a kind that is not supported"),
        }
    }
}
