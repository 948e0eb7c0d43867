//! `dip host`: the hosts that this device syncs with.

use clap::Subcommand;
use diplomatic::Label;
use diplomatic::inspect::HostAccount;
use serde::Serialize;

use crate::check::check_account;
use crate::device::Place;
use crate::failure::Failure;
use crate::hosts::{Host, Hosts};
use crate::shown::Shown;

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
        /// Adds the host even if it has nothing of this account, because this is the account's first device there.
        #[arg(long)]
        create: bool,
    },
    /// Lists the hosts.
    List,
    /// Removes a host from the list. Its data stays on the host.
    Remove {
        /// The host's label.
        label: String,
    },
}

pub(crate) async fn run(place: &Place, command: HostCommand) -> Result<(), Failure> {
    let directory = place.directory()?;
    match command {
        HostCommand::Add { address, label, create } => add(place, Host { label, address }, create).await,
        HostCommand::List => list(place, &Hosts::read(&directory)?),
        HostCommand::Remove { label } => {
            let mut hosts = Hosts::read(&directory)?;
            let host = hosts.remove(&label)?;
            hosts.write(&directory)?;
            place.output.result(&host, format_args!("{} at {} is forgotten", Shown(&host.label), Shown(&host.address)))
        }
    }
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
    let line = format!("{} at {} {sentence}", Shown(&host.label), Shown(&host.address));
    place.output.result(&Added { host: &host, fingerprint: fingerprint.to_string(), account }, line)
}

fn list(place: &Place, hosts: &Hosts) -> Result<(), Failure> {
    if place.output.is_json {
        return place.output.result(hosts, "");
    }
    if hosts.hosts.is_empty() {
        place.output.tell("There is no host: add one with `dip host add`.");
    }
    let mut out = place.output.lines();
    for Host { label, address } in &hosts.hosts {
        out.text(format_args!("{}\t{}", Shown(label), Shown(address)))?;
    }
    out.flush()
}
