//! The way to a host from a browser's worker: `fetch` and `WebSocket`.

mod fetch;
mod live;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use tokio::sync::mpsc;

use crate::client::address::Address;
use crate::client::network::HttpEvent;
use crate::client::network::sent::Sent;
use crate::client::network::settings::{self, NetworkConfigError};
use crate::client::wall_clock::WallClock;
use crate::standard::calls::{AuthToken, Call};
use crate::sync::{LiveEvent, Transport};

/// What this transport can do.
pub(in crate::client) const TRANSPORT: Transport = Transport::BROWSER;

/// How an app wants its hosts to be reached, unchecked.
#[derive(Clone, Default)]
pub(in crate::client) struct NetworkConfig {
    pub(in crate::client) headers: BTreeMap<String, String>,
}

/// The checked settings.
#[derive(Clone)]
pub(in crate::client) struct NetworkSettings {
    headers: HeaderMap,
}

impl NetworkConfig {
    /// Checks the settings.
    pub(in crate::client) fn check(self) -> Result<NetworkSettings, NetworkConfigError> {
        Ok(NetworkSettings { headers: settings::headers(self.headers)? })
    }
}

/// Headers are named without their values, which may be secrets.
impl fmt::Debug for NetworkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("NetworkConfig").field("headers", &names).finish()
    }
}

/// The way to one host. The browser keeps its connections.
#[derive(Clone)]
pub(in crate::client) struct Network {
    address: Address,
    headers: HeaderMap,
}

impl Network {
    /// Prepares the way to a host, without connecting.
    #[expect(clippy::unnecessary_wraps, reason = "other platforms may fail here")]
    pub(in crate::client) fn new(
        address: Address,
        settings: &NetworkSettings,
        _: WallClock,
        _: Duration,
    ) -> Result<Self, NetworkConfigError> {
        Ok(Self { address, headers: settings.headers.clone() })
    }

    /// Does nothing: the browser drops dead connections itself.
    #[expect(clippy::unused_self, clippy::needless_pass_by_ref_mut, reason = "other platforms keep connections")]
    pub(in crate::client) const fn renew(&mut self) {}

    /// Sends a request and forwards its events until `events` is closed.
    pub(in crate::client) async fn call(
        self,
        call: Call,
        body: Vec<u8>,
        _: Arc<Sent>,
        events: mpsc::Sender<HttpEvent>,
    ) {
        let outcome = fetch::post(&self.address, &self.headers, call, &body, &events).await;
        HttpEvent::report_end(outcome, &events).await;
    }

    /// Opens a live channel and forwards its events until `events` is closed. A browser sends no pings.
    ///
    /// A browser's sockets cannot send headers. A host that asks for credentials or other headers is polled.
    pub(in crate::client) async fn live(
        self,
        token: AuthToken,
        events: mpsc::Sender<LiveEvent>,
        pings: mpsc::Receiver<()>,
    ) {
        if self.headers.is_empty() && self.address.credentials().is_none() {
            live::run(&self.address, &token, events, pings).await;
        } else {
            let _ = events.send(LiveEvent::NotSupported).await;
        }
    }
}
