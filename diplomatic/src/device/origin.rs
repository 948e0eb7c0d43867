//! Where this device got a message from.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::log::{A_FILE, Link, THIS_DEVICE};
use crate::standard::Label;

/// Where this device got an event from. It differs between devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// This device emitted it.
    ThisDevice,
    /// The host with this label delivered it.
    Host(#[serde(with = "shared_label")] Arc<Label>),
    /// It was imported from an export file.
    File,
}

impl Origin {
    /// Returns how a message came that the link with this number brought.
    pub(super) fn of(links: &[Link], number: u32) -> Self {
        match links.iter().find(|link| link.number == number) {
            None if number == A_FILE => Self::File,
            Some(link) if number != THIS_DEVICE => Self::Host(link.label.clone()),
            _ => Self::ThisDevice,
        }
    }
}

mod shared_label {
    use super::{Arc, Deserialize, Label, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(label: &Arc<Label>, serializer: S) -> Result<S::Ok, S::Error> {
        (**label).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Arc<Label>, D::Error> {
        Label::deserialize(deserializer).map(Arc::new)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThisDevice => f.write_str("this device"),
            Self::Host(label) => label.fmt(f),
            Self::File => f.write_str("an export file"),
        }
    }
}
