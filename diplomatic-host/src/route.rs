//! Routes: which call a request is for.

use diplomatic::standard::calls::Call;

/// What a request asks for, according to its method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// One of the standard's calls.
    Call(Call),
    /// A browser's preflight request.
    Preflight,
    /// Anything else.
    Unknown,
}

impl Route {
    /// Returns the route for a `method` (in capitals) and a `path` (with its slash).
    pub fn of(method: &str, path: &str) -> Self {
        match method {
            "OPTIONS" => Self::Preflight,
            "POST" => Call::from_path(path).map_or(Self::Unknown, Self::Call),
            _ => Self::Unknown,
        }
    }
}
