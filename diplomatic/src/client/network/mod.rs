//! The way to a host: connections, calls over HTTP, and the live channel.

mod certificate;
mod dial;
mod http;
mod live;
mod proxy;
mod race;
mod refusal;
mod tls;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use dial::Dialer;
use http::HttpClient;
pub(super) use http::HttpEvent;
pub use tls::TlsError;
use tokio::sync::mpsc;
pub(super) use upload::Sent;

use super::address::Address;
use super::wall_clock::WallClock;
use crate::standard::calls::{AuthToken, Call};
use crate::sync::LiveEvent;

/// The way to one host. Clones share their connections.
#[derive(Clone)]
pub(super) struct Network {
    address: Address,
    dialer: Dialer,
    http: HttpClient,
}

impl Network {
    /// Prepares the way to a host, without connecting. `silence` is how long a host may be silent.
    pub(super) fn new(address: Address, clock: WallClock, silence: Duration) -> Result<Self, TlsError> {
        let dialer = Dialer::new(tls::config(address.is_https(), clock)?, silence);
        Ok(Self { http: HttpClient::new(dialer.clone(), &address), address, dialer })
    }

    /// Forgets all idle connections, which may be dead.
    pub(super) fn renew(&mut self) {
        self.http = HttpClient::new(self.dialer.clone(), &self.address);
    }

    /// Sends a request and forwards its events until `events` is closed.
    pub(super) async fn call(self, call: Call, body: Vec<u8>, sent: Arc<Sent>, events: mpsc::Sender<HttpEvent>) {
        self.http.post(&self.address, call, body, sent, &events).await;
    }

    /// Opens a live channel and forwards its events until `events` is closed. Sends a ping for each item of `pings`.
    pub(super) async fn live(self, token: AuthToken, events: mpsc::Sender<LiveEvent>, pings: mpsc::Receiver<()>) {
        live::run(&self.dialer, &self.address, &token, events, pings).await;
    }
}
