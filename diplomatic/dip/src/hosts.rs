//! The hosts that this device syncs with: `hosts.json` in the data directory, or `DIP_HOST`.

use std::env::{self, VarError};
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
    pub(crate) address: String,
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
    #[error("there is a host with the label {} already, at {}: remove it first, or choose another --label", Shown(.0.label.as_str()), Shown(.0.address.as_str()))]
    SameLabel(Host),
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
        Label::new(&self.label)
    }
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
        match self.hosts.iter().find(|other| other.label == host.label) {
            Some(other) => Err(HostsError::SameLabel(other.clone())),
            None => {
                self.hosts.push(host);
                Ok(())
            }
        }
    }

    pub(crate) fn remove(&mut self, label: &str) -> Result<Host, HostsError> {
        match self.hosts.iter().position(|host| host.label == label) {
            Some(place) => Ok(self.hosts.remove(place)),
            None => Err(HostsError::NoSuchLabel { label: label.to_owned() }),
        }
    }
}

/// Returns the host that `DIP_HOST` names, under the label that the standard's tools use.
pub(crate) fn given() -> Result<Option<Host>, HostsError> {
    match env::var("DIP_HOST") {
        Ok(address) if address.trim().is_empty() => Ok(None),
        Ok(address) => Ok(Some(Host { label: Label::default().name().to_owned(), address: address.trim().to_owned() })),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(HostsError::NotText),
    }
}
