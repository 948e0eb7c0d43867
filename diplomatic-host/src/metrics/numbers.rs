//! Counts, levels and histograms, and how Prometheus reads them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// What every name begins with.
const PREFIX: &str = "diplomatic_host_";

/// A number that only rises.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

/// A number that rises and falls.
#[derive(Debug, Default)]
pub(super) struct Level(AtomicU64);

/// How often something took how long, in buckets from 0.1 ms to 26 s.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; Self::BUCKETS],
    longer: AtomicU64,
    nanos: AtomicU64,
}

/// Numbers of one kind by their labels, of which there must be few.
#[derive(Debug)]
pub(super) struct Family<const LABELS: usize, T>(RwLock<BTreeMap<[&'static str; LABELS], T>>);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

impl Level {
    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    pub(super) fn raise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lower(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Histogram {
    const BUCKETS: usize = 19;

    /// The upper end of a bucket: each is twice as wide as the one before.
    fn end(bucket: usize) -> Duration {
        Duration::from_micros(100 << bucket)
    }

    pub(super) fn observe(&self, took: Duration) {
        let bucket = self.buckets.iter().enumerate().find(|(bucket, _)| took <= Self::end(*bucket));
        bucket.map_or(&self.longer, |(_, bucket)| bucket).fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl<const LABELS: usize, T> Default for Family<LABELS, T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<const LABELS: usize, T: Default> Family<LABELS, T> {
    pub(super) fn with(&self, labels: [&'static str; LABELS], change: impl FnOnce(&T)) {
        if let Some(number) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&labels) {
            return change(number);
        }
        change(self.0.write().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default());
    }
}

/// The text, metric by metric. Writing to a string cannot fail.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    pub(super) fn info(&mut self, name: &str, help: &str, label: &str, value: &str) {
        self.head(name, help, "gauge");
        self.sample(name, "", &pairs(&[label], &[value]), 1);
    }

    pub(super) fn count(&mut self, name: &str, help: &str, count: &Count) {
        self.head(name, help, "counter");
        self.sample(name, "", "", count.0.load(Ordering::Relaxed));
    }

    pub(super) fn level(&mut self, name: &str, help: &str, level: &Level) {
        self.head(name, help, "gauge");
        self.sample(name, "", "", level.0.load(Ordering::Relaxed));
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        self.buckets(name, "", histogram);
    }

    pub(super) fn counts<const L: usize>(&mut self, name: &str, help: &str, labels: [&str; L], all: &Family<L, Count>) {
        self.head(name, help, "counter");
        for (values, count) in &*all.0.read().unwrap_or_else(PoisonError::into_inner) {
            self.sample(name, "", &pairs(&labels, values), count.0.load(Ordering::Relaxed));
        }
    }

    pub(super) fn histograms<const L: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; L],
        all: &Family<L, Histogram>,
    ) {
        self.head(name, help, "histogram");
        for (values, histogram) in &*all.0.read().unwrap_or_else(PoisonError::into_inner) {
            self.buckets(name, &pairs(&labels, values), histogram);
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = write!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n");
    }

    /// Buckets are cumulative, and the last counts everything.
    fn buckets(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut count = 0;
        for (bucket, number) in histogram.buckets.iter().enumerate() {
            count += number.load(Ordering::Relaxed);
            let end = Histogram::end(bucket).as_secs_f64();
            self.sample(name, "_bucket", &format!("{labels}{comma}le=\"{end}\""), count);
        }
        count += histogram.longer.load(Ordering::Relaxed);
        self.sample(name, "_bucket", &format!("{labels}{comma}le=\"+Inf\""), count);
        self.sample(name, "_sum", labels, Duration::from_nanos(histogram.nanos.load(Ordering::Relaxed)).as_secs_f64());
        self.sample(name, "_count", labels, count);
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{PREFIX}{name}{suffix} {value}"),
            labels => writeln!(self.0, "{PREFIX}{name}{suffix}{{{labels}}} {value}"),
        };
    }
}

/// Labels as they stand between braces. Names and values are our own words, in which nothing has to be escaped.
fn pairs(names: &[&str], values: &[&str]) -> String {
    let pairs: Vec<String> = names.iter().zip(values).map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    pairs.join(",")
}
