//! The operator's commands to a running host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use diplomatic::standard::PublicKey;
use diplomatic_host::AdminCommand;

use super::Data;

/// What an operator does with a running host.
#[derive(Debug, Subcommand)]
pub(crate) enum Operate {
    /// Shows and changes who has an account.
    #[command(subcommand)]
    Accounts(Accounts),
    /// Makes an invite, which lets one new account in, whatever the admission.
    Invite {
        /// The address that people reach the host at, such as https://host.example.org.
        #[arg(long, value_name = "URL", env = "DIPLOMATIC_HOST_URL", default_value = "")]
        url: String,
        /// For how many days it holds.
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        days: u32,
        #[command(flatten)]
        running: Running,
    },
    /// Writes a backup of everything while the host serves.
    Backup {
        /// The file; it is replaced once the backup is whole.
        file: PathBuf,
        #[command(flatten)]
        running: Running,
    },
    /// Takes a backup back: what it holds is added to what there is. Without a running host the data file is opened.
    Restore {
        /// The backup.
        file: PathBuf,
        #[command(flatten)]
        running: Running,
    },
    /// Gives room that deleted accounts took back to the disk. Everyone waits meanwhile.
    Compact {
        #[command(flatten)]
        running: Running,
    },
    /// Reads everything that is stored, checks every signature, and names what is damaged.
    Check {
        #[command(flatten)]
        running: Running,
    },
}

/// What is done with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum Accounts {
    /// Lists every account with what it has stored.
    List {
        #[command(flatten)]
        running: Running,
    },
    /// Shows one account.
    Show(OfKey),
    /// Lets a key in, whatever the admission. It takes back a block, too.
    Allow(OfKey),
    /// Keeps a key out. What it has stored stays.
    Block(OfKey),
    /// Deletes an account with all that it has stored.
    Delete(OfKey),
    /// Writes a backup of one account.
    Export {
        /// The account's key, in 64 hex digits.
        key: PublicKey,
        /// The file; it is replaced once the backup is whole.
        file: PathBuf,
        #[command(flatten)]
        running: Running,
    },
}

/// A command about one key.
#[derive(Debug, Args)]
pub(crate) struct OfKey {
    /// The account's key, in 64 hex digits.
    key: PublicKey,
    #[command(flatten)]
    running: Running,
}

/// Which host is meant.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// The data file of the host, or its database.
    #[arg(long, value_name = "PATH", env = "DIPLOMATIC_HOST_DATA", hide_env_values = true)]
    #[arg(default_value = "diplomatic-host.redb", value_parser = Data::parser())]
    pub(crate) data: Data,
    /// The host's socket for commands. Without it, the data file's path with .sock at its end, or diplomatic-host.sock
    /// if the data is in a database.
    #[arg(long, value_name = "PATH", env = "DIPLOMATIC_HOST_ADMIN")]
    admin: Option<PathBuf>,
}

/// Where what a command gives goes, and what it is given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Traffic<'line> {
    /// The answer is for people.
    Print,
    /// The answer is the end of an invite's link, which begins with this.
    Link(&'line str),
    /// The answer is a backup for this file.
    Save(&'line Path),
    /// This backup goes along with the command.
    Send(&'line Path),
}

impl Operate {
    /// Returns what to tell which host, and what to do with the answer.
    pub(crate) fn plan(&self) -> (AdminCommand, &Running, Traffic<'_>) {
        use Traffic::{Link, Print, Save, Send};

        match self {
            Self::Accounts(Accounts::List { running }) => (AdminCommand::List, running, Print),
            Self::Accounts(Accounts::Show(OfKey { key, running })) => (AdminCommand::Show(*key), running, Print),
            Self::Accounts(Accounts::Allow(OfKey { key, running })) => (AdminCommand::Allow(*key), running, Print),
            Self::Accounts(Accounts::Block(OfKey { key, running })) => (AdminCommand::Block(*key), running, Print),
            Self::Accounts(Accounts::Delete(OfKey { key, running })) => (AdminCommand::Delete(*key), running, Print),
            Self::Accounts(Accounts::Export { key, file, running }) => {
                (AdminCommand::Export(*key), running, Save(file))
            }
            Self::Invite { url, days, running } => {
                let valid = Duration::from_secs(u64::from(*days) * 24 * 60 * 60);
                (AdminCommand::Invite(valid), running, Link(url.trim_end_matches('/')))
            }
            Self::Backup { file, running } => (AdminCommand::Backup, running, Save(file)),
            Self::Restore { file, running } => (AdminCommand::Restore, running, Send(file)),
            Self::Compact { running } => (AdminCommand::Compact, running, Print),
            Self::Check { running } => (AdminCommand::Check, running, Print),
        }
    }
}

impl Running {
    pub(crate) fn socket(&self) -> PathBuf {
        self.admin.clone().unwrap_or_else(|| self.data.socket())
    }
}
