//! The state of the live channel, and of polling where there is none.

use std::collections::VecDeque;
use std::time::Duration;

use super::action::RequestId;
use super::backoff::Gate;
use super::status::Live;
use super::{Failure, SessionConfig};
use crate::standard::Seq;
use crate::standard::calls::NotificationItem;

/// How news from other devices arrive.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) state: State,
    pub(super) gate: Gate,
    /// The host answered that it has no live channel.
    pub(super) is_missing: bool,
    /// Why the last attempt to open it failed, or why it closed.
    pub(super) failure: Option<Failure>,
    pub(super) frames: VecDeque<NotificationItem>,
    /// How often in a row the channel closed before it was open, for a reason that cannot be told.
    pub(super) unopened: u8,
    /// Where the host cannot be pinged: the pause before the next check of a silent channel.
    pub(super) quiet: Duration,
    /// What had been read when a silent channel was last checked, until that has a result.
    pub(super) checked_at: Option<Seq>,
    /// When to peek though nothing asks for it, and the current pause between two looks.
    pub(super) look_at: Option<Duration>,
    pub(super) pause: Duration,
}

#[derive(Debug)]
pub(super) enum State {
    Down,
    Opening { id: RequestId, since: Duration },
    Open { id: RequestId, since: Duration, heard: Duration, pinged: bool },
}

impl Channel {
    pub(super) const fn new(config: &SessionConfig) -> Self {
        Self {
            state: State::Down,
            gate: Gate::new(),
            is_missing: false,
            failure: None,
            frames: VecDeque::new(),
            unopened: 0,
            quiet: config.ping_after,
            checked_at: None,
            look_at: None,
            pause: config.poll.0,
        }
    }

    /// Lets go of the channel. What it announced is listed again.
    pub(super) fn close(&mut self) {
        self.state = State::Down;
        self.frames.clear();
        self.checked_at = None;
    }

    /// Returns whether the channel is open or being opened.
    pub(super) const fn is_coming(&self) -> bool {
        !matches!(self.state, State::Down)
    }

    pub(super) const fn live(&self) -> Live {
        match self.state {
            State::Open { .. } => Live::Open,
            _ if self.is_missing => Live::Polling,
            _ => Live::Down,
        }
    }

    /// Something was read or pushed: more may follow soon.
    pub(super) const fn on_activity(&mut self, config: &SessionConfig) {
        self.pause = config.poll.0;
        self.look_at = None;
    }
}
