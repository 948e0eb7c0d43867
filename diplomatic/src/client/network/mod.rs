//! The way to a host: calls over HTTP, and the live channel.
//!
//! Both platforms have a `Network`, the way to one host, with the same methods, and a `NetworkConfig`, which the app's
//! settings are gathered in.

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(not(target_family = "wasm"))]
mod native;
mod refusal;
mod sent;
mod settings;

#[cfg(target_family = "wasm")]
pub(super) use browser::{Network, NetworkConfig, TRANSPORT};
#[cfg(not(target_family = "wasm"))]
pub use native::{HttpClient, HttpRequest, HttpResponse, TlsError};
#[cfg(not(target_family = "wasm"))]
pub(super) use native::{Network, NetworkConfig, NetworkSettings, ProxyChoice, TRANSPORT, TlsConfig};
pub(super) use sent::Sent;
pub use settings::NetworkConfigError;

use tokio::sync::mpsc;

use crate::sync::Failure;

/// The largest accepted frame of a live channel, far beyond what the PUSH of any client causes. A larger one closes the
/// channel, and PEEK lists the heads.
const LARGEST_FRAME: usize = 16 << 20;

/// An event in the life of a request.
#[derive(Debug)]
pub(super) enum HttpEvent {
    Chunk(Vec<u8>),
    End,
    Failed(Failure),
}

impl HttpEvent {
    /// Reports how a request has ended.
    async fn report_end(outcome: Result<(), Failure>, events: &mpsc::Sender<Self>) {
        let last = outcome.map_or_else(Self::Failed, |()| Self::End);
        // This fails only if nobody is waiting any more.
        let _ = events.send(last).await;
    }
}
