//! The page's server, which listens on this machine only and requires the page's address.

mod address;
mod guard;
mod live;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use todo::device::Device;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub(crate) use self::address::{Address, Token};
use self::guard::Guard;
use crate::{page, tell};

/// A page's server that is already listening.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    pub(crate) address: Address,
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
#[error("port {port} of 127.0.0.1 cannot be used: choose another with --port")]
pub(crate) struct ListenError {
    port: u16,
    source: io::Error,
}

impl Server {
    /// Listens on the wanted port, or on any free port if it is taken or none is given.
    pub(crate) async fn listen(wanted: Option<u16>, token: Token) -> Result<Self, ListenError> {
        let listen = async |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let port = wanted.unwrap_or(0);
        let listener = match listen(port).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tell(&format!("Port {port} is taken, so this time the page has another address."));
                listen(0).await
            }
            outcome => outcome,
        };
        let listener = listener.map_err(|source| ListenError { port, source })?;
        let port = listener.local_addr().map_err(|source| ListenError { port, source })?.port();
        Ok(Self { listener, address: Address { port, token } })
    }

    /// Serves the page of these devices until the program is asked to end, then closes them.
    pub(crate) async fn serve(self, devices: Vec<Device>, end: impl Future<Output = ()>) {
        let (closing, is_closing) = watch::channel(false);
        let (in_use, mut all_free) = mpsc::channel(1);
        let devices: Vec<Arc<Device>> = devices.into_iter().map(Arc::new).collect();
        let app = App { devices: devices.clone().into(), is_closing: is_closing.clone(), in_use };
        let serving = axum::serve(self.listener, router(app, Guard::new(&self.address)))
            .with_graceful_shutdown(closed(is_closing))
            .into_future();
        let serving = tokio::spawn(serving);

        end.await;
        closing.send_replace(true);
        let finished = async {
            let _ = serving.await;
            // Every live channel holds a sender, but none ever sends.
            let _ = all_free.recv().await;
        };
        // Do not wait for a request that never ends: everything acknowledged is already on disk.
        let _ = timeout(GRACE, finished).await;
        for device in devices.into_iter().filter_map(Arc::into_inner) {
            device.client.close().await;
        }
    }
}

/// How long requests may take to finish when the program ends.
const GRACE: Duration = Duration::from_secs(2);

/// Waits until the program ends.
async fn closed(mut is_closing: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the program.
    let _ = is_closing.wait_for(|is_closing| *is_closing).await;
}

/// The state shared by the routes.
#[derive(Debug, Clone)]
struct App {
    devices: Arc<[Arc<Device>]>,
    is_closing: watch::Receiver<bool>,
    /// Held by everything that uses a device.
    in_use: mpsc::Sender<()>,
}

fn router(app: App, guard: Guard) -> Router {
    Router::new()
        .route("/{token}", get(async |Path(token): Path<String>| Redirect::temporary(&format!("/{token}/"))))
        .route("/{token}/", get(index))
        .route("/{token}/{file}", get(async |Path((_, file)): Path<(String, String)>| page::file(&file)))
        .route("/{token}/live/{device}", get(live))
        .fallback(guard::nothing_here)
        .with_state(app)
        .layer(from_fn_with_state(Arc::new(guard), guard::check))
}

async fn index(State(app): State<App>) -> Response {
    page::index(app.devices.iter().map(|device| &**device))
}

async fn live(
    Path((_, name)): Path<(String, String)>,
    State(App { devices, is_closing, in_use }): State<App>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(device) = devices.iter().find(|device| device.name == name).cloned() else {
        return (StatusCode::NOT_FOUND, "there is no such device").into_response();
    };
    upgrade.max_message_size(live::MAX_REQUEST).on_upgrade(async move |socket| {
        live::talk(socket, &device, closed(is_closing)).await;
        drop((device, in_use));
    })
}
