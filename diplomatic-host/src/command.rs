//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use diplomatic_host::{Limits, RedbOptions};

/// A host for DIPLOMATIC accounts: it stores and relays what it cannot read.
#[derive(Debug, Parser)]
#[command(name = "diplomatic-host", version, arg_required_else_help = true)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves clients until it is stopped by Ctrl-C or SIGTERM.
    ///
    /// Once it accepts connections it prints one line with its address. It speaks plain HTTP: put a reverse proxy with TLS
    /// in front of it (nginx, Caddy) wherever others can listen in. Logs go to stderr, by RUST_LOG.
    Serve(Serve),
}

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address to listen on, such as 0.0.0.0:31337; port 0 takes any free one.
    /// Without it, 127.0.0.1 and the port of --port.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,

    /// The port to listen on, on 127.0.0.1; --listen wins.
    #[arg(long, env = "DIPLOMATIC_HOST_PORT", default_value_t = 31337)]
    pub(crate) port: u16,

    /// The data file; it is made where there is none.
    #[arg(long, value_name = "PATH", default_value = "diplomatic-host.redb")]
    pub(crate) data: PathBuf,

    /// The largest body of a bag, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body)]
    pub(crate) max_body: usize,

    /// How many connections are served at once; more wait.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections)]
    pub(crate) max_connections: usize,

    /// How many bytes of the data file are kept in memory.
    #[arg(long, value_name = "BYTES", default_value_t = RedbOptions::default().cache)]
    pub(crate) cache: usize,

    /// Reads the whole data file when it starts, to check it, which takes a while when it is large.
    /// Neither a stop nor a crash makes that necessary.
    #[arg(long)]
    pub(crate) check: bool,

    /// Does nothing: it is what happens anyway.
    #[arg(long, hide = true, conflicts_with = "check")]
    pub(crate) no_check: bool,
}

impl Serve {
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen.unwrap_or((Ipv4Addr::LOCALHOST, self.port).into())
    }

    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.body = self.max_body;
        limits.connections = self.max_connections;
        limits
    }

    pub(crate) fn store_options(&self) -> RedbOptions {
        let mut options = RedbOptions::default();
        options.cache = self.cache;
        options.check = self.check;
        options
    }
}
