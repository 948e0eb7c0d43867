//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// One status line, the same on all of your devices.
///
/// The host that relays it between them cannot read it.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = ENVIRONMENT)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const ENVIRONMENT: &str = "\
Environment:
  DIP_HOST  The host's address, such as http://localhost:31337. Without it, the device works offline
  DIP_SEED  Whose status it is: 64 hex digits, the same on all devices. Without it, the first run makes a seed and
            keeps it in the data directory";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Changes the status on all devices.
    ///
    /// If no host can be reached, the change is queued, and the next command that reaches the host delivers it.
    #[command(after_help = ENVIRONMENT)]
    Write {
        /// The new status; one line.
        #[arg(value_parser = one_line)]
        text: String,
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Prints the status, or nothing if there is none.
    ///
    /// It syncs first. If no host can be reached, it prints what this device knows.
    #[command(after_help = ENVIRONMENT)]
    Read {
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Prints the status and every later one, one per line, until Ctrl-C.
    ///
    /// If several changes arrive together, for example after a time offline, it prints the last one.
    #[command(after_help = ENVIRONMENT)]
    Watch {
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Shows two devices and a host at work, all in this process.
    Demo,
}

#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    /// The data directory of this device, created if needed
    /// [default: $XDG_DATA_HOME/diplomatic-status, or ~/.local/share/diplomatic-status].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

fn one_line(text: &str) -> Result<String, &'static str> {
    if text.contains(['\n', '\r']) {
        Err("a status is one line: leave out the line breaks")
    } else {
        Ok(text.to_owned())
    }
}
