//! The Unix socket that only the host's own user may open.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::{fs, process};

use tokio::net::UnixListener;

/// A Unix socket that is taken off the disk when this is dropped.
#[derive(Debug)]
pub struct AdminSocket {
    path: PathBuf,
    pub(super) listener: UnixListener,
}

/// Why there is no socket for the operator's commands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another process listens there.
    #[error("another host listens on {}: stop it, or choose another path with --admin", path.display())]
    InUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// There is something else at the path.
    #[error("{} is there already and is no socket: choose another path with --admin", path.display())]
    Occupied {
        /// The socket's path.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("the socket {} for the operator's commands cannot be made ({source}): choose another path with --admin", path.display())]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Returns where the socket of the host on this data file is.
pub fn socket_beside(data: &Path) -> PathBuf {
    let mut path = data.as_os_str().to_owned();
    path.push(".sock");
    path.into()
}

impl AdminSocket {
    /// Listens at `path`. A socket that a crashed host left there is replaced.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, BindError> {
        let path = path.as_ref().to_owned();
        match fs::symlink_metadata(&path) {
            Ok(there) if !there.file_type().is_socket() => return Err(BindError::Occupied { path }),
            // Whoever left it does not answer any more.
            Ok(_) if BlockingStream::connect(&path).is_ok() => return Err(BindError::InUse { path }),
            Ok(_) | Err(_) => {}
        }
        match bind_privately(&path) {
            Ok(listener) => Ok(Self { path, listener }),
            Err(source) => Err(BindError::Io { path, source }),
        }
    }
}

/// Makes the socket under another name, in a folder that nobody else may enter, until it is closed to others.
fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    let mut folder = path.as_os_str().to_owned();
    folder.push(format!(".{}", process::id()));
    let folder = PathBuf::from(folder);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder)?;
    let bind = || {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let hidden = folder.join("s");
        let listener = UnixListener::bind(&hidden)?;
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o600))?;
        fs::rename(&hidden, path)?;
        Ok(listener)
    };
    let bound = bind();
    let _ = fs::remove_dir_all(&folder);
    bound
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
