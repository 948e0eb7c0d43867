//! How to get a certificate.

use std::path::PathBuf;

use clap::Args;

/// Whether the program can get certificates: without the feature, these options are known but hidden, to say so.
const HIDE: bool = cfg!(not(feature = "acme"));

/// How to get a certificate from an authority that speaks ACME.
#[derive(Debug, Args)]
#[group(id = "acme_options", multiple = true)]
pub(crate) struct Acme {
    /// Serves HTTPS with a certificate for this name, got from Let's Encrypt and renewed in time; several separated by
    /// commas. Using it accepts their terms. They look for the host at port 443 of the name.
    #[arg(long, value_name = "NAME", env = "DIPLOMATIC_HOST_ACME_DOMAIN", value_delimiter = ',', hide = HIDE)]
    #[arg(requires = "acme_cache", conflicts_with_all = ["tls_certificate", "tls_key"])]
    pub(crate) acme_domain: Vec<String>,

    /// The folder that keeps the certificate and its key; it is made where there is none, for its user alone.
    #[arg(long, value_name = "FOLDER", env = "DIPLOMATIC_HOST_ACME_CACHE", requires = "acme_domain", hide = HIDE)]
    pub(crate) acme_cache: Option<PathBuf>,

    /// A mail address at which the authority may reach you; several separated by commas.
    #[arg(long, value_name = "ADDRESS", env = "DIPLOMATIC_HOST_ACME_CONTACT", value_delimiter = ',', hide = HIDE)]
    #[arg(requires = "acme_domain")]
    pub(crate) acme_contact: Vec<String>,

    /// The address of another authority's directory.
    #[arg(long, value_name = "URL", env = "DIPLOMATIC_HOST_ACME_DIRECTORY", requires = "acme_domain", hide = HIDE)]
    pub(crate) acme_directory: Option<String>,

    /// Takes certificates of Let's Encrypt that nobody trusts, to try things out.
    #[arg(long, requires = "acme_domain", conflicts_with = "acme_directory", hide = HIDE)]
    pub(crate) acme_staging: bool,

    /// The certificates in PEM of those who may vouch for the authority's server. Without it, whom the system trusts.
    #[arg(long, value_name = "PATH", env = "DIPLOMATIC_HOST_ACME_AUTHORITIES", requires = "acme_domain", hide = HIDE)]
    pub(crate) acme_authorities: Option<PathBuf>,
}

impl Acme {
    /// Returns how to get a certificate, if it was asked for.
    #[cfg(feature = "acme")]
    pub(crate) fn options(&self) -> Option<diplomatic_host::AcmeOptions> {
        use diplomatic_host::AcmeOptions;

        let cache = self.acme_cache.as_ref().filter(|_| self.is_wanted())?;
        let mut options = AcmeOptions::new(&self.acme_domain, cache);
        options.contacts.clone_from(&self.acme_contact);
        options.authorities.clone_from(&self.acme_authorities);
        if self.acme_staging {
            AcmeOptions::LETS_ENCRYPT_STAGING.clone_into(&mut options.directory);
        }
        if let Some(directory) = &self.acme_directory {
            options.directory.clone_from(directory);
        }
        Some(options)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.acme_domain.is_empty()
    }
}
