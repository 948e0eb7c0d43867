//! Settings that cannot be used, and the headers that an app adds.

use std::collections::BTreeMap;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// A setting of the network that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkConfigError {
    /// The name of a header is not one.
    #[error("{name:?} is not a header's name: use letters, digits and hyphens")]
    HeaderName {
        /// The name.
        name: String,
    },
    /// The value of a header has characters that cannot be sent.
    #[error(
        "the value of the header {name} cannot be sent: use visible ASCII characters and spaces, and no line breaks"
    )]
    HeaderValue {
        /// The header's name. The value may be a secret, and is not told.
        name: String,
    },
    /// The header belongs to the connection or the protocol.
    #[error("the header {name} is set by the connection itself: leave it out")]
    ReservedHeader {
        /// The header's name.
        name: String,
    },
    /// The address of a proxy is invalid.
    #[error("{address:?} is not a proxy's address: write it as http://proxy.example.org:3128, or https://")]
    Proxy {
        /// The address, without credentials.
        address: String,
    },
    /// Root certificates are not in the PEM format.
    #[error(
        "the root certificates cannot be read: give them as PEM, in which each begins with -----BEGIN CERTIFICATE-----"
    )]
    Certificates,
    /// There are both a TLS configuration and root certificates.
    #[error(
        "a TLS configuration brings its own roots: add the root certificates there, or leave the configuration out"
    )]
    TwoTrusts,
}

/// Headers that belong to the connection or to the protocol.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks the headers that an app adds.
pub(super) fn headers(headers: BTreeMap<String, String>) -> Result<HeaderMap, NetworkConfigError> {
    headers.into_iter().map(|(name, value)| header(name, &value)).collect()
}

fn header(name: String, value: &str) -> Result<(HeaderName, HeaderValue), NetworkConfigError> {
    let Ok(checked) = name.parse::<HeaderName>() else { return Err(NetworkConfigError::HeaderName { name }) };
    if RESERVED.contains(&checked.as_str()) || checked.as_str().starts_with("sec-websocket-") {
        return Err(NetworkConfigError::ReservedHeader { name });
    }
    let Ok(mut value) = HeaderValue::from_str(value) else { return Err(NetworkConfigError::HeaderValue { name }) };
    value.set_sensitive(true);
    Ok((checked, value))
}

crate::standard::never_retryable::never_retryable!(NetworkConfigError);
