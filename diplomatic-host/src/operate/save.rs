//! Keeps a backup under its name only when it is whole and on the disk.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use diplomatic_host::backup::{self, Written};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncWriteExt};

use super::{OperateError, open};

/// How the name of an unfinished backup begins. Whoever writes one holds a lock on it until it has its name.
const PART: &str = ".diplomatic-host-backup-";

/// Writes what comes to the file, and returns what it holds.
pub(super) async fn save(path: &Path, input: &mut (impl AsyncRead + Unpin)) -> Result<Written, OperateError> {
    let failed = |source| OperateError::File { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    remove_abandoned(folder);
    let part = start(folder).map_err(failed)?;
    let mut file = tokio::fs::File::from_std(part.as_file().try_clone().map_err(failed)?);
    tokio::io::copy(input, &mut file).await.map_err(failed)?;
    file.flush().await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    let written = backup::verify(open(part.path()).await?).await;
    let written = written.map_err(|source| OperateError::NotWhole { path: path.to_owned(), source })?;
    part.persist(path).map_err(|error| failed(error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(written)
}

/// Makes a file for its user alone, which is gone again unless it is kept.
fn start(folder: &Path) -> io::Result<NamedTempFile> {
    loop {
        let part = tempfile::Builder::new().prefix(PART).tempfile_in(folder)?;
        part.as_file().lock()?;
        // Before it was locked, another backup may have taken it for abandoned.
        if part.path().exists() {
            return Ok(part);
        }
    }
}

/// Removes what is left of backups that were killed: nobody holds a lock on it. What cannot be removed harms nobody.
fn remove_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PART) {
            continue;
        }
        if let Ok(part) = File::open(entry.path())
            && part.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}
