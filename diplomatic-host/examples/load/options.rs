//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Loads a host, and reports how long it takes to answer.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Options {
    /// Where the host is; several for processes on one database.
    #[arg(required = true)]
    pub(crate) urls: Vec<String>,
    /// How many accounts there are.
    #[arg(long, default_value_t = 1000)]
    pub(crate) accounts: u32,
    /// How many devices each account has: one that pushes and others that listen.
    #[arg(long, default_value_t = 1)]
    pub(crate) devices: u32,
    /// How many pushes a second there are on the average.
    #[arg(long, default_value_t = 1000.0)]
    pub(crate) rate: f64,
    /// For how many seconds.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// How many seconds a day has: the rate rises from nothing to twice the average and falls again in each. 0 is no day.
    #[arg(long, default_value_t = 0)]
    pub(crate) day: u64,
    /// How many of a hundred pushes hold twenty bags, of a device that was offline.
    #[arg(long, default_value_t = 0)]
    pub(crate) bursts: u32,
    /// How many bytes a body has.
    #[arg(long, default_value_t = 200)]
    pub(crate) body: usize,
    /// How many bags each account has at the start.
    #[arg(long, default_value_t = 0)]
    pub(crate) past: usize,
    /// How many new devices fetch everything of an account at once, in the middle.
    #[arg(long, default_value_t = 0)]
    pub(crate) first_syncs: u32,
    /// How many MB one further account pushes in one request meanwhile.
    #[arg(long, default_value_t = 0)]
    pub(crate) upload: usize,
    /// A file with the certificates in PEM of those who may vouch for the host, instead of those that the system trusts.
    #[arg(long)]
    pub(crate) authorities: Option<PathBuf>,
    /// How many connections there are at most.
    #[arg(long, default_value_t = 512)]
    pub(crate) connections: usize,
}
