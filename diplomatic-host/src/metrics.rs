//! What a host counts and measures, in the text format of Prometheus.

mod numbers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use diplomatic::standard::Status;

use numbers::{Count, Family, Histogram, Level, Text};

use crate::{Appended, Placed};

/// What a host counts and measures. Clones share their numbers.
///
/// ```
/// use diplomatic_host::Metrics;
///
/// let metrics = Metrics::new();
/// assert!(metrics.render().contains("# TYPE diplomatic_host_commit_seconds histogram"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    requests: Family<2, Count>,
    request_time: Family<1, Histogram>,
    refusals: Family<1, Count>,
    bags: Family<1, Count>,
    received: Count,
    sent: Count,
    verification: Histogram,
    commit: Histogram,
    writes: Level,
    connections: Level,
    sockets: Level,
    accounts: Level,
    stored: Level,
    free_disk: Level,
    certificate_expiry: Level,
    renewals: Family<1, Count>,
}

/// What is there at the moment, and goes up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Now {
    /// Connections, those with a socket of the live channel included.
    Connections,
    /// Sockets of the live channel.
    Sockets,
    /// Writes that the store has not answered.
    Writes,
    /// Registered accounts.
    Accounts,
    /// Bytes of stored bags.
    StoredBytes,
    /// Bytes that are free on the disk of the data file.
    FreeDisk,
    /// When the certificate from an authority ends, in seconds since 1970.
    #[cfg(feature = "acme")]
    CertificateExpiry,
}

impl Metrics {
    /// Makes a set of numbers that all stand at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all numbers in the text format that Prometheus reads.
    pub fn render(&self) -> String {
        let all = &*self.0;
        let mut text = Text::default();
        text.info("build_info", "The running version.", "version", env!("CARGO_PKG_VERSION"));
        text.counts("requests_total", "Requests by call and status.", ["call", "status"], &all.requests);
        text.histograms(
            "request_seconds",
            "From the start of a request to its response head, by call.",
            ["call"],
            &all.request_time,
        );
        text.counts("refusals_total", "Requests and sockets that were refused, by reason.", ["reason"], &all.refusals);
        text.counts("bags_total", "Bags that were pushed, by what became of them.", ["outcome"], &all.bags);
        text.count("received_bytes_total", "Bytes of request bodies.", &all.received);
        text.count("sent_bytes_total", "Bytes of responses and of the live channel.", &all.sent);
        text.histogram(
            "verification_seconds",
            "How long the signatures of bags that came together took to check.",
            &all.verification,
        );
        text.histogram("commit_seconds", "From handing bags to the store until they were durable.", &all.commit);
        text.level("waiting_writes", "Writes that the store has not answered yet.", &all.writes);
        text.level("connections", "Open connections, those of sockets included.", &all.connections);
        text.level("sockets", "Open sockets of the live channel.", &all.sockets);
        text.level("accounts", "Registered accounts.", &all.accounts);
        text.level("stored_bytes", "Bytes of stored bags.", &all.stored);
        text.level("free_disk_bytes", "Bytes that are free on the disk of the data file.", &all.free_disk);
        if all.certificate_expiry.is_set() {
            let help = "When the certificate that the host got by ACME ends, in seconds since 1970.";
            text.level("certificate_expiry_seconds", help, &all.certificate_expiry);
        }
        text.counts(
            "certificate_renewals_total",
            "Renewals of the certificate, by outcome.",
            ["outcome"],
            &all.renewals,
        );
        text.finish()
    }

    pub(crate) fn count_request(&self, call: &'static str, status: &'static str, took: Duration) {
        self.0.requests.with([call, status], |count| count.add(1));
        self.0.request_time.with([call], |histogram| histogram.observe(took));
    }

    pub(crate) fn count_refusal(&self, reason: &'static str) {
        self.0.refusals.with([reason], |count| count.add(1));
    }

    /// Counts bags that all came to the same: `stored`, `known`, or why they were refused.
    pub(crate) fn count_bags(&self, outcome: &'static str, bags: u64) {
        if bags > 0 {
            self.0.bags.with([outcome], |count| count.add(bags));
        }
    }

    /// Counts a renewal of the certificate: `done` or `failed`.
    pub(crate) fn count_renewal(&self, outcome: &'static str) {
        self.0.renewals.with([outcome], |count| count.add(1));
    }

