//! `dip wipe`: removes all messages from this device.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use diplomatic::Seed;
use diplomatic::sync::SyncLog;
use serde::Serialize;

use crate::account::AccountError;
use crate::device::Place;
use crate::failure::Failure;
use crate::files;
use crate::shown::{Count, Shown};
use crate::time::today;

#[derive(Debug, Args)]
pub(crate) struct WipeArgs {
    /// Does not ask for confirmation.
    #[arg(long)]
    yes: bool,
    /// The export file [default: diplomatic-YYYY-MM-DD.dpl in the current directory].
    #[arg(long, value_name = "FILE", conflicts_with = "no_export")]
    export: Option<PathBuf>,
    /// Exports nothing. Messages that are on no host and no other device are lost.
    #[arg(long)]
    no_export: bool,
}

pub(crate) async fn run(place: &Place, arguments: &WipeArgs) -> Result<(), Failure> {
    let seed = place.seed()?;
    let store = place.store()?;
    if !store.exists() {
        return Err(Failure::NoStore { path: store });
    }
    tell_pending(place, &seed, arguments)?;
    confirm(&seed, &store, arguments)?;
    let export = if arguments.no_export {
        None
    } else {
        let file = arguments.export.clone().unwrap_or_else(|| format!("diplomatic-{}.dpl", today()).into());
        let messages = files::write(place, &seed, &file, false, true).await?.messages;
        place.output.tell(format_args!(
            "{} in {}. Only this account's seed opens that file.",
            Count(messages, "message"),
            Shown(&file.display().to_string())
        ));
        Some(file)
    };
    remove(&store)?;
    if place.store.is_none() {
        remove(&place.directory()?.hosts())?;
        remove(&place.directory()?.outcomes())?;
    }
    #[derive(Serialize)]
    struct Report<'a> {
        removed: &'a Path,
        export: Option<&'a Path>,
    }
    let text = format!("{} is removed; the seed of this device stays", Shown(&store.display().to_string()));
    place.output.result(&Report { removed: &store, export: export.as_deref() }, text)
}

/// Prints what exists nowhere else, as far as this device knows.
fn tell_pending(place: &Place, seed: &Seed, arguments: &WipeArgs) -> Result<(), Failure> {
    let mut device = match place.open(seed) {
        Ok(device) => device,
        Err(failure) if arguments.no_export && !failure.is_in_use() => {
            place.output.tell(format_args!("{}. Its contents are unknown.", Shown(&failure.sentence())));
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    let hosts = place.hosts()?;
    if hosts.is_empty() {
        let mut messages = 0;
        device.each_message(|_| messages += 1)?;
        place.output.tell(format_args!("{} here, and no host that could have them.", Count(messages, "message")));
    }
    for host in hosts {
        let link = device.link_host(&host.label())?;
        let pending = device.session_log(link).pending()?;
        let label = Shown(&host.label);
        place.output.tell(match pending {
            0 => format!("The host {label} has everything."),
            pending => format!(
                "The host {label} lacks {}: run `dip sync` first if it should have them.",
                Count(pending, "message")
            ),
        });
    }
    Ok(())
}

/// Asks for a word that nobody types by mistake.
fn confirm(seed: &Seed, store: &Path, arguments: &WipeArgs) -> Result<(), Failure> {
    if arguments.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage("there is no terminal to ask for confirmation: use --yes to remove the store"));
    }
    let fingerprint = seed.fingerprint();
    let name = store.display().to_string();
    // Even --quiet does not suppress the question.
    let question = format!(
        "This removes {} from this device. To continue, type the first word of the fingerprint ({fingerprint}): ",
        Shown(&name)
    );
    let mut answer = String::new();
    let asked = io::stderr().write_all(question.as_bytes()).and_then(|()| io::stdin().read_line(&mut answer));
    asked.map_err(Failure::Input)?;
    if answer.trim().eq_ignore_ascii_case(fingerprint.words()[0]) { Ok(()) } else { Err(Failure::Declined) }
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(AccountError::File { path: path.to_owned(), source: error }.into())
        }
        _ => Ok(()),
    }
}
