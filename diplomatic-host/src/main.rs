//! `diplomatic-host`: a host for DIPLOMATIC accounts.

mod command;
mod listen;
#[cfg(unix)]
mod operate;
mod program;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::command::{Command, Line, Log};

#[tokio::main]
async fn main() -> ExitCode {
    let Line { command } = Line::parse();
    let outcome = match command {
        Command::Serve(serve) => {
            start_logging(serve.log);
            program::serve(&serve).await.map_err(|error| error.to_string())
        }
        #[cfg(unix)]
        Command::Operate(operate) => operate::operate(&operate).await.map_err(|error| error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("diplomatic-host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging(log: Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match log {
        Log::Text => subscriber.init(),
        Log::Json => subscriber.json().with_span_list(false).init(),
    }
}
