//! The way to a host over the system's sockets: hyper, rustls and tokio-tungstenite, or the app's own client.

mod certificate;
mod config;
mod dial;
mod http;
mod live;
mod own;
mod proxy;
mod race;
mod tls;
mod upload;

use std::sync::Arc;
use std::time::Duration;

pub(in crate::client) use config::{NetworkConfig, NetworkSettings, ProxyChoice};
use dial::Dialer;
use http::HyperClient;
use hyper::header::HeaderMap;
pub use own::{HttpClient, HttpRequest, HttpResponse};
pub(in crate::client) use rustls::ClientConfig as TlsConfig;
pub use tls::TlsError;
use tokio::sync::mpsc;

use crate::client::address::Address;
use crate::client::network::HttpEvent;
use crate::client::network::sent::Sent;
use crate::client::wall_clock::WallClock;
use crate::standard::calls::{AuthToken, Call};
use crate::sync::{LiveEvent, Transport};

/// What this transport can do.
pub(in crate::client) const TRANSPORT: Transport = Transport::FULL;

/// The way to one host. Clones share their connections.
#[derive(Clone)]
pub(in crate::client) struct Network {
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
    pub(in crate::client) fn new(
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
    pub(in crate::client) fn renew(&mut self) {
        if let Way::Hyper(http) = &mut self.way {
            **http = HyperClient::new(http.dialer().clone(), &self.address, self.headers.clone());
        }
    }

    /// Sends a request and forwards its events until `events` is closed.
    pub(in crate::client) async fn call(
        self,
        call: Call,
        body: Vec<u8>,
        sent: Arc<Sent>,
        events: mpsc::Sender<HttpEvent>,
    ) {
        let outcome = match &self.way {
            Way::Hyper(http) => http.post(&self.address, call, body, sent, &events).await,
            Way::Own(client) => own::post(&**client, &self.address, &self.headers, call, body, sent, &events).await,
        };
        HttpEvent::report_end(outcome, &events).await;
    }

    /// Opens a live channel and forwards its events until `events` is closed. Sends a ping for each item of `pings`.
    pub(in crate::client) async fn live(
        self,
        token: AuthToken,
        events: mpsc::Sender<LiveEvent>,
        pings: mpsc::Receiver<()>,
    ) {
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
