//! Private files of a page's origin (OPFS), which a browser offers to dedicated workers.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use js_sys::{JsString, Reflect};
use redb::StorageBackend;
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetFileOptions, FileSystemReadWriteOptions,
    FileSystemSyncAccessHandle, WorkerGlobalScope,
};

use super::backing::Backing;

/// Why a private file could not be opened.
#[derive(Debug)]
pub(crate) enum PrivateFileError {
    /// The browser offers none here, as in some private windows.
    NotOffered(String),
    /// Another worker has it open.
    InUse,
    Io(io::Error),
}

/// An open private file. No other worker can open it until the last clone is dropped.
#[derive(Clone)]
pub(crate) struct PrivateFile(Arc<Handle>);

/// A handle, which stays in the worker that opened it: browsers give each its own memory.
struct Handle(SendWrapper<FileSystemSyncAccessHandle>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl PrivateFile {
    /// Opens a file, or creates an empty one.
    pub(crate) async fn open(path: &Path) -> Result<Self, PrivateFileError> {
        let name = path.to_str().filter(|name| !name.is_empty() && !name.contains('/'));
        let name = name.ok_or_else(|| {
            PrivateFileError::Io(io::Error::new(io::ErrorKind::InvalidInput, "use a name without slashes"))
        })?;
        let folder = folder().await.map_err(|error| PrivateFileError::NotOffered(message(&error)))?;
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file: FileSystemFileHandle = JsFuture::from(folder.get_file_handle_with_options(name, &options))
            .await
            .map_err(|error| PrivateFileError::Io(io_error(&error)))?
            .unchecked_into();
        if !Reflect::has(&file, &"createSyncAccessHandle".into()).unwrap_or_default() {
            return Err(PrivateFileError::NotOffered("only a dedicated worker can use private files".to_owned()));
        }
        let handle =
            JsFuture::from(file.create_sync_access_handle()).await.map_err(|error| match &*error_name(&error) {
                "NoModificationAllowedError" => PrivateFileError::InUse,
                _ => PrivateFileError::Io(io_error(&error)),
            })?;
        Ok(Self(Arc::new(Handle(SendWrapper::new(handle.unchecked_into())))))
    }

    /// Returns the whole contents of a small file.
    pub(crate) fn contents(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.size()? as usize];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Replaces the contents of a small file, durably.
    pub(crate) fn replace(&self, contents: &[u8]) -> io::Result<()> {
        self.resize(0)?;
        self.write_at(0, contents)?;
        self.sync()
    }

    fn handle(&self) -> &FileSystemSyncAccessHandle {
        &self.0.0
    }

    fn size(&self) -> io::Result<u64> {
        self.handle().get_size().map(|size| size as u64).map_err(|error| io_error(&error))
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.handle().truncate_with_f64(len as f64).map_err(|error| io_error(&error))
    }

    fn sync(&self) -> io::Result<()> {
        self.handle().flush().map_err(|error| io_error(&error))
    }

    fn read_at(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            let read = self.handle().read_with_u8_array_and_options(out, &at(offset));
            let read = read.map_err(|error| io_error(&error))? as usize;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            offset += read as u64;
            out = &mut out[read..];
        }
        Ok(())
    }

    fn write_at(&self, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let written = self.handle().write_with_u8_array_and_options(data, &at(offset));
            let written = written.map_err(|error| io_error(&error))? as usize;
            if written == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            offset += written as u64;
            data = &data[written..];
        }
        Ok(())
    }
}

impl StorageBackend for PrivateFile {
    fn len(&self) -> io::Result<u64> {
        self.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.resize(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_at(offset, data)
    }
}

impl fmt::Debug for PrivateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateFile")
    }
}

impl Backing {
    /// Opens the private file that a [`file`](Self::file) is in a browser.
    pub(crate) async fn private_file(&self) -> Result<Self, PrivateFileError> {
        let path = self.path().to_owned();
        let file = PrivateFile::open(&path).await?;
        Ok(Self::named(path, move || Ok(file.clone())))
    }
}

async fn folder() -> Result<FileSystemDirectoryHandle, JsValue> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into()?;
    let storage = scope.navigator().storage();
    // Some browsers have no storage at all where the page is not secure, or in private windows.
    if storage.is_undefined() || !Reflect::has(&storage, &"getDirectory".into())? {
        return Err("this browser offers no private files here".into());
    }
    Ok(JsFuture::from(storage.get_directory()).await?.unchecked_into())
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(offset as f64);
    options
}

fn io_error(error: &JsValue) -> io::Error {
    let kind = match &*error_name(error) {
        "QuotaExceededError" => io::ErrorKind::StorageFull,
        "NotFoundError" => io::ErrorKind::NotFound,
        "NotAllowedError" | "SecurityError" => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, message(error))
}

fn error_name(error: &JsValue) -> String {
    field(error, "name")
}

fn message(error: &JsValue) -> String {
    let text = error.as_string().unwrap_or_else(|| field(error, "message"));
    if text.is_empty() { "the browser does not say why".to_owned() } else { text }
}

fn field(error: &JsValue, name: &str) -> String {
    Reflect::get(error, &name.into())
        .ok()
        .and_then(|value| value.dyn_into::<JsString>().ok())
        .map_or_else(String::new, Into::into)
}
