//! Ctrl-C: ending the program without leaving partial files behind.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::signal;

/// The exit code that shells use for a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Held while the terminal does not echo input.
pub(crate) static TERMINAL: Mutex<()> = Mutex::new(());

/// Whether a command treats Ctrl-C as its regular end.
static IS_EXPECTED: AtomicBool = AtomicBool::new(false);

/// Files to remove if they are incomplete.
static LEFTOVERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Ends the program on Ctrl-C. This is safe at any time: the store survives it like a power cut.
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

/// Makes Ctrl-C remove a file, until the returned guard is dropped.
pub(crate) fn remove_on_ctrl_c(files: impl IntoIterator<Item = PathBuf>) -> Leftovers {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).extend(files);
    Leftovers
}

/// Makes Ctrl-C remove a file, until this guard is dropped.
#[derive(Debug)]
pub(crate) struct Leftovers;

impl Drop for Leftovers {
    fn drop(&mut self) {
        LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
