//! `dip seed`: the account's secret.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Read};

use clap::{Args, Subcommand};
use diplomatic::raw::Raw;
use diplomatic::{Backing, Device, Seed};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use rand::rngs::StdRng;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::account::{self, AccountError, Directory, Kept, read_seed};
use crate::device::Place;
use crate::failure::Failure;
use crate::shown::Shown;

#[derive(Debug, Subcommand)]
pub(crate) enum SeedCommand {
    /// Creates a seed, stores it sealed with a passphrase, and shows its words once for you to write down.
    New(Keeping),
    /// Imports the seed of another device, as 24 words or 64 hex digits, from standard input.
    Import(Keeping),
    /// Prints the seed of this device. Whoever sees it can read and write everything.
    Show(Form),
    /// Checks whether the 24 words or 64 hex digits on standard input are the seed of this device.
    ///
    /// If this device has no seed, it checks whether they are a seed at all. It points out a wrong word.
    Check,
}

#[derive(Debug, Args)]
pub(crate) struct Keeping {
    /// Stores the seed in the system's keyring instead of a sealed file.
    #[arg(long)]
    keyring: bool,
}

/// The form to print; 64 hex digits by default.
#[derive(Debug, Args)]
pub(crate) struct Form {
    /// As 24 words.
    #[arg(long, conflicts_with = "qr")]
    words: bool,
    /// As a QR code for another device's camera.
    #[arg(long, conflicts_with = "json")]
    qr: bool,
}

/// Facts about a seed that was created, imported or checked.
#[derive(Debug, Serialize)]
struct About<'a> {
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<&'a str>,
    /// Whether it is this device's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_kept: Option<bool>,
}

pub(crate) fn run(place: &Place, command: SeedCommand) -> Result<(), Failure> {
    match command {
        SeedCommand::New(keeping) => new(place, &keeping),
        SeedCommand::Import(keeping) => import(place, &keeping),
        SeedCommand::Show(form) => show(place, &form),
        SeedCommand::Check => check(place),
    }
}

fn new(place: &Place, keeping: &Keeping) -> Result<(), Failure> {
    let directory = place.directory()?;
    if account::given()?.is_some() {
        return Err(AccountError::GivenAlready.into());
    }
    check_is_free(&directory)?;
    if directory.store().exists() {
        return Err(AccountError::Missing { path: directory.store() }.into());
    }
    let seed = Seed::random();
    Kept::keep(&directory, &seed, keeping.keyring)?;
    let (words, fingerprint) = (seed.expose_words(), seed.fingerprint());
    place.output.tell(
        "Write these words down, in this order, and keep them where only you can find them: whoever has them can read\n\
         and write everything, and without them nobody can restore what is lost with your devices.\n",
    );
    let text = format!("{}\nFingerprint: {fingerprint}", Numbered(&words));
    let about = About { fingerprint: fingerprint.to_string(), words: Some(&words), is_kept: None };
    place.output.result(&about, text)
}

fn import(place: &Place, keeping: &Keeping) -> Result<(), Failure> {
    let directory = place.directory()?;
    let is_damaged = match check_is_free(&directory) {
        Err(error) if error.is_damage() => true,
        free => {
            free?;
            false
        }
    };
    let seed = read_typed(place)?;
    let fingerprint = seed.fingerprint();
    if let Some(given) = account::given()?.filter(|given| given.fingerprint() != fingerprint) {
        let (given, kept) = (given.fingerprint().to_string(), fingerprint.to_string());
        return Err(AccountError::TwoSeeds { path: directory.seed(), given, kept }.into());
    }
    if directory.store().exists() {
        // Notice a store with another seed before writing anything.
        Device::<Raw>::open(Backing::file(directory.store()), &seed, rand::make_rng::<StdRng>())?;
    }
    if is_damaged {
        // Perhaps something can be made of it after all.
        let kept = directory.put_aside(&directory.seed())?;
        let kept = kept.display().to_string();
        place.output.tell(format_args!("The damaged file of the seed is kept as {}.", Shown(&kept)));
    }
    Kept::keep(&directory, &seed, keeping.keyring)?;
    let about = About { fingerprint: fingerprint.to_string(), words: None, is_kept: None };
    place.output.result(&about, format_args!("This device has the seed now. Fingerprint: {fingerprint}"))
}

