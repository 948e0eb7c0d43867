//! Ctrl-C: where it ends the program, and what must not be left behind then.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::signal;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Held while the terminal does not show what is typed.
pub(crate) static TERMINAL: Mutex<()> = Mutex::new(());

/// Whether a command takes Ctrl-C as its regular end.
static IS_EXPECTED: AtomicBool = AtomicBool::new(false);

/// Files that are of use to nobody before they are whole.
static LEFTOVERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Ends the program on Ctrl-C. That is safe at any moment: the store is as after a power cut, and loses nothing.
pub(crate) async fn end_on_ctrl_c() {
    if signal::ctrl_c().await.is_err() || IS_EXPECTED.load(Ordering::SeqCst) {
        return;
    }
    // A question for a passphrase puts the terminal back in order first.
    let _terminal = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
    for path in LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = fs::remove_file(path);
    }
    if io::stderr().is_terminal() {
        // The shell's prompt does not go on in the line of a progress bar.
        let _ = writeln!(io::stderr());
    }
    process::exit(INTERRUPTED);
}

/// Waits for Ctrl-C as the regular end of a command.
pub(crate) async fn regular_end() {
    IS_EXPECTED.store(true, Ordering::SeqCst);
    if signal::ctrl_c().await.is_err() {
        // Nobody can ask for the end in this way.
        std::future::pending::<()>().await;
    }
}

/// Names files that go when Ctrl-C ends the program, until what this returns is dropped.
pub(crate) fn remove_on_ctrl_c(files: impl IntoIterator<Item = PathBuf>) -> Leftovers {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).extend(files);
    Leftovers
}

/// Files that go when Ctrl-C ends the program, until this is dropped.
#[derive(Debug)]
pub(crate) struct Leftovers;

impl Drop for Leftovers {
    fn drop(&mut self) {
        LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
