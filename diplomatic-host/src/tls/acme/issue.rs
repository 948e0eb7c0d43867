//! An order: the authority asks for proofs, looks at them, and signs.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use serde_json::{Value, json};

use super::AcmeError;
use super::cache::Cache;
use super::certificate::CertificateError;
use super::held::{Held, Proofs};
use super::transport::Https;

/// How the state of an order is asked for, again and again.
const ASKING: RetryPolicy = RetryPolicy::new().initial_delay(Duration::from_secs(1)).timeout(Duration::from_secs(120));
/// What an authority says that has forgotten its accounts.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// An authority, and what it is to certify.
#[derive(Debug)]
pub(super) struct Authority {
    domains: Vec<String>,
    contacts: Vec<String>,
    directory: String,
    client: Https,
}

/// Why there is no new certificate. Another try may have more luck.
#[derive(Debug, thiserror::Error)]
pub(super) enum IssueError {
    #[error("the authority refused or could not be asked: {0}")]
    Authority(#[from] Error),
    #[error("the authority did not find this host at {domain}, port 443: {said}")]
    NotProven { domain: String, said: String },
    #[error("the authority does not check {domain} by TLS-ALPN-01, which is all that this host can do")]
    NoSuchCheck { domain: String },
    #[error("the authority did not finish in time")]
    TooSlow,
    #[error(transparent)]
    Cache(#[from] AcmeError),
    #[error("a key or a proof could not be made ({0})")]
    Keys(#[from] rcgen::Error),
    #[error("a key or a proof could not be used ({0})")]
    Tls(#[from] rustls::Error),
    #[error("what the authority sent cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    #[error("the account cannot be kept ({0})")]
    Account(#[from] serde_json::Error),
}

impl IssueError {
    /// Tells whether another account may help.
    fn is_of_the_account(&self) -> bool {
        match self {
            Self::Account(_) | Self::Authority(Error::KeyRejected) => true,
            Self::Authority(Error::Api(Problem { r#type, .. })) => r#type.as_deref() == Some(NO_ACCOUNT),
            _ => false,
        }
    }
}

impl Authority {
    pub(super) fn new(
        domains: Vec<String>,
        contacts: Vec<String>,
        directory: String,
        trust: Arc<ClientConfig>,
    ) -> Self {
        Self { domains, contacts, directory, client: Https(trust) }
    }

    pub(super) fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Returns a new private key and its certificates, in PEM.
    pub(super) async fn issue(&self, cache: &Cache, held: &Held) -> Result<String, IssueError> {
        if let Some(kept) = cache.account()? {
            match self.issue_to(self.open_account(kept, cache).await, held).await {
                Err(error) if error.is_of_the_account() => {
                    tracing::warn!(%error, "the kept account cannot be used any more: making a new one");
                }
                issued => return issued,
            }
        }
        self.issue_to(self.make_account(cache).await, held).await
    }

    async fn issue_to(&self, account: Result<Account, IssueError>, held: &Held) -> Result<String, IssueError> {
        let account = account?;
        let domains: Vec<_> = self.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&domains)).await?;
        let proofs = held.start_proofs();
        prove(&mut order, &proofs).await?;
        match order.poll_ready(&ASKING).await {
            Ok(OrderStatus::Ready) => {}
            outcome => return Err(why_not(&mut order).await.unwrap_or_else(|| not_ready(outcome))),
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&ASKING).await?;
        Ok(key + &chain)
    }

    /// Takes up an account that was made before.
    async fn open_account(&self, mut kept: Value, cache: &Cache) -> Result<Account, IssueError> {
        let credentials: AccountCredentials = serde_json::from_value(kept["account"].take())?;
        let contacts = json!(self.contacts);
        if kept["contacts"] == contacts {
            return Ok(Account::builder_with_http(Box::new(self.client.clone())).from_credentials(credentials).await?);
        }
        let account = serde_json::to_value(&credentials)?;
        let opened = Account::builder_with_http(Box::new(self.client.clone())).from_credentials(credentials).await?;
        opened.update_contacts(&self.contacts()).await?;
        cache.keep_account(&json!({ "account": account, "contacts": contacts }))?;
        Ok(opened)
    }

    async fn make_account(&self, cache: &Cache) -> Result<Account, IssueError> {
        let new = NewAccount { contact: &self.contacts(), terms_of_service_agreed: true, only_return_existing: false };
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        let (account, credentials) = builder.create(&new, self.directory.clone(), None).await?;
        cache.keep_account(&json!({ "account": credentials, "contacts": self.contacts }))?;
        Ok(account)
    }

    fn contacts(&self) -> Vec<&str> {
        self.contacts.iter().map(String::as_str).collect()
    }
}

/// Shows the authority what it asks for, and tells it that it may look.
async fn prove(order: &mut Order, proofs: &Proofs<'_>) -> Result<(), IssueError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        // It may remember a proof for a while. Anything else shows in the order.
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let domain = authorization.identifier().to_string();
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge = challenge.ok_or_else(|| IssueError::NoSuchCheck { domain: domain.clone() })?;
        let proof = proof(&domain, challenge.key_authorization().digest().as_ref())?;
        proofs.show(domain, proof);
        challenge.set_ready().await?;
    }
    Ok(())
}

/// Makes the certificate that says to an authority: this is who you think it is.
fn proof(domain: &str, digest: &[u8]) -> Result<CertifiedKey, IssueError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?.der().clone();
    // Its extension is critical, and none that rustls knows: it would not find that the key belongs to it.
    Ok(CertifiedKey::new(vec![certificate], ring::sign::any_supported_type(&PrivateKeyDer::from(key))?))
}

/// Asks for what the authority met when it looked.
async fn why_not(order: &mut Order) -> Option<IssueError> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let state = authorization.refresh().await.ok()?;
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            let domain = state.identifier().to_string();
            return Some(IssueError::NotProven { domain, said: problem.to_string() });
        }
    }
    None
}

fn not_ready(outcome: Result<OrderStatus, Error>) -> IssueError {
    match outcome {
        Err(Error::Timeout(_)) => IssueError::TooSlow,
        Err(error) => error.into(),
        Ok(_) => Error::Str("the order is invalid").into(),
    }
}
