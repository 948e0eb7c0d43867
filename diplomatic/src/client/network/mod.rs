//! The way to a host: connections, calls over HTTP, and the live channel.

mod certificate;
mod config;
mod dial;
mod http;
mod live;
mod own;
mod proxy;
mod race;
mod refusal;
mod tls;
mod upload;

use std::sync::Arc;
use std::time::Duration;

pub use config::NetworkConfigError;
pub(super) use config::{NetworkConfig, NetworkSettings, ProxyChoice};
use dial::Dialer;
pub(super) use http::HttpEvent;
use http::HyperClient;
use hyper::header::HeaderMap;
pub use own::{HttpClient, HttpRequest, HttpResponse};
pub(super) use rustls::ClientConfig as TlsConfig;
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
    /// Sent with every call and with the upgrade to the live channel.
    headers: HeaderMap,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Hyper(Box<HyperClient>),
    /// The app's own client.
    Own(Arc<dyn HttpClient>),
}

impl Network {
    /// Prepares the way to a host, without connecting. `silence` is how long a host may be silent.
    pub(super) fn new(
        address: Address,
        settings: &NetworkSettings,
        clock: WallClock,
        silence: Duration,
    ) -> Result<Self, TlsError> {
        let NetworkSettings { tls, roots, headers, proxies, client } = settings.clone();
        if let Some(client) = client {
            return Ok(Self { address, headers, way: Way::Own(client) });
        }
        let tls = match tls {
            Some(tls) => tls,
            None => tls::config(address.is_https(), roots, clock)?,
        };
        let dialer = Dialer::new(tls, proxies, silence);
        let http = HyperClient::new(dialer, &address, headers.clone());
        Ok(Self { address, headers, way: Way::Hyper(Box::new(http)) })
    }

    /// Forgets all idle connections, which may be dead.
    pub(super) fn renew(&mut self) {
        if let Way::Hyper(http) = &mut self.way {
            **http = HyperClient::new(http.dialer().clone(), &self.address, self.headers.clone());
        }
    }

    /// Sends a request and forwards its events until `events` is closed.
    pub(super) async fn call(self, call: Call, body: Vec<u8>, sent: Arc<Sent>, events: mpsc::Sender<HttpEvent>) {
        let outcome = match &self.way {
            Way::Hyper(http) => http.post(&self.address, call, body, sent, &events).await,
            Way::Own(client) => own::post(&**client, &self.address, &self.headers, call, body, sent, &events).await,
        };
        let last = outcome.map_or_else(HttpEvent::Failed, |()| HttpEvent::End);
        // This fails only if nobody is waiting any more.
        let _ = events.send(last).await;
    }

    /// Opens a live channel and forwards its events until `events` is closed. Sends a ping for each item of `pings`.
    pub(super) async fn live(self, token: AuthToken, events: mpsc::Sender<LiveEvent>, pings: mpsc::Receiver<()>) {
        match &self.way {
            Way::Hyper(http) => {
                live::run(http.dialer(), &self.address, &self.headers, &token, events, pings).await;
            }
            Way::Own(_) => {
                let _ = events.send(LiveEvent::NotSupported).await;
            }
        }
    }
}
