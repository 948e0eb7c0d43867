//! How to serve.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use diplomatic::standard::PublicKey;
#[cfg(feature = "postgres")]
use diplomatic_host::PostgresOptions;
use diplomatic_host::{Admission, ByteCount, Disk, Limits, Network, Policy, Proxies, Quotas, Rates, RedbOptions};

use super::Data;
use super::acme::Acme;

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address to listen on, such as 0.0.0.0:31337; port 0 takes any free one.
    /// Without it, 127.0.0.1 and the port of --port. A socket that systemd passes comes first.
    #[arg(long, value_name = "ADDRESS", env = "DIPLOMATIC_HOST_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,

    /// The port to listen on, on 127.0.0.1; --listen wins.
    #[arg(long, env = "DIPLOMATIC_HOST_PORT", default_value_t = 31337)]
    pub(crate) port: u16,

    /// The data file; it is made where there is none, for its user alone. Or a database that other hosts may serve as well,
    /// such as postgres://user:password@server/database; its password is best given in the environment.
    #[arg(long, value_name = "PATH", env = "DIPLOMATIC_HOST_DATA", hide_env_values = true)]
    #[arg(default_value = "diplomatic-host.redb", value_parser = Data::parser())]
    pub(crate) data: Data,

    /// How many connections to the database there are at most, and one more.
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "COUNT", env = "DIPLOMATIC_HOST_DATABASE_CONNECTIONS")]
    #[arg(default_value_t = PostgresOptions::default().connections)]
    database_connections: usize,

    /// The certificates in PEM of those who may vouch for the database. Without it, whom the system trusts.
    #[cfg(feature = "postgres")]
    #[arg(long, value_name = "PATH", env = "DIPLOMATIC_HOST_DATABASE_AUTHORITIES")]
    database_authorities: Option<PathBuf>,

    /// The socket for the operator's commands. Without it, the data file's path with .sock at its end, or
    /// diplomatic-host.sock if the data is in a database.
    #[arg(long, value_name = "PATH", env = "DIPLOMATIC_HOST_ADMIN")]
    admin: Option<PathBuf>,

    /// Answers /healthz, /readyz and /metrics at this address, which only you should reach.
    #[arg(long, value_name = "ADDRESS", env = "DIPLOMATIC_HOST_METRICS")]
    pub(crate) metrics: Option<SocketAddr>,

    /// How logs are written to stderr; RUST_LOG says which (such as info, which names every request).
    #[arg(long, value_enum, default_value_t = Log::Text, env = "DIPLOMATIC_HOST_LOG")]
    pub(crate) log: Log,

    /// Serves HTTPS with this certificate chain in PEM, which is read again when it changes.
    #[arg(long, value_name = "PATH", env = "DIPLOMATIC_HOST_TLS_CERTIFICATE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The certificate's private key in PEM.
    #[arg(long, value_name = "PATH", env = "DIPLOMATIC_HOST_TLS_KEY", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) acme: Acme,

    /// Who gets an account, besides those that you allow or invite. Without it, closed, but open on a loopback address.
    #[arg(long, value_enum, env = "DIPLOMATIC_HOST_ADMISSION")]
    admission: Option<Admit>,

    /// A key that gets an account when it comes; several separated by commas.
    #[arg(long, value_name = "KEY", env = "DIPLOMATIC_HOST_ALLOW", value_delimiter = ',')]
    allow: Vec<PublicKey>,

    /// How many bytes each account may store, such as 5G; 0 is as many as there is room for.
    #[arg(long, value_name = "BYTES", env = "DIPLOMATIC_HOST_QUOTA", default_value_t = ByteCount(0))]
    quota: ByteCount,

    /// How many bytes each account may send and fetch in a day (UTC), such as 20G; 0 is as many as it likes.
    #[arg(long, value_name = "BYTES", env = "DIPLOMATIC_HOST_TRAFFIC", default_value_t = ByteCount(0))]
    traffic: ByteCount,

    /// How many requests a minute each account may make.
    #[arg(long, value_name = "COUNT", env = "DIPLOMATIC_HOST_RATE_PER_KEY")]
    rate_per_key: Option<NonZeroU32>,

    /// How many requests a minute each address may make.
    #[arg(long, value_name = "COUNT", env = "DIPLOMATIC_HOST_RATE_PER_ADDRESS")]
    rate_per_address: Option<NonZeroU32>,

    /// A reverse proxy whose X-Forwarded-For is believed, such as 127.0.0.1 or 10.0.0.0/8; several separated by commas.
    #[arg(long, value_name = "NETWORK", env = "DIPLOMATIC_HOST_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Vec<Network>,

    /// Takes no more bags while the disk of the data file has fewer free bytes than this, and still serves those it has.
    #[arg(long, value_name = "BYTES", env = "DIPLOMATIC_HOST_MIN_FREE", default_value_t = ByteCount(256 << 20))]
    min_free: ByteCount,

    /// The largest body of a bag, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = ByteCount(Limits::default().body as u64))]
    max_body: ByteCount,

    /// How many connections are served at once; more wait.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections)]
    max_connections: usize,

    /// How many seconds requests may take to finish after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().grace.as_secs())]
    grace: u64,

    /// How many bytes of the data file are kept in memory.
    #[arg(long, value_name = "BYTES", default_value_t = ByteCount(RedbOptions::default().cache as u64))]
    cache: ByteCount,

    /// Reads the whole data file when it starts, to check it, which takes a while when it is large.
    /// Neither a stop nor a crash makes that necessary.
    #[arg(long)]
    check: bool,

    /// Does nothing: it is what happens anyway.
    #[arg(long, hide = true, conflicts_with = "check")]
    no_check: bool,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Admit {
    /// Everyone.
    Open,
    /// The first account, and then nobody.
    Closed,
    /// Nobody.
    AllowList,
}

