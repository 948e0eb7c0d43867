//! What was measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::account::{Account, lock};

/// How long frames may take after the last push.
const SILENCE: Duration = Duration::from_secs(20);

/// How long things took, and how many failed.
#[derive(Default)]
pub(crate) struct Latencies {
    times: Mutex<Vec<Duration>>,
    failed: AtomicUsize,
}

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) pushes: Latencies,
    pub(crate) first_syncs: Latencies,
    notices: Latencies,
    silent: AtomicUsize,
    upload: Mutex<Option<(usize, Duration)>>,
    failures: Mutex<BTreeMap<String, usize>>,
    listening: watch::Sender<usize>,
}

impl Latencies {
    pub(crate) fn note(&self, took: Duration, succeeded: bool) {
        if succeeded {
            lock(&self.times).push(took);
        } else {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self) -> usize {
        lock(&self.times).len()
    }

    fn text(&self, name: &str) -> String {
        let mut times = lock(&self.times).clone();
        times.sort_unstable();
        let failed = self.failed.load(Ordering::Relaxed);
        let at = |share: f64| {
            let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        format!(
            "{name:<12} {:>8} {failed:>7} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}\n",
            times.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            at(1.0)
        )
    }
}

impl Report {
    /// Counts a failure, and returns false for convenience.
    pub(crate) fn fail(&self, what: String) -> bool {
        *lock(&self.failures).entry(what).or_default() += 1;
        false
    }

    pub(crate) fn listens(&self) {
        self.listening.send_modify(|count| *count += 1);
    }

    pub(crate) async fn until_listening(&self, count: usize) {
        // The sender is `self`'s own, so that the wait cannot fail.
        let _ = self.listening.subscribe().wait_for(|listening| *listening >= count).await;
    }

    pub(crate) fn upload(&self, size: usize, took: Duration) {
        *lock(&self.upload) = Some((size, took));
    }

    /// Waits until every socket has heard of every push, or nothing comes any more.
    pub(crate) async fn until_heard(&self, accounts: &[Arc<Account>], sockets: usize) {
        let begun = Instant::now();
        loop {
            let (mut delays, mut missing) = (Vec::new(), 0);
            for account in accounts {
                let (more, silent) = account.delays(sockets);
                delays.extend(more);
                missing += silent;
            }
            if missing == 0 || begun.elapsed() > SILENCE {
                self.silent.store(missing, Ordering::Relaxed);
                delays.into_iter().for_each(|delay| self.notices.note(delay, true));
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    pub(crate) fn text(&self, took: Duration, lost: &[String]) -> String {
        let mut text = format!(
            "{:<12} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
            "ms", "count", "failed", "50 %", "90 %", "99 %", "99.9 %", "most"
        );
        text.push_str(&self.pushes.text("pushes"));
        if self.notices.count() > 0 {
            text.push_str(&self.notices.text("notices"));
        }
        if self.first_syncs.count() > 0 {
            text.push_str(&self.first_syncs.text("first syncs"));
        }
        let rate = self.pushes.count() as f64 / took.as_secs_f64();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{rate:.0} pushes a second");
        if let Some((size, took)) = *lock(&self.upload) {
            let _ = writeln!(text, "{size} MB in one request took {:.1} s", took.as_secs_f64());
        }
        let silent = self.silent.load(Ordering::Relaxed);
        if silent > 0 {
            let _ = writeln!(text, "{silent} notices did not come");
        }
        for (failure, count) in lock(&self.failures).iter() {
            let _ = writeln!(text, "{count} times: {failure}");
        }
        match lost {
            [] => {
                text.push_str("every acknowledged bag is there under its seq, and seqs have neither gap nor repeat\n")
            }
            lost => lost.iter().for_each(|line| text.extend(["LOST: ", line, "\n"])),
        }
        text
    }
}
