//! Noticing that the device slept.
//!
//! While a device sleeps, timers stop and connections die without a word. The wall clock goes on and the monotonic one does
//! not, so where the two part, the device has just woken up. (So they do when somebody sets the clock, and then to look at
//! the hosts does no harm.)

use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use super::tasks::{Instant, sleep};
use crate::reducer::Reducer;
use crate::standard::Timestamp;

/// How often the clocks are looked at. An awakening is noticed at the latest this long after it.
const TICK: Duration = Duration::from_secs(1);
/// How far the clocks must have parted since the last look.
const JUMP: Duration = Duration::from_secs(5);

/// Tells the drivers of all hosts whenever the device wakes up.
pub(super) async fn watch<R: Reducer>(shared: Arc<Shared<R>>) {
    let started = Instant::now();
    let mut clocks = Clocks { wall: shared.now(), monotonic: Duration::ZERO };
    loop {
        sleep(TICK).await;
        if clocks.have_parted(shared.now(), started.elapsed()) {
            tracing::debug!("the device was asleep, or its clock was set");
            shared.woke();
        }
    }
}

/// What the two clocks showed at the last look.
struct Clocks {
    wall: Timestamp,
    monotonic: Duration,
}

impl Clocks {
    /// Tells whether the wall clock has gone further than the monotonic one since the last look.
    fn have_parted(&mut self, wall: Timestamp, monotonic: Duration) -> bool {
        let (by_wall, by_monotonic) = (wall.since(self.wall), monotonic.saturating_sub(self.monotonic));
        *self = Self { wall, monotonic };
        by_wall > by_monotonic + JUMP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAWN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn an_awakening_is_noticed_within_a_second_of_it() {
        // A tick was on its way when the device fell asleep; its timer goes on where it was.
        for before_sleep in 0..10 {
            for asleep in [10, 600, 86_400] {
                let mut clocks = Clocks { wall: DAWN, monotonic: Duration::ZERO };
                let (mut awake, asleep) = (Duration::ZERO, Duration::from_secs(asleep));
                let fell_asleep = Duration::from_millis(3_000 + before_sleep * 100);
                loop {
                    awake += TICK;
                    let slept = if awake > fell_asleep { asleep } else { Duration::ZERO };
                    let noticed = clocks.have_parted(DAWN.plus(awake + slept), awake);
                    assert_eq!(noticed, awake > fell_asleep, "at {awake:?}");
                    if noticed {
                        break;
                    }
                }
                assert!(awake - fell_asleep <= Duration::from_secs(1));
                assert!(!clocks.have_parted(DAWN.plus(awake + asleep + TICK), awake + TICK), "it is told once");
            }
        }
    }

    #[test]
    fn a_busy_machine_and_a_clock_that_is_set_back_are_no_awakening() {
        let mut clocks = Clocks { wall: DAWN, monotonic: Duration::ZERO };
        let late = Duration::from_secs(40);
        assert!(!clocks.have_parted(DAWN.plus(late), late), "the tick came late by both clocks");
        assert!(!clocks.have_parted(Timestamp::EPOCH, late + TICK));
    }
}
