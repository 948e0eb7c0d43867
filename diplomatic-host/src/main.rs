//! `diplomatic-host`: a host for DIPLOMATIC accounts.

mod command;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use diplomatic_host::{Host, OpenStoreError, RedbStore, Server};
use tokio::net::TcpListener;
use tokio::signal;
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
    let store = RedbStore::open_with(&serve.data, serve.store_options())?;
    let address = serve.address();
    let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let stop = stop_signal()?;
    writeln!(io::stdout(), "diplomatic-host listening on http://{}", listener.local_addr()?)?;
    Server::new(Host::new(store)).with_limits(serve.limits()).serve(listener, stop).await;
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
