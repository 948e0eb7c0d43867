//! What is pushed when: an open loop, which does not wait for answers.

use std::sync::Arc;
use std::time::Duration;

use diplomatic::standard::Bag;
use rand::RngExt;

use crate::account::Account;
use crate::options::Options;

/// How many bags a device has that was offline.
const BURST: usize = 20;

/// When which account pushes how many bags.
pub(crate) struct Plan(Vec<(Duration, usize, usize)>);

/// One push.
pub(crate) struct Job {
    pub(crate) due: Duration,
    pub(crate) account: usize,
    pub(crate) bags: Vec<Bag>,
}

impl Plan {
    /// Draws arrivals as independent people make them: with pauses of exponential length.
    pub(crate) fn new(options: &Options) -> Self {
        let mut rng = rand::rng();
        let peak = if options.day > 0 { 2.0 * options.rate } else { options.rate };
        let mut pushes = Vec::new();
        let mut time = 0.0;
        loop {
            time -= (1.0 - rng.random::<f64>()).ln() / peak;
            if time >= options.seconds as f64 {
                return Self(pushes);
            }
            // Fewer at night.
            let hour = if options.day > 0 { time / options.day as f64 } else { 0.5 };
            let share = (1.0 - (std::f64::consts::TAU * hour).cos()) / 2.0;
            if rng.random::<f64>() < share {
                let account = rng.random_range(0..options.accounts as usize);
                let burst = rng.random_range(0..100) < options.bursts;
                pushes.push((Duration::from_secs_f64(time), account, if burst { BURST } else { 1 }));
            }
        }
    }

    pub(crate) fn bags(&self) -> usize {
        self.0.iter().map(|(_, _, count)| count).sum()
    }

    pub(crate) fn seal(self, accounts: &[Arc<Account>], body: usize) -> Vec<Job> {
        let seal = |(due, account, count): (Duration, usize, usize)| Job {
            due,
            account,
            bags: accounts[account].bags(count, body),
        };
        self.0.into_iter().map(seal).collect()
    }
}