impl Serve {
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen.unwrap_or((Ipv4Addr::LOCALHOST, self.port).into())
    }

    /// Returns where the socket for the operator's commands is.
    #[cfg(unix)]
    pub(crate) fn admin(&self) -> PathBuf {
        self.admin.clone().unwrap_or_else(|| self.data.socket())
    }

    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.body = in_memory(self.max_body);
        limits.connections = self.max_connections;
        limits.grace = Duration::from_secs(self.grace);
        limits
    }

    /// Returns the rules for a host that listens on `address`.
    pub(crate) fn policy(&self, address: SocketAddr) -> Policy {
        let mut policy = Policy::default();
        policy.admission = match self.admission {
            Some(Admit::Open) => Admission::Open,
            Some(Admit::Closed) => Admission::Closed,
            Some(Admit::AllowList) => Admission::AllowList,
            None if address.ip().to_canonical().is_loopback() => Admission::Open,
            None => Admission::Closed,
        };
        policy.allowed.clone_from(&self.allow);
        policy.quotas = Quotas::new(self.quota.0, self.traffic.0);
        let mut rates = Rates::default();
        rates.per_key = self.rate_per_key;
        rates.per_address = self.rate_per_address;
        policy.rates = rates;
        policy.proxies = Proxies::new(self.trusted_proxy.iter().copied());
        if let Data::File(path) = &self.data {
            policy.disk = Some(Disk::beside(path, self.min_free.0));
        }
        policy
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn postgres_options(&self) -> PostgresOptions {
        let mut options = PostgresOptions::default();
        options.connections = self.database_connections;
        options.authorities.clone_from(&self.database_authorities);
        options
    }

    pub(crate) fn store_options(&self) -> RedbOptions {
        let mut options = RedbOptions::default();
        options.cache = in_memory(self.cache);
        options.check = self.check;
        options
    }
}

fn in_memory(ByteCount(bytes): ByteCount) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
