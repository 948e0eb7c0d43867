//! `status`: one status line, the same on all of a user's devices.

mod account;
mod command;
mod demo;
mod device;
mod event;
mod text;
mod watch;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;

use crate::account::Account;
use crate::command::{Command, DeviceArgs, Line};
use crate::device::Device;
use crate::text::Shown;

fn main() -> ExitCode {
    match start(Line::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as in `status watch | head -1`.
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let mut sentence = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                sentence = format!("{sentence}: {error}");
                cause = error.source();
            }
            // If standard error is gone too, nobody is left to tell.
            let _ = writeln!(io::stderr(), "error: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(run(command));
    // Do not wait for the lookup of a host's name, which may still be running.
    runtime.shutdown_background();
    outcome
}

async fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Write { text, device } => {
            let device = open(device).await?;
            device.write(text).await?;
            device.close().await;
        }
        Command::Read { device } => {
            let device = open(device).await?;
            device.sync().await?;
            match device.text() {
                Some(text) => writeln!(io::stdout(), "{}", Shown(&text))?,
                None => tell("There is no status yet."),
            }
            device.close().await;
        }
        Command::Watch { device } => {
            let device = open(device).await?;
            watch::watch(&device).await?;
            device.close().await;
        }
        Command::Demo => demo::demo().await?,
    }
    Ok(())
}

async fn open(DeviceArgs { data }: DeviceArgs) -> Result<Device, Box<dyn Error>> {
    Ok(Device::open(Account::find(data)?).await?)
}

/// Prints a remark. Standard output is for the status alone.
fn tell(sentence: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "{sentence}");
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
