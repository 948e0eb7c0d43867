//! Connections to the database, and calls that survive the loss of one.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Config, Connection, Socket};

use super::PostgresOptions;
use super::fault::{Fault, Remedy, said};
use super::schema;
use super::tls::{Stream, Tls};
use crate::OpenStoreError;

/// How long one call may take: a database that hangs is answered for with an error.
const CALL: Duration = Duration::from_secs(20);
/// How long a call waits for a connection.
const WAIT: Duration = Duration::from_secs(10);
/// How long making one may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a call is tried again where somebody else was quicker.
const REPEATS: u32 = 20;
/// How often a call is tried again on another connection; those in the pool may all be of yesterday.
const RECONNECTS: u32 = 2;
/// How long to wait before the database is tried anew at the start.
const PAUSE: Duration = Duration::from_millis(500);

/// A server must not forget what it has acknowledged, whatever its configuration says.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
                       WHERE current_setting('synchronous_commit', true) = 'off'";

/// What a call does on a connection.
pub(super) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// The database. Clones share its connections.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pool: Pool,
    /// How many connections reads may have at once: the rest is for writes, however much is read.
    reading: Arc<Semaphore>,
    config: Config,
    tls: Tls,
}

/// Connects, and returns the channel for hints as well.
pub(super) async fn open(url: &str, options: &PostgresOptions) -> Result<(Database, String), OpenStoreError> {
    let mut config: Config =
        known_modes(url).parse().map_err(|error| OpenStoreError::NoDatabaseUrl { source: Arc::new(error) })?;
    config.application_name("diplomatic-host");
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    config.tcp_user_timeout(CALL);
    let tls = Tls::new(options.authorities.as_deref())?;
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let connections = options.connections.max(2);
    let pool = Pool::builder(Manager::from_config(config.clone(), tls.clone(), manager_config))
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(2 * CONNECT))
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async move { client.batch_execute(DURABLE).await.map_err(HookError::Backend) })
        }))
        .build()
        .map_err(|error| OpenStoreError::Database { said: error.to_string() })?;
    let reading = Arc::new(Semaphore::new((connections * 3 / 4).max(1)));
    let database = Database { pool, reading, config, tls };
    let channel = database.prepare(options.patience).await?;
    Ok((database, channel))
}

/// Certificates are checked in any case, so that the modes of `sslmode` that ask for it are those that this library knows.
fn known_modes(url: &str) -> String {
    url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require")
}

impl Database {
    /// Brings the tables up to date, once the database can be reached.
    async fn prepare(&self, patience: Option<Duration>) -> Result<String, OpenStoreError> {
        let started = Instant::now();
        let mut told = false;
        loop {
            let fault = match self.write(|client| Box::pin(schema::prepare(client))).await {
                Ok(Ok(channel)) => return Ok(channel),
                Ok(Err(format)) => return Err(OpenStoreError::NewerDatabase { found: format, known: schema::FORMAT }),
                Err(fault) => fault,
            };
            let said = match &fault {
                Fault::NoConnection(deadpool_postgres::PoolError::Backend(error)) => said(error),
                fault => fault.to_string(),
            };
            if !fault.is_outage() || patience.is_some_and(|patience| started.elapsed() >= patience) {
                return Err(OpenStoreError::Database { said });
            }
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%said, "waiting for the database");
            }
            sleep(PAUSE).await;
        }
    }

    /// Reads on one of the connections for it.
    pub(super) async fn read<T>(
        &self,
        work: impl for<'a> Fn(&'a mut Client) -> Work<'a, T> + Send,
    ) -> Result<T, Fault> {
        let _permit = self.reading.acquire().await;
        self.write(work).await
    }

    /// Does something that may be done again, until it is done or that is hopeless.
    pub(super) async fn write<T>(
        &self,
        work: impl for<'a> Fn(&'a mut Client) -> Work<'a, T> + Send,
    ) -> Result<T, Fault> {
        let (mut repeats, mut reconnects) = (0, 0);
        loop {
            let mut client = match self.pool.get().await.map_err(Fault::NoConnection) {
                Ok(client) => client,
                Err(fault) if fault.remedy() == Remedy::Reconnect && reconnects < RECONNECTS => {
                    reconnects += 1;
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            let outcome = timeout(CALL, work(&mut client)).await.unwrap_or(Err(Fault::TooLong));
            let Err(fault) = outcome else { return outcome };
            let remedy = fault.remedy();
            if remedy == Remedy::Reconnect || matches!(fault, Fault::TooLong) {
                // It may be in the middle of something.
                drop(Client::take(client));
            }
            match remedy {
                Remedy::Repeat if repeats < REPEATS => {
                    repeats += 1;
                    // Each a little longer, so that whoever was quicker can be done.
                    sleep(Duration::from_millis(u64::from(repeats))).await;
                }
                Remedy::Reconnect if reconnects < RECONNECTS => reconnects += 1,
                _ => return Err(fault),
            }
        }
    }

    /// Makes a connection of its own, outside the pool.
    pub(super) async fn connect_alone(
        &self,
    ) -> Result<(tokio_postgres::Client, Connection<Socket, Stream<Socket>>), Fault> {
        let connecting = self.config.connect(self.tls.clone());
        Ok(timeout(2 * CONNECT, connecting).await.map_err(|_| Fault::TooLong)??)
    }
}
