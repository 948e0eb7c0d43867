//! `todo`: to-do lists that are the same on all of a user's devices.
//!
//! The process is one device (two in the demo). It serves a page to the browser on the same machine, pushes changes of
//! the state to it, and carries out the page's requests.

mod account;
mod arguments;
mod demo;
mod device;
mod page;
mod serve;
mod server;
mod shutdown;
mod web;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use todo::device::with_causes;
use tokio::runtime::Runtime;

use crate::arguments::{Act, Arguments};

fn main() -> ExitCode {
    match start(Arguments::parse().act) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {}", with_causes(&*error)));
            ExitCode::FAILURE
        }
    }
}

fn start(act: Act) -> Result<(), Box<dyn Error>> {
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(async {
        match act {
            Act::Serve { data, port } => serve::serve(data, port).await,
            Act::Demo { port } => demo::demo(port).await,
            Act::Web { port, out } => web::web(port, out).await,
        }
    });
    // Do not wait for the lookup of a host's name, which may still be running.
    runtime.shutdown_background();
    outcome
}

/// Prints a remark.
fn tell(sentence: &str) {
    // If standard error is closed, nobody is there to tell.
    let _ = writeln!(io::stderr(), "{sentence}");
}
