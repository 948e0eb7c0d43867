//! Whom a server serves, and how much: what the operator decides.

use diplomatic::standard::PublicKey;

use crate::{Admission, Disk, Proxies, Quotas, Rates};

/// Whom a server serves, and how much. By default everyone, and as much as they like.
///
/// ```
/// use diplomatic_host::{Admission, Policy, Quotas};
///
/// let mut policy = Policy::default();
/// policy.admission = Admission::Closed;
/// policy.quotas = Quotas::new(5 << 30, 0);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    /// Who gets an account.
    pub admission: Admission,
    /// Keys that get an account in any case.
    pub allowed: Vec<PublicKey>,
    /// How much one account may store and send.
    pub quotas: Quotas,
    /// How many requests one client may make.
    pub rates: Rates,
    /// Whose word about addresses is taken.
    pub proxies: Proxies,
    /// The disk that must not fill up.
    pub disk: Option<Disk>,
}
