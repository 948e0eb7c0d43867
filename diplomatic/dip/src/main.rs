//! `dip`: the data of any DIPLOMATIC account at the command line.

mod account;
mod cat;
mod check;
mod command;
mod compact;
mod device;
mod entry;
mod exit;
mod failure;
mod files;
mod host;
mod hosts;
mod interrupt;
mod log;
mod manual;
mod outcome;
mod output;
mod payload;
mod peers;
mod progress;
mod replay;
mod restore;
mod seed;
mod shown;
mod status;
mod sync;
mod text;
mod time;
mod verify;
mod wipe;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use diplomatic::attachments::KeepAttachments;

use crate::command::{Command, Line};
use crate::device::Place;
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let Line { data, store, wait, json, quiet, command } = Line::parse();
    let output = Output::new(json, quiet);
    let (wait, keep) = (Duration::from_secs(wait.into()), KeepAttachments::default());
    let place = Place { data, store, wait, output, keep };
    match start(&place, command) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as in `dip log | head -1`.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output.error(&failure);
            failure.exit().into()
        }
    }
}

fn start(place: &Place, command: Command) -> Result<(), Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().build().map_err(Failure::System)?;
    runtime.spawn(interrupt::end_on_ctrl_c());
    let outcome = runtime.block_on(run(place, command));
    // Do not wait for the lookup of a host's name, which may still be running.
    runtime.shutdown_background();
    outcome
}

async fn run(place: &Place, command: Command) -> Result<(), Failure> {
    match command {
        Command::Seed { command } => seed::run(place, command),
        Command::Host { command } => host::run(place, command).await,
        Command::Sync(arguments) => sync::run(place, &arguments).await,
        Command::Status => status::run(place),
        Command::Log(arguments) => log::run(place, &arguments).await,
        Command::Cat(arguments) => cat::run(place, arguments).await,
        Command::Export(arguments) => files::export(place, &arguments).await,
        Command::Import(arguments) => files::import(place, &arguments),
        Command::Replay(arguments) => replay::run(place, &arguments),
        Command::Restore(arguments) => restore::run(place, &arguments),
        Command::Verify(arguments) => verify::run(place, &arguments).await,
        Command::Compact(arguments) => compact::run(place, &arguments),
        Command::Wipe(arguments) => wipe::run(place, &arguments).await,
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { directory } => manual::pages(directory.as_deref()),
    }
}
