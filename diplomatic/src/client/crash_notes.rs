//! Notes of messages over which the program ended: in a browser, a panic cannot be caught.
//!
//! A panic hook writes the identity of the message that the app's code was working with into a private file beside the log.
//! The next start sets it aside, as a panic that was caught would have. It is tried again by another build of the program, and
//! after a day.

use std::cell::RefCell;
use std::panic;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast;
use web_sys::WorkerGlobalScope;

use super::private_file::patiently;
use crate::fold::crashed;
use crate::log::PrivateFile;
use crate::standard::{HeadHash, Timestamp};

/// After this time, a message is tried again.
const RETRY: Duration = Duration::from_secs(86_400);

/// A message over which the program ended.
#[derive(Serialize, Deserialize)]
struct Note {
    message: [u8; 32],
    at: Timestamp,
    /// Where the worker's script was loaded from, which tells builds apart if their addresses do.
    build: String,
}

struct Notes {
    file: PrivateFile,
    notes: Vec<Note>,
}

thread_local! {
    static NOTES: RefCell<Option<Notes>> = const { RefCell::new(None) };
}

/// Sets aside what is noted beside the log in this file, and notes what the program ends over from now on. Without notes,
/// everything goes on: a message over which the program ends then ends it at every start.
pub(super) async fn heed(log: &Path) {
    let mut name = log.as_os_str().to_owned();
    name.push(".crashes");
    let file = match patiently(async || PrivateFile::open(Path::new(&name)).await).await {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(?error, "crashes cannot be noted");
            return;
        }
    };
    let contents = file.contents().unwrap_or_default();
    // What cannot be read is from another version, or was cut short: each of the messages ends the program once more.
    let mut notes: Vec<Note> = rmp_serde::from_slice(&contents).unwrap_or_default();
    let (now, build) = (Timestamp::now(), build());
    notes.retain(|note| note.build == build && now < note.at.plus(RETRY));
    crashed::remember(notes.iter().map(|note| HeadHash::from_bytes(note.message)));
    NOTES.set(Some(Notes { file, notes }));
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            note();
            before(panic);
        }));
    });
}

/// Lets go of the file.
pub(super) fn close() {
    NOTES.set(None);
}

fn note() {
    let Some(message) = crashed::current() else { return };
    NOTES.with(|notes| {
        // A panic while a note is written cannot be noted.
        let Ok(mut notes) = notes.try_borrow_mut() else { return };
        let Some(Notes { file, notes }) = notes.as_mut() else { return };
        notes.push(Note { message: *message.as_bytes(), at: Timestamp::now(), build: build() });
        if let Ok(bytes) = rmp_serde::to_vec(notes) {
            _ = file.replace(&bytes);
        }
    });
}

fn build() -> String {
    let scope = js_sys::global().dyn_into::<WorkerGlobalScope>();
    scope.map_or_else(|_| String::new(), |scope| scope.location().href())
}
