//! The time.

use diplomatic::standard::Timestamp;
use worker::{Date, Request};

/// Tells the time while a request is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// The time that a test's request has brought along.
    #[cfg(feature = "testing")]
    fixed: Option<Timestamp>,
}

impl Clock {
    pub(crate) const fn real() -> Self {
        Self {
            #[cfg(feature = "testing")]
            fixed: None,
        }
    }

    #[cfg(not(feature = "testing"))]
    pub(crate) const fn of(_request: &Request) -> Self {
        Self::real()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn of(request: &Request) -> Self {
        let millis = request.headers().get("x-clock").ok().flatten();
        Self { fixed: millis.and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis) }
    }

    pub(crate) fn now(self) -> Timestamp {
        #[cfg(feature = "testing")]
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        Timestamp::from_millis(Date::now().as_millis())
    }
}
