//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// To-do lists that are the same on all of your devices.
///
/// The host that relays them between the devices cannot read them.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = ENVIRONMENT)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) act: Act,
}

const ENVIRONMENT: &str = "\
Environment of serve:
  DIP_HOST  The host's address, such as http://localhost:31337. Without it, the device works offline
  DIP_SEED  Whose lists they are: 64 hex digits, the same on all devices. Without it, the first run makes a seed and
            keeps it in the data directory";

#[derive(Debug, Subcommand)]
pub(crate) enum Act {
    /// Serves this device's lists as a page for the browser on this machine, until Ctrl-C.
    ///
    /// The page's address stays the same, so you can bookmark it. Whoever knows the address and can use this machine can
    /// read and change the lists.
    #[command(after_help = ENVIRONMENT)]
    Serve {
        /// The data directory of this device, created if needed.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// The page's port [default: that of the last run, or any free port].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
    },
    /// Shows two devices side by side on one page, and a host between them, all in this process.
    ///
    /// It needs no setup and leaves nothing behind.
    Demo {
        /// The page's port [default: any free port].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
    },
    /// Builds the page as a static site, whose lists live in the browser, and serves it on this machine until Ctrl-C.
    ///
    /// It needs no program then: any static host can serve it, and it works offline. It is built from the sources, so run it in a
    /// copy of the repository.
    Web {
        /// The site's port; the browser keeps other lists for each port [default: 31338].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "out")]
        port: Option<u16>,
        /// Writes the files for a static host to this folder instead of serving them.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}
