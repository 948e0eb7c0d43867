//! The page's address, which stays the same from run to run.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

/// The page's address: `http://127.0.0.1:PORT/TOKEN/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) token: Token,
}

/// 32 unguessable hex digits in the address.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

/// Why the address could not be stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressFileError {
    #[error("{} cannot be read or written: fix that, or choose another directory with --data", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} holds no address of a page; remove it, and the page gets a new address", .path.display())]
    NoAddress { path: PathBuf },
}

impl Address {
    /// Reads the address of the last run, if there was one.
    pub(crate) fn load(directory: &Path) -> Result<Option<Self>, AddressFileError> {
        let path = file_in(directory);
        match fs::read_to_string(&path) {
            Ok(text) => parse(text.trim()).map(Some).ok_or(AddressFileError::NoAddress { path }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AddressFileError::Io { path, source }),
        }
    }

    /// Stores the address for the next run, readable only by its owner.
    pub(crate) fn store(&self, directory: &Path) -> Result<(), AddressFileError> {
        let path = file_in(directory);
        self.write(&path).map_err(|source| AddressFileError::Io { path, source })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        writeln!(options.open(path)?, "{self}")
    }
}

fn file_in(directory: &Path) -> PathBuf {
    directory.join("address")
}

fn parse(text: &str) -> Option<Address> {
    let (port, token) = text.strip_prefix("http://127.0.0.1:")?.strip_suffix('/')?.split_once('/')?;
    let is_token = token.len() == 32 && token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    Some(Address { port: port.parse().ok()?, token: is_token.then(|| Token(token.to_owned()))? })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, token: Token(token) } = self;
        write!(f, "http://127.0.0.1:{port}/{token}/")
    }
}

impl Token {
    pub(crate) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// Compares in constant time.
    pub(super) fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
