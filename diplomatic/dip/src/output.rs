//! What is printed: results on standard output, everything else on standard error.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::failure::Failure;
use crate::payload;
use crate::progress::Progress;

/// How much is printed, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether a script reads it.
    pub(crate) is_json: bool,
    is_quiet: bool,
}

impl Output {
    pub(crate) const fn new(is_json: bool, is_quiet: bool) -> Self {
        Self { is_json, is_quiet }
    }

    /// Prints the result: in JSON for scripts, and for people what `text` says.
    pub(crate) fn result(self, json: &impl Serialize, text: impl fmt::Display) -> Result<(), Failure> {
        let mut out = self.lines();
        if self.is_json {
            out.json(json)?;
        } else {
            out.text(text)?;
        }
        out.flush()
    }

    /// Returns standard output for many lines.
    pub(crate) fn lines(self) -> Lines {
        Lines { out: BufWriter::with_capacity(64 << 10, io::stdout().lock()) }
    }

    /// Says something to the person that is no result.
    pub(crate) fn tell(self, sentence: impl fmt::Display) {
        if !self.is_quiet {
            // A closed standard error is no reason to fail.
            let _ = writeln!(io::stderr(), "{sentence}");
        }
    }

    pub(crate) fn error(self, failure: &Failure) {
        // If standard error is gone too, nobody is left to tell.
        let _ = writeln!(io::stderr(), "error: {}", Shown(&failure.sentence()));
    }

    /// Returns what shows how far something is; nothing where nobody looks.
    pub(crate) fn progress(self, what: &'static str) -> Progress {
        Progress::new(what, !self.is_quiet && io::stderr().is_terminal())
    }
}

/// Standard output, for one line after the other.
#[derive(Debug)]
pub(crate) struct Lines {
    out: BufWriter<StdoutLock<'static>>,
}

impl Lines {
    pub(crate) fn text(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(Failure::Output)
    }

    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        payload::write_json(&mut self.out, value).and_then(|()| writeln!(self.out)).map_err(Failure::Output)
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::Output)
    }
}

/// Text from elsewhere, without what would steer the terminal or turn its lines around.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if steers_terminal(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// Tells whether a character is a control character, or changes the direction or the line of what follows.
pub(crate) fn steers_terminal(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A number of things, with the right form of the noun.
pub(crate) struct Count(pub(crate) u64, pub(crate) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        write!(f, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}

/// A number of bytes, for people.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        indicatif::BinaryBytes(self.0).fmt(f)
    }
}
