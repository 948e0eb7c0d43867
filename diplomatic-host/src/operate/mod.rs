//! Gives the operator's commands to a running host, and keeps what it answers.

mod save;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diplomatic_host::backup::{self, BackupError};
use diplomatic_host::{AdminCommand, BagStore, OpenStoreError, RedbStore};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use self::save::save;
use crate::command::{Data, Operate, Running, Traffic};

/// Why a command came to nothing. Each message says it whole, for it is all that is printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperateError {
    #[error(
        "no host answers at {} ({source}): start one, or name its data file with --data or its socket with --admin",
        socket.display()
    )]
    NoHost { socket: PathBuf, source: io::Error },
    #[error("{0}")]
    Refused(String),
    #[error("the host broke off ({0}): see its log")]
    Broken(#[source] io::Error),
    #[error("the host broke off without an answer: see its log")]
    NoAnswer,
    #[error("{} cannot be read or written ({source})", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is not kept: {source}", path.display())]
    NotWhole { path: PathBuf, source: BackupError },
    #[error("{}: {source}", path.display())]
    Backup { path: PathBuf, source: BackupError },
    #[error("the backup is kept, but lacks bags of these damaged accounts: {accounts}; run check")]
    Lacking { accounts: String },
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    #[error("damage was found: restore the accounts from a backup, or delete them (their devices then push all again)")]
    Damage,
}

/// Carries out one command and prints what comes of it.
pub(crate) async fn operate(operate: &Operate) -> Result<(), OperateError> {
    let (command, running, traffic) = operate.plan();
    if let Traffic::Send(file) = traffic {
        // Before anything is stored.
        let input = open(file).await?;
        backup::verify(input).await.map_err(|source| OperateError::Backup { path: file.to_owned(), source })?;
    }
    let socket = running.socket();
    let stream = match UnixStream::connect(&socket).await {
        Ok(stream) => stream,
        Err(source) => return without_host(running, &traffic, OperateError::NoHost { socket, source }).await,
    };
    let (input, mut output) = stream.into_split();
    let mut input = BufReader::new(input);
    output.write_all(format!("{command}\n").as_bytes()).await.map_err(OperateError::Broken)?;
    if let Traffic::Send(file) = traffic {
        let mut backup = open(file).await?;
        // A host that refuses reads no further: its answer says why.
        let _ = tokio::io::copy(&mut backup, &mut output).await;
    }
    let _ = output.shutdown().await;

    let mut verdict = String::new();
    input.read_line(&mut verdict).await.map_err(OperateError::Broken)?;
    match verdict.trim_end() {
        "ok" => {}
        "" => return Err(OperateError::NoAnswer),
        verdict => return Err(OperateError::Refused(verdict.trim_start_matches("error: ").to_owned())),
    }
    if let Traffic::Save(file) = traffic {
        let written = save(file, &mut input).await?;
        print(&format!("{}: {} accounts, {} bags\n", file.display(), written.accounts, written.bags));
        let damaged: Vec<String> = written.damaged.iter().map(ToString::to_string).collect();
        return if damaged.is_empty() { Ok(()) } else { Err(OperateError::Lacking { accounts: damaged.join(", ") }) };
    }
    let mut answer = String::new();
    input.read_to_string(&mut answer).await.map_err(OperateError::Broken)?;
    match traffic {
        Traffic::Link(url) => print(&format!("{url}/invite/{answer}")),
        _ => print(&answer),
    }
    if command == AdminCommand::Check && answer.trim_end().ends_with(": damaged") {
        return Err(OperateError::Damage);
    }
    Ok(())
}

/// Restores straight into the data file, which needs no host; a new one should not serve before it is done.
async fn without_host(running: &Running, traffic: &Traffic<'_>, error: OperateError) -> Result<(), OperateError> {
    let Traffic::Send(file) = traffic else { return Err(error) };
    let store = open_store(&running.data).await?;
    let input = open(file).await?;
    let restored = backup::restore(&store, input).await;
    let restored = restored.map_err(|source| OperateError::Backup { path: (*file).to_owned(), source })?;
    print(&format!("{restored}\n"));
    Ok(())
}

async fn open_store(data: &Data) -> Result<Arc<dyn BagStore>, OpenStoreError> {
    Ok(match data {
        Data::File(path) => Arc::new(RedbStore::open(path)?),
        #[cfg(feature = "postgres")]
        Data::Postgres(url) => {
            let mut options = diplomatic_host::PostgresOptions::default();
            options.patience = Some(std::time::Duration::ZERO);
            Arc::new(diplomatic_host::PostgresStore::connect(url, options).await?)
        }
    })
}

async fn open(path: &Path) -> Result<BufReader<tokio::fs::File>, OperateError> {
    let file = tokio::fs::File::open(path).await;
    file.map(BufReader::new).map_err(|source| OperateError::File { path: path.to_owned(), source })
}

fn print(text: &str) {
    // Whoever closed the pipe has read enough.
    let _ = io::stdout().write_all(text.as_bytes());
}
