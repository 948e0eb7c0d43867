//! Printing: results to standard output, everything else to standard error.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::failure::Failure;
use crate::payload;
use crate::progress::Meter;
use crate::shown::Shown;

/// How much to print, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether to print JSON, for scripts.
    pub(crate) is_json: bool,
    is_quiet: bool,
}

impl Output {
    pub(crate) const fn new(is_json: bool, is_quiet: bool) -> Self {
        Self { is_json, is_quiet }
    }

    /// Prints the result: `json` for scripts, `text` for people.
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

    /// Prints a remark that is not a result.
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

    /// Returns a progress bar, which stays hidden if standard error is not a terminal.
    pub(crate) fn progress(self, what: &'static str) -> Meter {
        Meter::new(what, !self.is_quiet && io::stderr().is_terminal())
    }
}

/// Standard output, line by line.
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
