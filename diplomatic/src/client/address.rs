//! Host addresses.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::HeaderValue;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::standard::calls::{AuthToken, Call};

/// A host's `http` or `https` address. It may have a path, to which the paths of the calls are appended.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without the credentials.
    url: Url,
    /// The name and password before the `@`, as they are sent to the host.
    credentials: Option<HeaderValue>,
}

/// Text that is not a host's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is not a host's address: write it as http://localhost:31337 or https://host.example.org")]
pub struct AddressError {
    /// The text, without credentials.
    pub address: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut url = url.ok_or_else(|| AddressError { address: without_credentials(text) })?;
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        let credentials = basic(&url);
        // An address with a host can have these set.
        let _ = (url.set_username(""), url.set_password(None));
        Ok(Self { url, credentials })
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    #[cfg(not(target_family = "wasm"))]
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the name and password, as a header's value.
    pub(super) fn credentials(&self) -> Option<HeaderValue> {
        self.credentials.clone()
    }

    /// Returns the URL of a call.
    pub(super) fn call(&self, call: Call) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", self.url.path().trim_end_matches('/'), call.path()));
        url
    }

    /// Returns the `http` or `https` URL of the live channel. It ends with a slash before the query, as below a proxy's
    /// prefix anything else would be redirected.
    pub(super) fn live(&self, token: &AuthToken) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/", self.url.path().trim_end_matches('/')));
        url.set_query(Some(&format!("t={token}")));
        url
    }
}

/// Returns the credentials of a URL in the form that servers ask for (RFC 7617).
fn basic(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns text with what looks like credentials left out.
pub(crate) fn without_credentials(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may hold what should have been escaped.
    let end = rest.rfind('@').map_or(end, |at| end.max(at + 1));
    let place = rest[..end].rfind('@').map_or(0, |at| at + 1);
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{}", &rest[place..])
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

crate::standard::never_retryable::never_retryable!(AddressError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_stand_below_the_address() {
        for (address, push) in [
            ("http://localhost:31337", "http://localhost:31337/push"),
            ("https://example.org/dip/", "https://example.org/dip/push"),
            ("https://example.org/dip?x#y", "https://example.org/dip/push"),
        ] {
            assert_eq!(Address::parse(address).unwrap().call(Call::Push).as_str(), push);
        }
    }

    #[test]
    fn live_channel_asks_below_the_prefix() {
        let token = AuthToken::parse(&"00".repeat(97)).unwrap();
        for (address, live) in [
            ("http://localhost:31337", "http://localhost:31337/?t="),
            ("https://example.org/dip/", "https://example.org/dip/?t="),
            ("https://example.org/dip", "https://example.org/dip/?t="),
        ] {
            assert!(Address::parse(address).unwrap().live(&token).as_str().starts_with(live));
        }
    }

    #[test]
    fn credentials_are_sent_and_never_shown() {
        let address = Address::parse("https://me:s%20ecret@example.org/dip").unwrap();
        assert_eq!(address.credentials().unwrap(), "Basic bWU6cyBlY3JldA==");
        assert_eq!(address.to_string(), "https://example.org/dip");
        assert!(!format!("{address:?} {:?}", address.call(Call::Push)).contains("ecret"));
        assert_eq!(Address::parse("https://example.org").unwrap().credentials(), None);
        for text in ["ftp://me:secret@example.org", "me:secret@h", "http://me:secret@", "x://a:secr/et@h/x@y"] {
            let error = Address::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secr"), "{error}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["localhost:31337", "ftp://example.org", "", "http://", "31337"] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.to_string().contains("http://localhost:31337"), "{error}");
        }
    }
}