fn check_is_free(directory: &Directory) -> Result<(), AccountError> {
    match Kept::read(directory)? {
        Some(kept) => Err(AccountError::Exists { path: directory.seed(), fingerprint: kept.fingerprint() }),
        None => Ok(()),
    }
}

fn show(place: &Place, form: &Form) -> Result<(), Failure> {
    let seed = place.seed()?;
    #[derive(Serialize)]
    struct Secret<'a> {
        seed: &'a str,
        words: &'a str,
        fingerprint: String,
    }
    let (hex, words) = (seed.expose_hex(), seed.expose_words());
    let secret = Secret { seed: &hex, words: &words, fingerprint: seed.fingerprint().to_string() };
    if form.words {
        place.output.result(&secret, &*words)
    } else if form.qr {
        place.output.result(&secret, &*code(&hex))
    } else {
        place.output.result(&secret, &*hex)
    }
}

fn check(place: &Place) -> Result<(), Failure> {
    let kept = match account::given()? {
        Some(given) => Some(given.fingerprint().to_string()),
        None => Kept::read(&place.directory()?)?.map(|kept| kept.fingerprint()),
    };
    let seed = read_typed(place)?;
    let fingerprint = seed.fingerprint().to_string();
    let sentence = match kept {
        Some(kept) if kept != fingerprint => {
            return Err(AccountError::AnotherSeed { given: fingerprint, kept }.into());
        }
        Some(_) => "This is the seed of this device.",
        None => "This is a seed, but this device has none to compare it with.",
    };
    let text = format!("{sentence} Fingerprint: {fingerprint}");
    let is_kept = Some(sentence.starts_with("This is the seed"));
    place.output.result(&About { fingerprint, words: None, is_kept }, text)
}

/// Reads a seed from standard input, up to a line that completes it, an empty line, or the end.
fn read_typed(place: &Place) -> Result<Seed, AccountError> {
    let mut text = Zeroizing::new(String::new());
    if io::stdin().is_terminal() {
        place.output.tell("Type the 24 words or the 64 hex digits, then an empty line:");
        loop {
            let before = text.len();
            let read = io::stdin().read_line(&mut text).map_err(AccountError::Input)?;
            let line = text[before..].trim();
            if read == 0 || (line.is_empty() && before > 0) || read_seed(&text).is_ok() {
                break;
            }
        }
    } else {
        io::stdin().read_to_string(&mut text).map_err(AccountError::Input)?;
    }
    Ok(read_seed(&text)?)
}

/// Returns the QR code of the hex digits, dark on light in any terminal.
fn code(hex: &str) -> Zeroizing<String> {
    // Capitals and digits have a denser form in a code.
    let digits = Zeroizing::new(hex.to_uppercase());
    let code = QrCode::new(digits.as_bytes()).expect("64 digits fit in a code");
    let drawn = Zeroizing::new(code.render::<Dense1x2>().build());
    if !io::stdout().is_terminal() {
        return drawn;
    }
    let mut coloured = Zeroizing::new(String::with_capacity(drawn.len() * 2));
    for (number, line) in drawn.lines().enumerate() {
        let start = if number == 0 { "" } else { "\n" };
        // A text in memory takes everything.
        let _ = write!(*coloured, "{start}\u{1b}[38;5;16;48;5;231m{line}\u{1b}[0m");
    }
    coloured
}

/// Words with their numbers, four a line.
struct Numbered<'a>(&'a str);

impl fmt::Display for Numbered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, word) in (1..).zip(self.0.split(' ')) {
            match place % 4 {
                0 => writeln!(f, "{place:>2}. {word}")?,
                _ => write!(f, "{place:>2}. {word:<8}   ")?,
            }
        }
        Ok(())
    }
}
