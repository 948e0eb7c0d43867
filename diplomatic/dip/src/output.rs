//! What is printed: results on standard output, everything else on standard error.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::failure::Failure;
use crate::payload;
use crate::progress::Meter;
use crate::shown::Shown;

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
    pub(crate) fn progress(self, what: &'static str) -> Meter {
        Meter::new(what, !self.is_quiet && io::stderr().is_terminal())
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
