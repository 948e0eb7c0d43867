//! `diplomatic-host`: a host for DIPLOMATIC accounts.

mod command;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;

use clap::Parser;
use diplomatic_host::{Host, LateStore, OpenStoreError, RedbOptions, RedbStore, Server};
use tokio::net::TcpListener;
use tokio::signal;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::command::{Command, Line, Serve};

fn main() -> ExitCode {
    let Line { command: Command::Serve(serve) } = Line::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match run(&serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("diplomatic-host: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Why the host does not start. Each message says it whole, for it is all that is printed.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    #[error("cannot listen on {address} ({source}): choose another address with --listen")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the program could not be set up ({0})")]
    System(#[from] io::Error),
}

#[tokio::main]
async fn run(serve: &Serve) -> Result<(), StartError> {
    raise_file_limit();
    let address = serve.address();
    let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let local = listener.local_addr()?;
    let stop = stop_signal()?;
    // Clients are told to wait while a large file is opened.
    let store = LateStore::default();
    let server = Server::new(Host::new(store.clone())).with_limits(serve.limits());
    let mut serving = pin!(server.serve(listener, stop));
    let opened = tokio::select! {
        () = &mut serving => return Ok(()),
        opened = open(serve.data.clone(), serve.store_options()) => opened?,
    };
    tokio::spawn(abort_after(opened.died()));
    store.set(Arc::new(opened));
    writeln!(io::stdout(), "diplomatic-host listening on http://{local}")?;
    serving.await;
    Ok(())
}

/// Opens the store on a thread of its own, which does not keep the process when it is told to stop.
async fn open(data: PathBuf, options: RedbOptions) -> Result<RedbStore, StartError> {
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
