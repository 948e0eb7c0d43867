//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::cat::CatArgs;
use crate::compact::CompactArgs;
use crate::exit::EXIT_CODES;
use crate::files::{ExportArgs, ImportArgs};
use crate::host::HostCommand;
use crate::log::LogArgs;
use crate::replay::ReplayArgs;
use crate::restore::RestoreArgs;
use crate::seed::SeedCommand;
use crate::sync::SyncArgs;
use crate::verify::VerifyArgs;
use crate::wipe::WipeArgs;

/// Manages the data of any DIPLOMATIC account, whichever app wrote it.
///
/// The data is a log of messages, encrypted on this device and synced through hosts that cannot read it.
#[derive(Debug, Parser)]
#[command(name = "dip", version, arg_required_else_help = true, after_help = after_help(), max_term_width = 100)]
pub(crate) struct Line {
    /// Where this device keeps the seed, the hosts and the store
    /// [default: $XDG_DATA_HOME/diplomatic, or ~/.local/share/diplomatic].
    #[arg(long, global = true, value_name = "DIR", help_heading = EVERYWHERE)]
    pub(crate) data: Option<PathBuf>,
    /// The store of another app, such as phone/status.redb
    /// [default: dip.redb in the data directory].
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub(crate) store: Option<PathBuf>,
    /// The number of seconds to wait for another program that is writing to the store.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10, help_heading = EVERYWHERE)]
    pub(crate) wait: u32,
    /// Prints JSON: one document, or one line per message.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Prints only results and errors.
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The heading of the options that every command takes.
const EVERYWHERE: &str = "Options of every command";

const ENVIRONMENT: &str = "\
Environment:
  DIP_SEED        the seed (64 hex digits or 24 words), unless one is stored
  DIP_PASSPHRASE  the passphrase of the stored seed, instead of a prompt
  DIP_HOST        the address of the only host to sync with, under the label
                  `host`, instead of the hosts that were added
  DIP_WITNESSES   after how many seconds without writing other devices are told
                  what this one has written (default: 5), or `off`: then they
                  cannot know when a host withholds some of it";

fn after_help() -> String {
    format!("{ENVIRONMENT}\n\n{EXIT_CODES}")
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Creates, imports, shows or checks the seed, the account's secret.
    Seed {
        #[command(subcommand)]
        command: SeedCommand,
    },
    /// Adds, lists or removes the hosts that this device syncs with.
    Host {
        #[command(subcommand)]
        command: HostCommand,
    },
    /// Sends new messages to every host, and receives new messages from there.
    Sync(SyncArgs),
    /// Shows the state of this device and what it knows about its hosts, without contacting them.
    Status,
    /// Prints the messages of apps, in the total order that all devices share.
    Log(LogArgs),
    /// Writes one message with the text from standard input.
    Cat(CatArgs),
    /// Writes every message to an export file (.dpl), which only the seed can open.
    Export(ExportArgs),
    /// Merges an export file: adds new messages and overwrites nothing.
    Import(ImportArgs),
    /// Prints the live messages at a time, from an export file alone, without a store.
    Replay(ReplayArgs),
    /// Brings the account, or one entity, back to what it was at a time. It writes new messages, and loses nothing.
    Restore(RestoreArgs),
    /// Checks the store, compares it with every host, and repairs what can be repaired.
    Verify(VerifyArgs),
    /// Shrinks the store.
    Compact(CompactArgs),
    /// Exports everything, then removes the store and the list of hosts from this device. The seed stays.
    Wipe(WipeArgs),
    /// Prints a completion script for a shell.
    Completions { shell: Shell },
    /// Prints the manual page, or writes a page for every command to a directory.
    Man {
        /// The directory for the pages.
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}
