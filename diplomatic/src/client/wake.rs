//! Noticing that the device slept.
//!
//! While a device sleeps, timers stop and connections die without a word. The wall clock goes on, so a jump of it shows that
//! the device has just woken up. (So does setting the clock, and then to look at the hosts does no harm.)

use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use crate::reducer::Reducer;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How much later than expected the wall clock must be.
const JUMP: Duration = Duration::from_secs(5);

/// Tells the drivers of all hosts whenever the device wakes up.
pub(super) async fn watch<R: Reducer>(shared: Arc<Shared<R>>) {
    loop {
        let before = shared.now();
        tokio::time::sleep(TICK).await;
        if shared.now().since(before) > TICK + JUMP {
            tracing::debug!("the device was asleep, or its clock was set");
            shared.woke();
        }
    }
}
