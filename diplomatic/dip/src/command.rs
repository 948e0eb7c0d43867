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
use crate::seed::SeedCommand;
use crate::sync::SyncArgs;
use crate::verify::VerifyArgs;
use crate::wipe::WipeArgs;

/// Works on the data of any DIPLOMATIC account, of whatever app it is.
///
/// The data is a log of messages, encrypted on this device and synced through hosts that cannot read it.
#[derive(Debug, Parser)]
#[command(name = "dip", version, arg_required_else_help = true, after_help = after_help(), max_term_width = 100)]
pub(crate) struct Line {
    /// Where this device keeps the seed, the hosts and the store
    /// [default: $XDG_DATA_HOME/diplomatic, or ~/.local/share/diplomatic].
    #[arg(long, global = true, value_name = "DIR", help_heading = EVERYWHERE)]
    pub(crate) data: Option<PathBuf>,
    /// The store of another app, such as phone/status.redb, while that app is closed
    /// [default: dip.redb in the data directory].
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub(crate) store: Option<PathBuf>,
    /// Prints JSON: one document, or for messages one a line.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Says nothing but results and errors.
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The heading of the options that every command takes.
const EVERYWHERE: &str = "Options of every command";

const ENVIRONMENT: &str = "\
Environment:
  DIP_SEED        the seed, 64 hex digits or 24 words, if no other is kept
  DIP_PASSPHRASE  the passphrase of the seed that is kept, if not to be asked
  DIP_HOST        the address of the one host to sync with, under the label
                  `host`, in place of those that were added";

fn after_help() -> String {
    format!("{ENVIRONMENT}\n\n{EXIT_CODES}")
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes, brings, shows or checks the seed: the account's one secret.
    Seed {
        #[command(subcommand)]
        command: SeedCommand,
    },
    /// Adds, lists or removes the hosts that this device syncs with.
    Host {
        #[command(subcommand)]
        command: HostCommand,
    },
    /// Sends what is new here to every host, and receives what is new there.
    Sync(SyncArgs),
    /// Says what this device has and what it knows of its hosts, without asking them.
    Status,
    /// Prints every message in the order that all devices agree on.
    Log(LogArgs),
    /// Makes one message of the text of standard input.
    Cat(CatArgs),
    /// Writes every message to an export file (.dpl), which the seed opens.
    Export(ExportArgs),
    /// Merges an export file: what is new is added, and nothing is overwritten.
    Import(ImportArgs),
    /// Prints what counted at a time, from an export file alone: no store is needed.
    Replay(ReplayArgs),
    /// Checks the store, and compares every host with it.
    Verify(VerifyArgs),
    /// Makes the store smaller.
    Compact(CompactArgs),
    /// Removes the store and the list of hosts from this device, after an export. The seed stays.
    Wipe(WipeArgs),
    /// Prints a script that completes commands in a shell.
    Completions { shell: Shell },
    /// Prints the manual page, or writes a page for every command to a directory.
    Man {
        /// Where the pages go.
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}
