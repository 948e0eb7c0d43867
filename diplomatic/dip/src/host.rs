//! `dip host`: the hosts that this device syncs with.

use clap::Subcommand;
use diplomatic::Label;
use diplomatic::inspect::HostAccount;
use serde::Serialize;

use crate::check::check_account;
use crate::device::Place;
use crate::failure::Failure;
use crate::hosts::{self, Host, Hosts};
use crate::text::nfc;

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Adds a host after asking it whether it knows the account.
    ///
    /// A host that does not know the account, or has nothing of it, is refused unless you use --create. If you have
    /// other devices on this host, the seed, the label or the address is wrong.
    Add {
        /// The host's address, such as http://localhost:31337.
        #[arg(value_name = "URL")]
        address: String,
        /// Your name for the host. The keys depend on it, so use the same one on every device and in every app.
        #[arg(long, default_value_t = Label::default().name().to_owned())]
        label: String,
        /// The label's number, if other devices use another one than 0. The keys depend on it, too.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        index: u64,
        /// Adds the host even if it has nothing of this account, because this is the account's first device there.
        #[arg(long)]
        create: bool,
    },
    /// Lists the hosts to sync with: those that were added, or the one in DIP_HOST.
    List,
    /// Removes a host from the list, and forgets what waits for it. Its data stays on the host.
    Remove {
        /// The host's label.
        label: String,
        /// The label's number.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        index: u64,
    },
}

pub(crate) async fn run(place: &Place, command: HostCommand) -> Result<(), Failure> {
    let directory = place.directory()?;
    match command {
        HostCommand::Add { address, label, index, create } => {
            add(place, Host { label: nfc(&label), index, address }, create).await
        }
        HostCommand::List => list(place),
        HostCommand::Remove { label, index } => {
            let mut hosts = Hosts::read(&directory)?;
            let as_typed = hosts.remove(&Label::with_index(&label, index));
            let host = as_typed.or_else(|_| hosts.remove(&Label::with_index(nfc(&label), index)))?;
            forget(place, &host)?;
            hosts.write(&directory)?;
            place.output.result(&host.public(), format_args!("{host} at {} is forgotten", host.place()))
        }
    }
}

/// Drops what waits in the store for a host, and how far it was read.
fn forget(place: &Place, host: &Host) -> Result<(), Failure> {
    if place.store()?.exists() {
        place.open(&place.seed()?)?.unlink_host(&host.label())?;
    }
    Ok(())
}

async fn add(place: &Place, host: Host, create: bool) -> Result<(), Failure> {
    let directory = place.directory()?;
    let mut hosts = Hosts::read(&directory)?;
    hosts.add(host.clone())?;
    let seed = place.seed()?;
    let account = check_account(&seed, &host, create).await?;
    hosts.write(&directory)?;

    #[derive(Serialize)]
    struct Added<'a> {
        #[serde(flatten)]
        host: &'a Host,
        fingerprint: String,
        account: &'a str,
    }
    let fingerprint = seed.fingerprint();
    let (account, sentence) = match account {
        HostAccount::Known => ("known", format!("knows the account {fingerprint}")),
        HostAccount::Empty => ("empty", format!("has nothing of the account {fingerprint} yet")),
        _ => ("unknown", format!("does not know the account {fingerprint} yet")),
    };
    let line = format!("{host} at {} {sentence}", host.place());
    place.output.result(&Added { host: &host.public(), fingerprint: fingerprint.to_string(), account }, line)
}

fn list(place: &Place) -> Result<(), Failure> {
    let hosts = place.hosts()?;
    if place.output.is_json {
        return place.output.result(&Hosts { hosts: hosts.iter().map(Host::public).collect() }, "");
    }
    if hosts.is_empty() {
        place.output.tell("There is no host: add one with `dip host add`.");
    }
    if hosts::given()?.is_some() {
        place.output.tell("DIP_HOST is set, so its host is the only one; `dip host add` has no effect meanwhile.");
    }
    let mut out = place.output.lines();
    hosts.iter().try_for_each(|host| out.text(format_args!("{host}\t{}", host.place())))?;
    out.flush()
}
