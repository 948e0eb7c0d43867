//! Where a browser keeps the log, and how safe it is there.

use std::fmt;

use serde::{Deserialize, Serialize};

/// With less room than this, there may soon be none.
const LITTLE: u64 = 32 << 20;

/// Where a browser keeps the log, and how safe it is there.
///
/// The `Display` form is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Storage {
    /// In a private file of the page's origin.
    Kept {
        /// Whether the browser promises to delete it only if the user says so. Otherwise it may delete the data of sites that
        /// have not been visited for long, when the device runs out of room. A page asks for the promise with
        /// `navigator.storage.persist()`.
        persistent: bool,
        /// How many bytes the origin takes, as far as the browser says.
        used: Option<u64>,
        /// How many bytes the origin may take, as far as the browser says.
        quota: Option<u64>,
    },
    /// In memory, until the page is closed: the browser offers no private files, as in some private windows.
    Memory {
        /// What the browser said.
        reason: String,
    },
}

impl Storage {
    /// Returns what the user can do about what is wrong; `None` if nothing is.
    pub const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Memory { .. } => {
                Some("wait until everything is sent before closing the page, or use a window that is not private")
            }
            Self::Kept { .. } if self.has_little_room() => Some("free some room on this device"),
            Self::Kept { persistent: false, .. } => {
                Some("install the app or bookmark it, so that the browser keeps its data")
            }
            Self::Kept { .. } => None,
        }
    }

    /// Returns whether the log is gone when the page is closed.
    pub const fn is_memory(&self) -> bool {
        matches!(self, Self::Memory { .. })
    }

    /// Returns whether there may soon be no room for more.
    pub const fn has_little_room(&self) -> bool {
        matches!(self, Self::Kept { used: Some(used), quota: Some(quota), .. } if quota.saturating_sub(*used) < LITTLE)
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { .. } => f.write_str("this browser keeps nothing here when the page is closed"),
            Self::Kept { .. } if self.has_little_room() => f.write_str("this browser has little room left"),
            Self::Kept { persistent: true, .. } => f.write_str("kept in this browser"),
            Self::Kept { persistent: false, .. } => {
                f.write_str("kept in this browser, which may delete it when the device runs out of room")
            }
        }
    }
}
