//! `notes`: notes in a terminal, the same on all of a person's devices.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use notes::account::Account;
use notes::demo::{self, bar};
use notes::device::Device;
use notes::ui::{self, Pane};
use notes::{markdown, replay};

type Failure = Box<dyn Error + Send + Sync>;

/// Notes with folders, tags, files and full-text search, the same on all of your devices.
///
/// Without a command, it shows your notes. The host that relays them between your devices cannot read them.
#[derive(Debug, Parser)]
#[command(version, after_help = ENVIRONMENT, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    device: DeviceArgs,
}

const ENVIRONMENT: &str = "\
Environment:
  DIP_HOST  The host's address, such as http://localhost:31337. Without it, the notes stay on this device
  DIP_SEED  Whose notes they are: 64 hex digits, the same on all devices. Without it, the first run makes a seed and
            keeps it in the data directory";

#[derive(Debug, Args)]
struct DeviceArgs {
    /// The data directory of this device, created if needed
    /// [default: $XDG_DATA_HOME/diplomatic-notes, or ~/.local/share/diplomatic-notes].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The host's address.
    #[arg(long, value_name = "URL", env = "DIP_HOST", hide_env = true)]
    host: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Imports a folder of Markdown files, again as often as you like.
    ///
    /// Each file becomes a note, and each subfolder a folder. Its tags stand behind `tags:` between two lines of `---` at the
    /// beginning. A file that was imported before replaces its note if they differ.
    Import {
        /// The folder.
        folder: PathBuf,
        #[command(flatten)]
        device: DeviceArgs,
    },
    /// Makes an index of many accounts from their export files, as a server does.
    ///
    /// The seed of `anna.dpl` stands in `anna.seed`. The account's name in the index is `anna`.
    Replay {
        /// The export files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The SQLite file to write; what is there of other accounts stays.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Where the seeds are, if not beside the files.
        #[arg(long, value_name = "DIR")]
        seeds: Option<PathBuf>,
    },
    /// Shows two devices side by side, with many notes and a host, all in this process.
    Demo {
        /// How many notes.
        #[arg(long, default_value_t = 50_000)]
        notes: u64,
    },
}

fn main() -> ExitCode {
    match run(Line::parse()) {
        Ok(code) => code,
        Err(error) => {
            let mut sentence = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                sentence = format!("{sentence}: {error}");
                cause = error.source();
            }
            // If standard error is gone, nobody is left to tell.
            let _ = writeln!(io::stderr(), "error: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: Line) -> Result<ExitCode, Failure> {
    match line.command {
        None => {
            let device = open(line.device)?;
            ui::run(&mut [Pane::new("notes", device)?])?;
        }
        Some(Command::Import { folder, device }) => {
            let device = open(device)?;
            let bar = bar("Importing", 0);
            let imported = markdown::import(&device, &folder, |done, total| {
                bar.set_length(total as u64);
                bar.set_position(done as u64);
            })?;
            bar.finish_and_clear();
            device.catch_up(|_| ())?;
            if !device.client().status().hosts().is_empty() {
                device.client().sync()?;
            }
            device.close();
            writeln!(io::stdout(), "{} notes imported, {} unchanged", imported.written, imported.unchanged)?;
        }
        Some(Command::Replay { files, to, seeds }) => return replay_all(&files, seeds.as_deref(), &to),
        Some(Command::Demo { notes }) => demo::demo(notes)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn open(DeviceArgs { data, host }: DeviceArgs) -> Result<Device, Failure> {
    let host = host.as_deref().map(str::trim).filter(|host| !host.is_empty());
    Ok(Device::open(Account::find(data)?, host)?)
}

fn replay_all(files: &[PathBuf], seeds: Option<&std::path::Path>, to: &std::path::Path) -> Result<ExitCode, Failure> {
    let bar = bar("Replaying", 0);
    let replayed = replay::replay(files, seeds, to, |done| {
        bar.set_length(done.max(bar.length().unwrap_or(0)));
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let mut code = ExitCode::SUCCESS;
    for file in replayed {
        match file.outcome {
            Ok(messages) => writeln!(io::stdout(), "{}: {messages} messages", file.file.display())?,
            Err(error) => {
                code = ExitCode::FAILURE;
                writeln!(io::stderr(), "error: {}: {error}", file.file.display())?;
            }
        }
    }
    Ok(code)
}
