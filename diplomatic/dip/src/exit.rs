//! Exit codes, which tell scripts the outcome of a command.

use std::process::ExitCode;

/// The exit codes, as `dip --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    Seed = 3,
    Host = 4,
    Found = 5,
    UnknownAccount = 6,
    Store = 7,
}

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed for a reason not listed below
  2  wrong usage
  3  no seed, another seed, or a wrong passphrase
  4  a host could not be reached, or refused
  5  `verify` found a problem
  6  the host does not know the account: use --create if the seed is right
  7  the store is in use, damaged, or newer than this program";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
