//! Keys and certificates on disk, for the user of the host alone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::AcmeError;

/// The folder of one authority: an account, and a certificate with its key.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

const ACCOUNT: &str = "account.json";
const CERTIFICATE: &str = "certificate.pem";

impl Cache {
    /// Opens the folder for an authority below `cache`, and makes it where there is none.
    pub(super) fn open(cache: &Path, directory: &str) -> Result<Self, AcmeError> {
        let folder = cache.join(folder_name(directory));
        make_private(&folder).map_err(|source| AcmeError::Cache { path: folder.clone(), source })?;
        for folder in [cache, &folder] {
            let others_write = others_write(folder);
            if others_write.map_err(|source| AcmeError::Cache { path: folder.to_owned(), source })? {
                return Err(AcmeError::Shared { path: folder.to_owned() });
            }
        }
        Ok(Self { folder })
    }

    /// Returns the private key and the certificates, in PEM.
    pub(super) fn certificate(&self) -> Result<Option<String>, AcmeError> {
        Ok(self.read(CERTIFICATE)?.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    pub(super) fn keep_certificate(&self, pem: &str) -> Result<(), AcmeError> {
        self.write(CERTIFICATE, pem.as_bytes())
    }

    /// Returns the account; none if what is there is not one.
    pub(super) fn account(&self) -> Result<Option<Value>, AcmeError> {
        Ok(self.read(ACCOUNT)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) fn keep_account(&self, account: &Value) -> Result<(), AcmeError> {
        self.write(ACCOUNT, account.to_string().as_bytes())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, AcmeError> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AcmeError::Cache { path, source }),
        }
    }

    /// Writes a file that only its user may read, whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), AcmeError> {
        let path = self.folder.join(name);
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            // Where a folder cannot be synced, a crash may bring back the file as it was.
            File::open(&self.folder).and_then(|folder| folder.sync_all()).or(Ok(()))
        };
        write().map_err(|source| AcmeError::Cache { path: path.clone(), source })
    }
}

/// Another directory is another authority, whose accounts and certificates are others.
fn folder_name(directory: &str) -> String {
    let name = directory.strip_prefix("https://").unwrap_or(directory);
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    name.chars().map(letter).collect::<String>().trim_matches(['-', '.']).to_owned()
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(unix)]
fn others_write(folder: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    Ok(fs::metadata(folder)?.mode() & 0o022 != 0)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(not(unix))]
fn others_write(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    const DIRECTORY: &str = "https://authority.example.org:14000/dir";

    #[test]
    fn keys_are_for_their_user_alone_and_each_authority_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("certificates");
        let cache = Cache::open(&root, DIRECTORY).unwrap();
        assert_eq!(cache.certificate().unwrap(), None);
        for text in ["one", "another"] {
            cache.keep_certificate(text).unwrap();
            cache.keep_account(&Value::from(text)).unwrap();
            assert_eq!(cache.certificate().unwrap().as_deref(), Some(text));
            assert_eq!(cache.account().unwrap(), Some(Value::from(text)));
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&root), mode(&cache.folder)), (0o700, 0o700));
        let files: Vec<_> = fs::read_dir(&cache.folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 2, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600));
        let other = Cache::open(&root, "https://authority.example.org:14000/staging").unwrap();
        assert_eq!(other.certificate().unwrap(), None);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let error = Cache::open(folder.path(), DIRECTORY).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Cache::open(&file, DIRECTORY).unwrap_err(), AcmeError::Cache { .. }));
    }
}
