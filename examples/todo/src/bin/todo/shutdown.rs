//! The regular end: Ctrl-C or a signal from the system.

use std::io;

/// Notices, once created, when the program is asked to end.
#[derive(Debug)]
pub(crate) struct Shutdown {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
}

#[cfg(unix)]
impl Shutdown {
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self { signals: [interrupt?, terminate?, hangup?] })
    }

    pub(crate) async fn requested(self) {
        let [mut interrupt, mut terminate, mut hangup] = self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Shutdown {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    pub(crate) async fn requested(self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // Then there is no Ctrl-C to wait for.
            std::future::pending::<()>().await;
        }
    }
}