    pub(crate) fn count_received(&self, bytes: u64) {
        self.0.received.add(bytes);
    }

    pub(crate) fn count_sent(&self, bytes: u64) {
        self.0.sent.add(bytes);
    }

    pub(crate) fn observe_verification(&self, took: Duration) {
        self.0.verification.observe(took);
    }

    /// Starts to count a write to the store.
    pub(crate) fn start_write(&self) -> Writing {
        Writing { held: self.hold(Now::Writes), started: Instant::now() }
    }

    /// Sets a level.
    pub(crate) fn set(&self, what: Now, value: u64) {
        self.0.level(what).set(value);
    }

    /// Raises a level by one until the guard is dropped.
    pub(crate) fn hold(&self, what: Now) -> Held {
        self.0.level(what).raise();
        Held { metrics: self.clone(), what }
    }
}

impl Numbers {
    const fn level(&self, what: Now) -> &Level {
        match what {
            Now::Connections => &self.connections,
            Now::Sockets => &self.sockets,
            Now::Writes => &self.writes,
            Now::Accounts => &self.accounts,
            Now::StoredBytes => &self.stored,
            Now::FreeDisk => &self.free_disk,
            #[cfg(feature = "acme")]
            Now::CertificateExpiry => &self.certificate_expiry,
        }
    }
}

/// A write to the store that is under way.
#[derive(Debug)]
pub(crate) struct Writing {
    held: Held,
    started: Instant,
}

impl Writing {
    /// Counts what became of the bags, given which were refused before.
    pub(crate) fn finish(self, appended: &Appended, verdicts: &[Option<Status>]) {
        let Self { held, started } = self;
        let metrics = &held.metrics;
        let refused = verdicts.iter().flatten();
        let unsigned = refused.clone().filter(|status| **status == Status::INVALID_SIGNATURE).count();
        let no_room = refused.count() - unsigned;
        let new = appended.placed.iter().filter(|placed| placed.is_new()).count();
        let healed = appended.placed.iter().filter(|placed| matches!(placed, Placed::Healed(_))).count();
        let failed = verdicts.len() - unsigned - no_room - appended.placed.len();
        for (outcome, bags) in [
            ("stored", new),
            ("known", appended.placed.len() - new - healed),
            ("healed", healed),
            ("invalid_signature", unsigned),
            ("over_quota", no_room),
            ("failed", failed),
        ] {
            metrics.count_bags(outcome, bags as u64);
        }
        if !appended.placed.is_empty() {
            metrics.0.commit.observe(started.elapsed());
        }
    }
}

/// One of what a level counts; dropping it takes it off.
#[derive(Debug)]
pub(crate) struct Held {
    metrics: Metrics,
    what: Now,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.0.level(self.what).lower();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text_under_its_labels() {
        let metrics = Metrics::new();
        metrics.count_request("push", "Success", Duration::from_millis(3));
        metrics.count_refusal("busy");
        metrics.count_bags("stored", 5);
        metrics.count_bags("known", 0);
        metrics.set(Now::FreeDisk, u64::MAX);
        let text = metrics.render();
        for line in [
            "diplomatic_host_requests_total{call=\"push\",status=\"Success\"} 1",
            "diplomatic_host_request_seconds_bucket{call=\"push\",le=\"0.0016\"} 0",
            "diplomatic_host_request_seconds_bucket{call=\"push\",le=\"0.0032\"} 1",
            "diplomatic_host_request_seconds_bucket{call=\"push\",le=\"+Inf\"} 1",
            "diplomatic_host_request_seconds_sum{call=\"push\"} 0.003",
            "diplomatic_host_request_seconds_count{call=\"push\"} 1",
            "diplomatic_host_refusals_total{reason=\"busy\"} 1",
            "diplomatic_host_bags_total{outcome=\"stored\"} 5",
            "diplomatic_host_commit_seconds_count 0",
            "diplomatic_host_free_disk_bytes 18446744073709551615",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("known"));
    }

    #[test]
    fn a_level_falls_when_what_it_counts_is_gone() {
        let metrics = Metrics::new();
        let (one, two) = (metrics.hold(Now::Sockets), metrics.hold(Now::Sockets));
        assert!(metrics.render().contains("diplomatic_host_sockets 2\n"));
        drop((one, two));
        assert!(metrics.render().contains("diplomatic_host_sockets 0\n"));
    }
}
