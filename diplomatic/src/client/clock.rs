//! Problems with a clock, this device's or another's.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::device::{Ahead, InWords};
use crate::standard::ClockOffset;
use crate::sync::{BlockCause, HostStatus, Phase};

/// Smaller offsets from the hosts' clocks are tolerated.
const TOLERATED: Duration = Duration::from_secs(60);

/// A problem with a clock, this device's or another's.
///
/// The `Display` form is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClockTrouble {
    /// This device's clock differs from that of every reachable host by more than a minute.
    ThisDevice {
        /// The smallest offset of a host's clock from this device's clock.
        offset: ClockOffset,
    },
    /// Messages are dated further in the future than this device's clock follows.
    Ahead(Ahead),
}

impl ClockTrouble {
    /// Returns what the user can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::ThisDevice { .. } => "set this device's clock: what it writes is dated wrongly",
            Self::Ahead(ahead) => ahead.remedy(),
        }
    }

    /// Compares this device's clock with those of all reachable hosts; `None` if any of them agrees with it.
    pub(super) fn of_this_device<'a>(hosts: impl Iterator<Item = &'a HostStatus>) -> Option<Self> {
        let mut least: Option<ClockOffset> = None;
        for host in hosts.filter(|host| is_reached(&host.phase)) {
            let offset = host.clock_offset.filter(|offset| distance(*offset) > TOLERATED)?;
            least = Some(least.map_or(offset, |least| if distance(offset) < distance(least) { offset } else { least }));
        }
        least.map(|offset| Self::ThisDevice { offset })
    }
}

/// Returns whether the host answers, so that its time is known.
const fn is_reached(phase: &Phase) -> bool {
    match phase {
        Phase::FirstSync(_) | Phase::CatchingUp(_) | Phase::Pushing | Phase::CaughtUp => true,
        Phase::Blocked { cause, .. } => !matches!(
            cause,
            BlockCause::NotAHost
                | BlockCause::SomethingElse
                | BlockCause::NotHttp
                | BlockCause::Redirected { .. }
                | BlockCause::Tls(_)
                | BlockCause::Denied(_)
                | BlockCause::Storage
        ),
        Phase::Connecting | Phase::Waiting { .. } => false,
    }
}

const fn distance(offset: ClockOffset) -> Duration {
    Duration::from_millis(offset.as_millis().unsigned_abs())
}

impl fmt::Display for ClockTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThisDevice { offset } => {
                let side = if offset.as_millis() > 0 { "behind" } else { "ahead of" };
                write!(f, "this device's clock is {} {side} its hosts' clocks", InWords(distance(*offset)))
            }
            Self::Ahead(ahead) => ahead.fmt(f),
        }
    }
}
