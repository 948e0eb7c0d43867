//! Whether the host takes requests, as an orchestrator asks.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::{BagStore, Host, Readiness};

/// How far a host is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Stage {
    /// The data is being opened.
    #[default]
    Starting,
    /// Requests are answered.
    Ready,
    /// The data cannot be read or written at the moment.
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
            (stage, _) => stage,
        }
    }

    /// From now on the state of the host's store counts, too.
    pub(crate) fn watch(&self, host: Arc<Host<dyn BagStore>>) {
        let _ = self.0.host.set(host);
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
