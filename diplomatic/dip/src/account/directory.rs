//! The data directory, with the seed, the hosts and the messages.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::AccountError;

/// The data directory. It may not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// Returns the named directory, or the default one.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, AccountError> {
        named.map(Path::to_owned).or_else(usual).map(Self).ok_or(AccountError::NoHome)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn seed(&self) -> PathBuf {
        self.0.join("seed")
    }

    pub(crate) fn hosts(&self) -> PathBuf {
        self.0.join("hosts.json")
    }

    /// Returns the path of what the last syncs came to.
    pub(crate) fn outcomes(&self) -> PathBuf {
        self.0.join("last-sync.json")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("dip.redb")
    }

    /// Creates the directory if needed, accessible only to its owner.
    pub(crate) fn make(&self) -> Result<(), AccountError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(|source| AccountError::Directory { path: self.0.clone(), source })
    }

    /// Reads a file; `None` if it does not exist.
    pub(crate) fn read(file: &Path) -> Result<Option<String>, AccountError> {
        match fs::read_to_string(file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AccountError::File { path: file.to_owned(), source }),
        }
    }

    /// Atomically writes a file that is accessible only to its owner. With `is_new`, it never replaces another.
    pub(crate) fn write(&self, file: &Path, text: &str, is_new: bool) -> Result<(), AccountError> {
        self.make()?;
        self.put(file, text, is_new).map_err(|source| AccountError::File { path: file.to_owned(), source })
    }

    /// Renames a file, so that its name is free, and returns the new name.
    pub(crate) fn put_aside(&self, file: &Path) -> Result<PathBuf, AccountError> {
        let problem = |source| AccountError::File { path: file.to_owned(), source };
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for number in 1_u32.. {
            let aside = self.0.join(format!("{name}.damaged-{number}"));
            // A link fails if the name is taken, where renaming would replace what is there.
            match fs::hard_link(file, &aside) {
                Ok(()) => {
                    fs::remove_file(file).map_err(problem)?;
                    return Ok(aside);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(problem(source)),
            }
        }
        Err(problem(io::ErrorKind::AlreadyExists.into()))
    }

    fn put(&self, file: &Path, text: &str, is_new: bool) -> io::Result<()> {
        // It is made with mode 0600.
        let mut temporary = NamedTempFile::new_in(&self.0)?;
        temporary.write_all(text.as_bytes())?;
        temporary.as_file().sync_all()?;
        if is_new {
            temporary.persist_noclobber(file)?;
        } else {
            temporary.persist(file)?;
        }
        // Syncing the directory makes the name durable. Platforms that cannot open directories do not need this.
        File::open(&self.0).and_then(|directory| directory.sync_all()).or(Ok(()))
    }
}

/// Returns the platform's directory for application data.
fn usual() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").or_else(env::home_dir);
    let usual = || match env::consts::OS {
        "macos" | "ios" => Some(home()?.join("Library/Application Support")),
        "windows" => absolute("LOCALAPPDATA"),
        _ => Some(home()?.join(".local/share")),
    };
    Some(absolute("XDG_DATA_HOME").or_else(usual)?.join("diplomatic"))
}
