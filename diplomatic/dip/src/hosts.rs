//! The hosts that this device syncs with: `hosts.json` in the data directory, or `DIP_HOST`.

use std::env::{self, VarError};
use std::fmt;
use std::path::PathBuf;

use diplomatic::Label;
use serde::{Deserialize, Serialize};

use crate::account::{AccountError, Directory};
use crate::exit::Exit;
use crate::shown::Shown;

/// A host, under the user's name for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) label: String,
    /// The label's number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) index: u64,
    /// May hold a name and a password, which are never shown.
    pub(crate) address: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(index: &u64) -> bool {
    *index == 0
}

/// The hosts that this device syncs with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hosts {
    pub(crate) hosts: Vec<Host>,
}

/// Why the list of hosts could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostsError {
    #[error(transparent)]
    File(#[from] AccountError),
    #[error("{} is not a list of hosts: fix it, or remove it and add each host again with `dip host add`", .path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("DIP_HOST is not text: set it to an address, such as http://localhost:31337")]
    NotText,
    #[error("there is a host with the label {host} already, at {}: remove it first, or choose another --label", host.place())]
    SameLabel { host: Host },
    #[error("there is no host with the label {}: `dip host list` names them", Shown(.label))]
    NoSuchLabel { label: String },
}

impl HostsError {
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::File(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

impl Host {
    pub(crate) fn label(&self) -> Label {
        Label::with_index(&self.label, self.index)
    }

    /// Returns the address for people, without a name and a password.
    pub(crate) fn place(&self) -> String {
        Shown(&without_credentials(&self.address)).to_string()
    }

    /// Returns it without a name and a password, for printing.
    pub(crate) fn public(&self) -> Self {
        Self { address: without_credentials(&self.address), ..self.clone() }
    }
}

/// Shows the label, with its number unless that is 0.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.label().to_string()).fmt(f)
    }
}

/// Returns an address without what stands before an `@`.
pub(crate) fn without_credentials(address: &str) -> String {
    let start = address.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = address.split_at(start);
    // A password may hold a slash that should have been escaped.
    let place = rest.rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}{}", &rest[place..])
}

impl Hosts {
    /// Reads the list, which is empty if the file does not exist.
    pub(crate) fn read(directory: &Directory) -> Result<Self, HostsError> {
        let path = directory.hosts();
        match Directory::read(&path)? {
            Some(text) => Ok(serde_json::from_str(&text).map_err(|source| HostsError::Damaged { path, source })?),
            None => Ok(Self::default()),
        }
    }

    pub(crate) fn write(&self, directory: &Directory) -> Result<(), AccountError> {
        let text = serde_json::to_string_pretty(self).expect("labels and addresses are text");
        directory.write(&directory.hosts(), &format!("{text}\n"), false)
    }

    pub(crate) fn add(&mut self, host: Host) -> Result<(), HostsError> {
        match self.hosts.iter().find(|other| other.label() == host.label()) {
            Some(other) => Err(HostsError::SameLabel { host: other.clone() }),
            None => {
                self.hosts.push(host);
                Ok(())
            }
        }
    }

    pub(crate) fn remove(&mut self, label: &Label) -> Result<Host, HostsError> {
        match self.hosts.iter().position(|host| host.label() == *label) {
            Some(place) => Ok(self.hosts.remove(place)),
            None => Err(HostsError::NoSuchLabel { label: label.to_string() }),
        }
    }
}

/// Returns the host that `DIP_HOST` names, under the label that the standard's tools use.
pub(crate) fn given() -> Result<Option<Host>, HostsError> {
    match env::var("DIP_HOST") {
        Ok(address) if address.trim().is_empty() => Ok(None),
        Ok(address) => {
            let label = Label::default().name().to_owned();
            Ok(Some(Host { label, index: 0, address: address.trim().to_owned() }))
        }
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(HostsError::NotText),
    }
}
