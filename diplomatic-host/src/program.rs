//! Serves as the command line says, until the process is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process;
use std::sync::Arc;
use std::thread;

#[cfg(unix)]
use diplomatic_host::Admin;
use diplomatic_host::{
    BagStore, Health, Host, LateStore, Metrics, OpenStoreError, RedbOptions, RedbStore, Server, Tls, TlsError,
    serve_monitor,
};
use tokio::net::TcpListener;
use tokio::signal;
use tokio::sync::oneshot;

use crate::command::{Data, Serve};
use crate::listen::listen;

/// Why the host does not start. Each message says it whole, for it is all that is printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[cfg(feature = "acme")]
    #[error(transparent)]
    Acme(#[from] diplomatic_host::AcmeError),
    #[cfg(not(feature = "acme"))]
    #[error("this program was built without the feature acme: build it with that, or give it certificate files")]
    NoAcme,
    #[cfg(unix)]
    #[error(transparent)]
    Admin(#[from] diplomatic_host::BindError),
    #[error("cannot listen on {address} ({source}): choose another address with {option}")]
    Listen { address: SocketAddr, option: &'static str, source: io::Error },
    #[error("the program could not be set up ({0})")]
    System(#[from] io::Error),
}

/// Listens first and opens the data then: whoever connects meanwhile waits, and `/readyz` says that the host starts.
pub(crate) async fn serve(serve: &Serve) -> Result<(), StartError> {
    raise_file_limit();
    let tls = tls(serve)?;
    let address = serve.address();
    let listener = listen(address).await;
    let listener = listener.map_err(|source| StartError::Listen { address, option: "--listen", source })?;
    let (health, metrics) = (Health::new(), Metrics::new());
    if let Some(address) = serve.metrics {
        let monitor = TcpListener::bind(address).await;
        let monitor = monitor.map_err(|source| StartError::Listen { address, option: "--metrics", source })?;
        eprintln!("diplomatic-host monitored on http://{}", monitor.local_addr()?);
        tokio::spawn(serve_monitor(monitor, health.clone(), metrics.clone()));
    }
    let stop = stop_signal()?;
    let address = listener.local_addr()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    // Clients are told to wait while a large file is opened.
    let store = LateStore::default();
    let mut server = Server::new(Host::new(store.clone()))
        .with_limits(serve.limits())
        .with_policy(serve.policy(address))
        .with_health(health)
        .with_metrics(metrics);
    if let Some(tls) = tls {
        server = server.with_tls(tls);
    }
    #[cfg(unix)]
    let commander = server.admin();
    #[cfg(not(unix))]
    let commander = ();
    let mut serving = pin!(server.serve(listener, stop));
    let opened = tokio::select! {
        () = &mut serving => return Ok(()),
        opened = open(serve) => opened?,
    };
    store.set(opened);
    let commands = take_commands(serve, commander)?;
    writeln!(io::stdout(), "diplomatic-host listening on {scheme}://{address}")?;
    serving.await;
    drop(commands);
    Ok(())
}

/// Returns where the certificate comes from, if there is to be one.
fn tls(serve: &Serve) -> Result<Option<Tls>, StartError> {
    #[cfg(feature = "acme")]
    if let Some(options) = serve.acme.options() {
        return Ok(Some(Tls::acme(options)?));
    }
    #[cfg(not(feature = "acme"))]
    if serve.acme.is_wanted() {
        return Err(StartError::NoAcme);
    }
    Ok(match (&serve.tls_certificate, &serve.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::open(certificate, key)?),
        _ => None,
    })
}

async fn open(serve: &Serve) -> Result<Arc<dyn BagStore>, StartError> {
    match &serve.data {
        Data::File(path) => {
            let opened = open_file(path.clone(), serve.store_options()).await?;
            tokio::spawn(abort_after(opened.died()));
            Ok(Arc::new(opened))
        }
        #[cfg(feature = "postgres")]
        Data::Postgres(url) => {
            let store = diplomatic_host::PostgresStore::connect(url, serve.postgres_options()).await?;
            Ok(Arc::new(store))
        }
    }
}

/// Opens the store on a thread of its own, which does not keep the process when it is told to stop.
async fn open_file(data: PathBuf, options: RedbOptions) -> Result<RedbStore, StartError> {
    let (done, opened) = oneshot::channel();
    thread::Builder::new().name("opener".to_owned()).spawn(move || {
        let _ = done.send(RedbStore::open_with(data, options));
    })?;
    match opened.await {
        Ok(opened) => Ok(opened?),
        // The thread has panicked, and said so.
        Err(_) => process::abort(),
    }
}

/// Aborts once a thread of the store has panicked: whoever supervises the process starts it again, with a store that
/// works.
async fn abort_after(died: impl Future<Output = ()>) {
    died.await;
    eprintln!("diplomatic-host: the store is out of order: see the log, and check the data file");
    process::abort();
}

/// Lets the process have as many open files, and so connections, as the system allows.
#[cfg(unix)]
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "could not raise the limit on open files");
    }
}

#[cfg(not(unix))]
fn raise_file_limit() {}

/// Takes the operator's commands until what this returns is dropped.
#[cfg(unix)]
fn take_commands(serve: &Serve, admin: Admin) -> Result<tokio::task::JoinSet<()>, StartError> {
    let socket = diplomatic_host::AdminSocket::bind(serve.admin())?;
    let mut commands = tokio::task::JoinSet::new();
    commands.spawn(admin.serve(socket));
    Ok(commands)
}

/// Takes no commands: there is no socket for them.
#[cfg(not(unix))]
fn take_commands(_: &Serve, (): ()) -> Result<(), StartError> {
    Ok(())
}

/// Returns what is ready when the process is asked to stop. The handlers are in place when this returns.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns what is ready when the process is asked to stop.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async { drop(signal::ctrl_c().await) })
}
