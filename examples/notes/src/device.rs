//! A device: its client, and the index that follows it.

use std::path::PathBuf;
use std::thread;

use diplomatic::error::ProjectError;
use diplomatic::projection::Progress;
use diplomatic::{Client, LogError, OpenError, blocking};

use crate::account::{Account, index_in, log_in};
use crate::index::Index;
use crate::library::Library;

/// A device.
#[derive(Debug)]
pub struct Device {
    client: blocking::Client<Library>,
    index: Index,
    index_file: PathBuf,
}

/// Why a device cannot work.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The client cannot be opened.
    #[error(transparent)]
    Client(#[from] OpenError),
    /// The index cannot be used.
    #[error("the index {} cannot be used: delete it, and it is made again", .path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The index cannot follow the log.
    #[error("the index cannot be kept up to date")]
    Following(#[from] ProjectError<LogError, rusqlite::Error>),
}

impl Device {
    /// Opens the notes of an account, with a host or offline.
    ///
    /// # Errors
    ///
    /// [`DeviceError`]. An unreachable host is not an error.
    pub fn open(account: Account, host: Option<&str>) -> Result<Self, DeviceError> {
        let Account { seed, directory } = account;
        let mut builder = Client::<Library>::builder(seed).store(log_in(&directory));
        if let Some(host) = host {
            builder = builder.host(host);
        }
        let client = builder.open_blocking()?;
        let index_file = index_in(&directory);
        let index =
            Index::open(&index_file, "").map_err(|source| DeviceError::Index { path: index_file.clone(), source })?;
        Ok(Self { client, index, index_file })
    }

    /// Returns the client.
    pub const fn client(&self) -> &blocking::Client<Library> {
        &self.client
    }

    /// Returns the index, to search in.
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// Brings the index up to date, and reports the progress.
    ///
    /// # Errors
    ///
    /// [`DeviceError`].
    pub fn catch_up(&self, watch: impl FnMut(Progress) + Send + 'static) -> Result<(), DeviceError> {
        let mut projector = self.client.as_async().projector(self.another_index()?);
        Ok(self.client.wait(projector.catch_up(watch))?)
    }

    /// Keeps the index up to date on another thread until the device is closed. Calls `saved` whenever rows were saved, and
    /// `failed` if that ends early.
    ///
    /// # Errors
    ///
    /// [`DeviceError`] if it cannot begin.
    pub fn follow(
        &self,
        saved: impl FnMut() + Send + 'static,
        failed: impl FnOnce(String) + Send + 'static,
    ) -> Result<(), DeviceError> {
        let client = self.client.clone();
        let mut projector = client.as_async().projector(self.another_index()?.on_save(saved));
        thread::spawn(move || {
            if let Err(error) = client.wait(projector.follow()) {
                failed(error.to_string());
            }
        });
        Ok(())
    }

    /// Closes the device.
    pub fn close(&self) {
        self.client.close();
    }

    /// SQLite wants a connection for each thread.
    fn another_index(&self) -> Result<Index, DeviceError> {
        Index::open(&self.index_file, "").map_err(|source| DeviceError::Index { path: self.index_file.clone(), source })
    }
}
