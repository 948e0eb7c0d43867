//! Which call a request is for.

use diplomatic::standard::calls::Call;

/// What a request asks for, by its method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// One of the standard's calls.
    Call(Call),
    /// A browser asks whether it may call from another origin.
    Preflight,
    /// Nothing that a host knows.
    Unknown,
}

impl Route {
    /// Returns what `method` (in capitals) at `path` (with its slash) asks for.
    pub fn of(method: &str, path: &str) -> Self {
        match method {
            "OPTIONS" => Self::Preflight,
            "POST" => Call::from_path(path).map_or(Self::Unknown, Self::Call),
            _ => Self::Unknown,
        }
    }
}
