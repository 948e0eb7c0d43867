//! Carries out the commands.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use diplomatic::standard::PublicKey;
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::check::check;
use super::{AdminCommand, AdminSocket};
use crate::admission::{Gate, InviteCode, Ruling};
use crate::app::Clock;
use crate::backup::{self, BackupError, Scope};
use crate::quotas::Ledger;
use crate::{BagStore, Host, StoreError};

/// How many accounts are listed at a time.
const PAGE: usize = 256;
/// The longest command, in bytes.
const LINE: u64 = 1024;
/// How long a command may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who carries out the operator's commands on a running host.
pub struct Admin {
    pub(crate) host: Arc<Host<dyn BagStore>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clock: Clock,
}

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Unknown(#[from] super::UnknownCommand),
    #[error("there is no account {0}")]
    NoAccount(PublicKey),
    #[error("the system gave no random numbers")]
    Random,
    #[error("{0}")]
    Store(#[source] StoreError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a command of the operator failed");
        Self::Store(error)
    }
}

impl Admin {
    /// Answers commands for as long as the future is polled.
    pub async fn serve(self, socket: AdminSocket) {
        let admin = Arc::new(self);
        let mut answering = JoinSet::new();
        loop {
            tokio::select! {
                accepted = socket.listener.accept() => match accepted {
                    Ok((stream, _)) => drop(answering.spawn(Arc::clone(&admin).answer(stream))),
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a command");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = answering.join_next() => {}
            }
        }
    }

    async fn answer(self: Arc<Self>, stream: UnixStream) {
        let (input, output) = stream.into_split();
        let (mut input, mut output) = (BufReader::new(input), BufWriter::new(output));
        if let Err(failure) = self.carry_out(&mut input, &mut output).await {
            tracing::info!(%failure, "a command of the operator was not carried out");
        }
        let _ = output.shutdown().await;
    }

    /// Reads a command and answers it. An error before the first `ok` is told, and one after it breaks the answer off.
    async fn carry_out(
        &self,
        input: &mut (impl AsyncBufRead + Unpin + Send),
        output: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), Failure> {
        let mut line = String::new();
        let read = timeout(PATIENCE, (&mut *input).take(LINE).read_line(&mut line)).await;
        read.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
        let outcome = match line.parse::<AdminCommand>() {
            Ok(AdminCommand::List) => return self.list(output).await,
            Ok(AdminCommand::Backup) => return self.backup(Scope::Everything, output).await,
            Ok(AdminCommand::Export(key)) => match self.known(key).await {
                Ok(()) => return self.backup(Scope::Account(key), output).await,
                Err(failure) => Err(failure),
            },
            Ok(command) => self.perform(command, input).await,
            Err(unknown) => Err(unknown.into()),
        };
        let answer = match &outcome {
            Ok(text) => format!("ok\n{text}"),
            Err(failure) => format!("error: {failure}\n"),
        };
        output.write_all(answer.as_bytes()).await?;
        output.flush().await?;
        outcome.map(drop)
    }

    async fn perform(
        &self,
        command: AdminCommand,
        input: &mut (impl AsyncBufRead + Unpin + Send),
    ) -> Result<String, Failure> {
        let store = self.host.store();
        match command {
            AdminCommand::Show(key) => self.show(key).await,
            AdminCommand::Allow(key) => {
                self.gate.rule(store, &key, Some(Ruling::Allowed)).await?;
                Ok(format!("{key} is allowed\n"))
            }
            AdminCommand::Block(key) => {
                self.gate.rule(store, &key, Some(Ruling::Blocked)).await?;
                Ok(format!("{key} is blocked\n"))
            }
            AdminCommand::Delete(key) => self.delete(key).await,
            AdminCommand::Invite(valid) => {
                let mut bytes = [0; InviteCode::LEN];
                SysRng.try_fill_bytes(&mut bytes).map_err(|_| Failure::Random)?;
                let code = InviteCode::from_bytes(bytes);
                self.gate.invite(store, &code, (self.clock)().plus(valid)).await?;
                Ok(format!("{}\n", code.to_hex()))
            }
            AdminCommand::Restore => {
                let restored = backup::restore(store, input).await?;
                self.gate.load(store).await?;
                Ok(format!("{restored}\n"))
            }
            AdminCommand::Compact => Ok(match store.compact().await? {
                true => "compacted\n".to_owned(),
                false => "there was nothing to give back\n".to_owned(),
            }),
            AdminCommand::Check => self.check().await,
            AdminCommand::List | AdminCommand::Backup | AdminCommand::Export(_) => Ok(String::new()),
        }
    }

    async fn known(&self, key: PublicKey) -> Result<(), Failure> {
        self.host.store().last(key).await?.map(drop).ok_or(Failure::NoAccount(key))
    }

    async fn list(&self, output: &mut (impl AsyncWrite + Unpin)) -> Result<(), Failure> {
        let store = self.host.store();
        output.write_all(format!("ok\n{:64} {:>10} {:>14} access\n", "key", "bags", "bytes").as_bytes()).await?;
        let mut after = None;
        loop {
            let page = store.accounts(after, PAGE).await?;
            after = page.last().copied();
            for key in page {
                let usage = store.usage(key).await?.unwrap_or_default();
                let access = self.gate.ruling(&key).map_or("-", Ruling::name);
                let line = format!("{key} {:>10} {:>14} {access}\n", usage.bags, usage.bytes);
                output.write_all(line.as_bytes()).await?;
            }
            if after.is_none() {
                return Ok(output.flush().await?);
            }
        }
    }

    async fn show(&self, key: PublicKey) -> Result<String, Failure> {
        let store = self.host.store();
        let ruling = self.gate.ruling(&key);
        let last = store.last(key).await?;
        if last.is_none() && ruling.is_none() {
            return Err(Failure::NoAccount(key));
        }
        let access = ruling.map_or("-", Ruling::name);
        let Some(last) = last else { return Ok(format!("key    {key}\naccess {access}\nno account yet\n")) };
        let usage = store.usage(key).await?.unwrap_or_default();
        Ok(format!("key    {key}\naccess {access}\nbags   {}\nbytes  {}\nlast   {last}\n", usage.bags, usage.bytes))
    }

    async fn delete(&self, key: PublicKey) -> Result<String, Failure> {
        let store = self.host.store();
        // First, so that the account does not come back by what let it in before.
        self.gate.forget(store, &key).await?;
        let deleted = store.delete(key).await?;
        self.ledger.forget(store, (self.clock)(), key).await?;
        match deleted {
            true => Ok(format!("{key} is deleted\n")),
            false => Err(Failure::NoAccount(key)),
        }
    }

    async fn backup(&self, scope: Scope, output: &mut (impl AsyncWrite + Unpin)) -> Result<(), Failure> {
        output.write_all(b"ok\n").await?;
        backup::write(self.host.store(), scope, output).await?;
        Ok(())
    }

    async fn check(&self) -> Result<String, Failure> {
        let store = self.host.store();
        let (mut report, mut accounts, mut bags) = (String::new(), 0_u64, 0);
        let mut after = None;
        loop {
            let page = store.accounts(after, PAGE).await?;
            after = page.last().copied();
            for key in page {
                let (count, damages) = check(store, key).await?;
                accounts += 1;
                bags += count;
                damages.iter().for_each(|damage| report.push_str(&format!("{key}: {damage}\n")));
            }
            if after.is_none() {
                let verdict = if report.is_empty() { "no damage" } else { "damaged" };
                return Ok(format!("{report}{accounts} accounts, {bags} bags: {verdict}\n"));
            }
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}
