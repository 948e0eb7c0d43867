//! The command line.

mod acme;
mod data;
#[cfg(unix)]
mod operate;
mod serve;

use clap::{Parser, Subcommand};

pub(crate) use data::Data;
#[cfg(unix)]
pub(crate) use operate::{Operate, Running, Traffic};
pub(crate) use serve::{Log, Serve};

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
    /// Once it accepts connections it prints one line with its address. Without a certificate it speaks plain HTTP:
    /// put a reverse proxy with TLS in front of it (nginx, Caddy) wherever others can listen in. Logs go to stderr, by
    /// RUST_LOG.
    Serve(Box<Serve>),
    #[cfg(unix)]
    #[command(flatten)]
    Operate(Operate),
}
