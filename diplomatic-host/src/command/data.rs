//! Where the data is.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
#[cfg(unix)]
use diplomatic_host::socket_beside;

/// A data file, or a database.
#[derive(Clone)]
pub(crate) enum Data {
    File(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(String),
}

#[derive(Debug, thiserror::Error)]
#[error("this program was built without the feature postgres: build it with that")]
struct NoPostgres;

impl Data {
    /// Reads what stands on the command line.
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        OsStringValueParser::new().try_map(Self::parse)
    }

    fn parse(text: OsString) -> Result<Self, NoPostgres> {
        let url = text.to_str().filter(|text| ["postgres://", "postgresql://"].iter().any(|it| text.starts_with(it)));
        match url {
            None => Ok(Self::File(text.into())),
            #[cfg(feature = "postgres")]
            Some(url) => Ok(Self::Postgres(url.to_owned())),
            #[cfg(not(feature = "postgres"))]
            Some(_) => Err(NoPostgres),
        }
    }

    /// Returns where the socket for the operator's commands is, if nothing else is said.
    #[cfg(unix)]
    pub(crate) fn socket(&self) -> PathBuf {
        match self {
            Self::File(path) => socket_beside(path),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "diplomatic-host.sock".into(),
        }
    }
}

/// The address of a database may hold a password, which is not written to logs.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}
