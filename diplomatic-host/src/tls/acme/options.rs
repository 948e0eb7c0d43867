//! How certificates are to be got, as the operator says it.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::trust::{TrustError, trusting};

/// How to get certificates from an authority by ACME.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AcmeOptions {
    /// The names that clients know the host by. All of them are in one certificate.
    pub domains: Vec<String>,
    /// Where the authority reaches the operator: mail addresses.
    pub contacts: Vec<String>,
    /// A folder for the certificate, its key, and the key of the account with the authority.
    pub cache: PathBuf,
    /// The address of the authority's directory; [`LETS_ENCRYPT`](Self::LETS_ENCRYPT) by default.
    pub directory: String,
    /// A file with the certificates in PEM of those who may vouch for the authority's server; without it, whom the system
    /// trusts.
    pub authorities: Option<PathBuf>,
}

/// Why certificates cannot be got in this way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// There is no name to be certified.
    #[error("a certificate needs a name: give one, such as host.example.org")]
    NoDomain,
    /// What should be certified is no name that can be.
    #[error("{domain:?} cannot be certified: {remedy}")]
    Domain {
        /// What was given.
        domain: String,
        /// What to give instead.
        remedy: &'static str,
    },
    /// A contact is no mail address.
    #[error("{contact:?} is no mail address: give one, such as operator@example.org")]
    Contact {
        /// What was given.
        contact: String,
    },
    /// The address of the directory is none.
    #[error("{directory:?} is no address of an ACME directory: give one that begins with https://")]
    Directory {
        /// What was given.
        directory: String,
    },
    /// The folder for certificates cannot be used.
    #[error("{} cannot keep certificates ({source}): give another folder, or mend this one", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may put a key of theirs into the folder for certificates.
    #[error("others may write to {}: run chmod 700 on it", path.display())]
    Shared {
        /// The folder.
        path: PathBuf,
    },
    /// Nobody is known who vouches for the authority's server.
    #[error("the authority cannot be trusted: {said}")]
    Trust {
        /// What is wrong.
        said: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up ({0})")]
    Tls(rustls::Error),
}

impl AcmeOptions {
    /// The directory of Let's Encrypt.
    pub const LETS_ENCRYPT: &str = instant_acme::LetsEncrypt::Production.url();
    /// The directory of Let's Encrypt for trying things out: its certificates are trusted by nobody.
    pub const LETS_ENCRYPT_STAGING: &str = instant_acme::LetsEncrypt::Staging.url();

    /// Gets a certificate for these names from Let's Encrypt, and keeps it in a folder. That is to accept their terms.
    pub fn new(domains: impl IntoIterator<Item = impl Into<String>>, cache: impl Into<PathBuf>) -> Self {
        Self {
            domains: domains.into_iter().map(Into::into).collect(),
            contacts: Vec::new(),
            cache: cache.into(),
            directory: Self::LETS_ENCRYPT.to_owned(),
            authorities: None,
        }
    }

    pub(super) fn check(self) -> Result<Checked, AcmeError> {
        let Self { domains, contacts, cache, directory, authorities } = self;
        if domains.is_empty() {
            return Err(AcmeError::NoDomain);
        }
        let mut domains = domains.into_iter().map(check_domain).collect::<Result<Vec<_>, _>>()?;
        domains.sort_unstable();
        domains.dedup();
        let is_address =
            |uri: &Uri| uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty());
        if !directory.parse().is_ok_and(|uri| is_address(&uri)) {
            return Err(AcmeError::Directory { directory });
        }
        let trust = trusting(authorities.as_deref());
        Ok(Checked {
            domains,
            contacts: contacts.into_iter().map(check_contact).collect::<Result<_, _>>()?,
            directory,
            cache,
            trust: Arc::new(trust.map_err(|error: TrustError| AcmeError::Trust { said: error.to_string() })?),
        })
    }
}

/// Options that can be used.
#[derive(Debug)]
pub(super) struct Checked {
    /// In lower case, sorted, each once.
    pub(super) domains: Vec<String>,
    /// Addresses that begin with `mailto:`.
    pub(super) contacts: Vec<String>,
    pub(super) directory: String,
    pub(super) cache: PathBuf,
    pub(super) trust: Arc<ClientConfig>,
}

fn check_domain(given: String) -> Result<String, AcmeError> {
    let domain = given.trim_end_matches('.').to_ascii_lowercase();
    let remedy = if domain.contains(['/', ':']) {
        "give the name alone, without https:// or a port"
    } else if domain.parse::<IpAddr>().is_ok() {
        "give a name, not an address"
    } else if domain.contains('*') {
        "give each name by itself: whoever has all names below one has to be checked by other means"
    } else if !domain.is_ascii() {
        "give the name as it stands in DNS, in ASCII (xn--...)"
    } else if !matches!(ServerName::try_from(domain.as_str()), Ok(ServerName::DnsName(_))) {
        "give a name such as host.example.org"
    } else {
        return Ok(domain);
    };
    Err(AcmeError::Domain { domain: given, remedy })
}

fn check_contact(contact: String) -> Result<String, AcmeError> {
    let address = contact.strip_prefix("mailto:").unwrap_or(&contact);
    match address.split_once('@') {
        Some((name, domain)) if !name.is_empty() && !domain.is_empty() && !address.contains(char::is_whitespace) => {
            Ok(format!("mailto:{address}"))
        }
        _ => Err(AcmeError::Contact { contact }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_certificates_have_them_and_all_else_is_refused_with_a_remedy() {
        assert_eq!(check_domain("Host.Example.org.".to_owned()).unwrap(), "host.example.org");
        for (given, remedy) in [
            ("https://host.example.org", "without https"),
            ("host.example.org:443", "port"),
            ("::1", "port"),
            ("192.0.2.1", "not an address"),
            ("*.example.org", "each name"),
            ("höst.example.org", "xn--"),
            ("", "such as"),
            ("a..b", "such as"),
            ("with space", "such as"),
        ] {
            let error = check_domain(given.to_owned()).unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
    }

    #[test]
    fn a_contact_is_a_mail_address_with_or_without_mailto() {
        for given in ["operator@example.org", "mailto:operator@example.org"] {
            assert_eq!(check_contact(given.to_owned()).unwrap(), "mailto:operator@example.org");
        }
        for given in ["", "operator", "@", "tel:+1", "a b@example.org"] {
            assert!(check_contact(given.to_owned()).is_err(), "{given}");
        }
    }
}
