//! Host addresses.

use std::fmt;

use url::Url;

use crate::standard::calls::{AuthToken, Call};

/// A host's `http` or `https` address. It may have a path, to which the paths of the calls are appended.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(Url);

/// Text that is not a host's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is not a host's address: write it as http://localhost:31337 or https://host.example.org")]
pub struct AddressError {
    /// The text.
    pub address: String,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let mut url = url.ok_or_else(|| AddressError { address: text.to_owned() })?;
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the URL of a call.
    pub(crate) fn call(&self, call: Call) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{}", self.0.path().trim_end_matches('/'), call.path()));
        url
    }

    /// Returns the URL of the live channel.
    pub(crate) fn live(&self, token: &AuthToken) -> Url {
        let text = self.0.as_str().replacen("http", "ws", 1);
        let mut url = Url::parse(&text).unwrap_or_else(|_| self.0.clone());
        url.set_query(Some(&format!("t={token}")));
        url
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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
    fn what_is_no_address_is_named() {
        for text in ["localhost:31337", "ftp://example.org", "", "http://", "31337"] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.to_string().contains("http://localhost:31337"), "{error}");
        }
    }
}
