//! Passphrases, from the terminal or from `DIP_PASSPHRASE`.

use std::env::{self, VarError};
use std::io;
use std::path::Path;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::interrupt::TERMINAL;
use crate::text::nfc;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassphraseError {
    #[error("there is no terminal to ask for the passphrase: set DIP_PASSPHRASE")]
    NoTerminal(#[source] io::Error),
    #[error("no passphrase was given")]
    Empty,
    #[error("the two passphrases differ, so nothing was stored: try again")]
    Differ,
    #[error("DIP_PASSPHRASE is not text")]
    NotText,
}

/// Asks for the passphrase of the seed in a file.
pub(super) fn ask(file: &Path) -> Result<Zeroizing<String>, PassphraseError> {
    match given()? {
        Some(passphrase) => Ok(passphrase),
        None => filled(prompt(&format!("Passphrase for {}: ", file.display()))?),
    }
}

/// Asks for a passphrase for a new seed, twice.
pub(super) fn choose(file: &Path) -> Result<Zeroizing<String>, PassphraseError> {
    if let Some(passphrase) = given()? {
        return Ok(passphrase);
    }
    let first = filled(prompt(&format!("Choose a passphrase to seal the seed in {}: ", file.display()))?)?;
    let second = prompt("Repeat the passphrase: ")?;
    if nfc(&first) == nfc(&second) { Ok(first) } else { Err(PassphraseError::Differ) }
}

fn given() -> Result<Option<Zeroizing<String>>, PassphraseError> {
    match env::var("DIP_PASSPHRASE") {
        Ok(passphrase) => Ok(Some(Zeroizing::new(passphrase)).filter(|passphrase| !passphrase.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(PassphraseError::NotText),
    }
}

fn prompt(question: &str) -> Result<Zeroizing<String>, PassphraseError> {
    let terminal = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = rpassword::prompt_password(question);
    drop(terminal);
    if answer.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
        // Ctrl-C ends the program in a moment.
        thread::sleep(Duration::from_secs(1));
    }
    answer.map(Zeroizing::new).map_err(PassphraseError::NoTerminal)
}

fn filled(passphrase: Zeroizing<String>) -> Result<Zeroizing<String>, PassphraseError> {
    if passphrase.is_empty() { Err(PassphraseError::Empty) } else { Ok(passphrase) }
}
