//! What is wrong with a clock, this device's or another's.

use std::fmt;
use std::time::Duration;

use super::status::HostReport;
use crate::device::{Ahead, InWords};
use crate::standard::ClockOffset;
use crate::sync::{BlockCause, Phase};

/// Hosts that contradict this device's clock by up to this are let be.
const TOLERATED: Duration = Duration::from_secs(60);

/// What is wrong with a clock, this device's or another's.
///
/// The `Display` form is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockTrouble {
    /// Every host that can be reached contradicts this device's clock by more than a minute.
    ThisDevice {
        /// How far ahead of this device's clock the host is that contradicts it least.
        offset: ClockOffset,
    },
    /// Messages are dated further ahead than this device's clock follows.
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

    /// Returns what all hosts that can be reached say of this device's clock, if none of them agrees with it.
    pub(super) fn of_this_device(hosts: &[HostReport]) -> Option<Self> {
        let mut least: Option<ClockOffset> = None;
        for host in hosts.iter().filter(|host| is_reached(&host.status.phase)) {
            let offset = host.status.clock_offset.filter(|offset| distance(*offset) > TOLERATED)?;
            least = Some(least.map_or(offset, |least| if distance(offset) < distance(least) { offset } else { least }));
        }
        least.map(|offset| Self::ThisDevice { offset })
    }
}

/// Tells whether the host answers, so that its time is known.
const fn is_reached(phase: &Phase) -> bool {
    match phase {
        Phase::FirstSync(_) | Phase::CatchingUp(_) | Phase::Pushing | Phase::CaughtUp => true,
        Phase::Blocked { cause, .. } => {
            !matches!(cause, BlockCause::NotAHost | BlockCause::Denied(_) | BlockCause::Storage)
        }
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
