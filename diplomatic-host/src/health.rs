//! Whether the host takes requests, as an orchestrator asks.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::{BagStore, Host, Readiness};

/// How far a host is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Stage {
    /// The data is being opened, or the first certificate is on its way.
    #[default]
    Starting,
    /// Requests are answered.
    Ready,
    /// The data cannot be read or written at the moment, or the certificate has expired.
    Failing,
    /// No new connections are taken; what was accepted is finished.
    Stopping,
}

/// The stage that a host is in. Clones share it: [`Server::serve`](crate::Server::serve) moves it on, and `/readyz`
/// tells it.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stage: watch::Sender<Stage>,
    /// What is served.
    host: OnceLock<Arc<Host<dyn BagStore>>>,
    certificate: OnceLock<Certificate>,
}

/// Tells what the certificate allows: nothing yet, everything, or nothing any more.
struct Certificate(Box<dyn Fn() -> Stage + Send + Sync>);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&(self.0)()).finish()
    }
}

impl Health {
    /// Makes the health of a host that starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the stage.
    pub fn stage(&self) -> Stage {
        match (*self.0.stage.borrow(), self.0.host.get().map(|host| host.store().readiness())) {
            (Stage::Ready, Some(Readiness::Starting)) => Stage::Starting,
            (Stage::Ready, Some(Readiness::Failing)) => Stage::Failing,
            (Stage::Ready, _) => self.0.certificate.get().map_or(Stage::Ready, |certificate| (certificate.0)()),
            (stage, _) => stage,
        }
    }

    /// From now on the state of the host's store counts, too.
    pub(crate) fn watch(&self, host: Arc<Host<dyn BagStore>>) {
        let _ = self.0.host.set(host);
    }

    /// From now on the state of the certificate counts, too.
    pub(crate) fn watch_certificate(&self, stage: impl Fn() -> Stage + Send + Sync + 'static) {
        let _ = self.0.certificate.set(Certificate(Box::new(stage)));
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.0.stage.send_replace(stage);
    }
}

impl Stage {
    /// Returns its name, as `/readyz` says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Failing => "failing",
            Self::Stopping => "stopping",
        }
    }
}
