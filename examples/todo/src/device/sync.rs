//! The sync status in a few words.

use diplomatic::Timestamp;
use diplomatic::standard::Digest;
use diplomatic::storage::Storage;
use diplomatic::sync::Phase;
use serde::Serialize;

use super::{Device, capitalized};

/// The sync status in a few words.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct SyncView {
    sentence: String,
    pending: u64,
    offline: bool,
    mood: Mood,
    /// What is wrong with a clock or the storage, or missing of another device, and what to do about it; usually nothing.
    clock: Vec<String>,
    /// Four words that are the same on every device that has the same data.
    words: String,
    /// Where a browser keeps it.
    storage: Option<String>,
}

/// How urgent it is for the user.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Mood {
    Calm,
    Alone,
    Busy,
    Waiting,
    Trouble,
}

impl SyncView {
    pub(super) fn of(device: &Device, digest: &Digest) -> Self {
        let status = device.client.status();
        let (pending, offline) = (status.pending(), device.client.is_offline());
        let (words, mood) = match status.hosts().first() {
            None => ("No host".to_owned(), Mood::Alone),
            Some(_) if offline => ("Offline".to_owned(), Mood::Waiting),
            Some(host) => match &host.status.phase {
                _ if host.is_caught_up() && status.peers().is_complete() => ("In sync".to_owned(), Mood::Calm),
                Phase::Blocked { cause, .. } => (format!("No sync: {cause}"), Mood::Trouble),
                Phase::Waiting { trouble, .. } => (format!("No sync: {trouble}"), Mood::Waiting),
                Phase::FirstSync(progress) if progress.total > 0 => {
                    (format!("First sync: {} of {}", progress.done, progress.total), Mood::Busy)
                }
                Phase::CaughtUp if !status.peers().is_complete() => ("Changes are missing".to_owned(), Mood::Trouble),
                Phase::CaughtUp if host.status.refused > 0 => ("The host refused changes".to_owned(), Mood::Trouble),
                Phase::CaughtUp if host.status.skipped + host.status.holes > 0 => {
                    (capitalized(&host.status.to_string()), Mood::Trouble)
                }
                _ if pending > 0 => (String::new(), Mood::Busy),
                _ => ("Syncing".to_owned(), Mood::Busy),
            },
        };
        let clock = status.clock_troubles();
        let clock = clock.iter().map(|trouble| capitalized(&format!("{trouble}: {}.", trouble.remedy())));
        let missing = status.peers().missing_in_words(|since| format!("since {} UTC", time_of_day(since)));
        let missing = missing.map(|missing| format!("{missing}."));
        let is_unsafe = |storage: &&Storage| storage.is_memory() || storage.has_little_room();
        let storage = status.storage().filter(is_unsafe).map(in_words);
        let clock = storage.into_iter().chain(missing).chain(clock).collect();
        let storage = status.storage().map(in_words);
        Self { sentence: with_pending(words, pending), pending, offline, mood, clock, words: digest.words(), storage }
    }
}

fn in_words(storage: &Storage) -> String {
    let remedy = storage.remedy().map_or_else(String::new, |remedy| format!(": {remedy}"));
    capitalized(&format!("{storage}{remedy}."))
}

/// Shows the hour and the minute.
fn time_of_day(time: Timestamp) -> String {
    let minutes = time.as_millis() / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

fn with_pending(words: String, pending: u64) -> String {
    let waits = match pending {
        0 => return words,
        1 => "1 change waits".to_owned(),
        more => format!("{more} changes wait"),
    };
    if words.is_empty() { waits } else { format!("{words}, {waits}") }
}
