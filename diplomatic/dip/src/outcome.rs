//! What the last sync with each host came to: `last-sync.json` in the data directory.

use diplomatic::SyncStatus;
use serde::{Deserialize, Serialize};

use crate::account::Directory;
use crate::device::{Place, line};
use crate::hosts::Host;
use crate::time::{now, rfc3339};

/// What the last sync with a host came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The host's label, with its number unless that is 0.
    label: String,
    /// When it was, in RFC 3339.
    pub(crate) at: String,
    /// What was wrong, as a sentence without its end; `None` if all was well.
    pub(crate) trouble: Option<String>,
}

/// Keeps the outcome of a sync for `dip status`.
pub(crate) fn note(place: &Place, status: &SyncStatus) {
    let Ok(directory) = place.directory() else { return };
    let at = rfc3339(now()).unwrap_or_default();
    let outcomes: Vec<Outcome> = status
        .hosts()
        .iter()
        .map(|host| Outcome {
            label: host.label.to_string(),
            at: at.clone(),
            trouble: (!host.is_caught_up()).then(|| line(host)),
        })
        .collect();
    let Ok(text) = serde_json::to_string_pretty(&outcomes) else { return };
    // What cannot be kept is only missing in the next status.
    let _ = directory.write(&directory.outcomes(), &format!("{text}\n"), false);
}

/// Returns what the last sync with a host came to, as far as that is known.
pub(crate) fn last(place: &Place, host: &Host) -> Option<Outcome> {
    let directory = place.directory().ok()?;
    let text = Directory::read(&directory.outcomes()).ok()??;
    let outcomes: Vec<Outcome> = serde_json::from_str(&text).ok()?;
    let label = host.label().to_string();
    outcomes.into_iter().find(|outcome| outcome.label == label)
}
