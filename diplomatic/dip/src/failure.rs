//! Why a command failed.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use diplomatic::error::{ExportFileError, HistoryError, ImportError, RestoreError};
use diplomatic::replay::ReplayError;
use diplomatic::{EmitError, LogError, OpenError, OpenLogError};

use crate::account::AccountError;
use crate::check::HostError;
use crate::exit::Exit;
use crate::hosts::HostsError;

/// Why a command failed, in one sentence with a remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Hosts(#[from] HostsError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Open(OpenError),
    #[error("there is no store at {} yet: `dip sync` or `dip cat` creates the default one", .path.display())]
    NoStore { path: PathBuf },
    #[error("there is no host to sync with: add one with `dip host add`, or set DIP_HOST")]
    NoHost,
    #[error(transparent)]
    OpenLog(#[from] OpenLogError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Emit(#[from] EmitError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Export(#[from] ExportFileError),
    #[error("{path} is there already: choose another file, or use --force to replace it")]
    FileExists { path: String },
    #[error("{path}: {}", Told(.error))]
    Replay { path: String, error: ReplayError },
    #[error(transparent)]
    Import(ImportError),
    #[error("{hosts}")]
    NotInSync { hosts: String },
    #[error("{problems}")]
    Found { problems: String },
    #[error("{0}")]
    Usage(&'static str),
    #[error("the input is not UTF-8 text: give `dip cat` text, or JSON with --type")]
    NotText,
    #[error("the input is not JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("the input cannot be read")]
    Input(#[source] io::Error),
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
    #[error("{path} cannot be written")]
    File { path: String, source: io::Error },
    #[error("the program could not be started")]
    System(#[source] io::Error),
    #[error("nothing was done")]
    Declined,
}

/// The library's message about an export file, with this tool's remedy.
struct Told<'a>(&'a ReplayError);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ReplayError::Io(error) => write!(f, "the file cannot be read: {error}"),
            ReplayError::Damaged(damage) => write!(f, "the file is damaged ({damage}); --recover reads the rest"),
            ReplayError::WrongSeed => f.write_str("the file was written with another seed; set DIP_SEED to that seed"),
            error => error.fmt(f),
        }
    }
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Account(error) => error.exit(),
            Self::Host(error) => error.exit(),
            Self::Hosts(error) => error.exit(),
            Self::NotInSync { .. } => Exit::Host,
            Self::Found { .. } => Exit::Found,
            Self::Usage(_) => Exit::Usage,
            Self::Open(OpenError::OpenLog(error)) | Self::OpenLog(error) => exit_of_open(error),
            Self::Replay { error: ReplayError::WrongSeed, .. } => Exit::Seed,
            failure => failure.log_error().map_or(Exit::Failed, exit_of),
        }
    }

    const fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::Log(error)
            | Self::Open(OpenError::Log(error))
            | Self::Emit(EmitError::Log(error))
            | Self::History(HistoryError::Log(error))
            | Self::Restore(
                RestoreError::Emit(EmitError::Log(error)) | RestoreError::History(HistoryError::Log(error)),
            )
            | Self::Export(ExportFileError::Log(error))
            | Self::Import(ImportError::Log(error)) => Some(error),
            _ => None,
        }
    }

    /// Returns whether another program has the store open.
    pub(crate) const fn is_in_use(&self) -> bool {
        matches!(
            self,
            Self::OpenLog(OpenLogError::InUse { .. }) | Self::Open(OpenError::OpenLog(OpenLogError::InUse { .. }))
        )
    }

    /// Returns whether nobody reads the output any more.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Returns the message and its causes in one line.
    pub(crate) fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            sentence = format!("{sentence}: {error}");
            cause = error.source();
        }
        match self.log_error() {
            Some(LogError::Storage(_)) => sentence + "; everything done before is safe: free some space and try again",
            _ => sentence,
        }
    }
}

const fn exit_of_open(error: &OpenLogError) -> Exit {
    match error {
        OpenLogError::WrongSeed { .. } => Exit::Seed,
        OpenLogError::InUse { .. }
        | OpenLogError::NotALog { .. }
        | OpenLogError::NewerFormat { .. }
        | OpenLogError::Damaged { .. } => Exit::Store,
        _ => Exit::Failed,
    }
}

const fn exit_of(error: &LogError) -> Exit {
    match error {
        LogError::Damaged | LogError::DamagedValue { .. } => Exit::Store,
        _ => Exit::Failed,
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}
