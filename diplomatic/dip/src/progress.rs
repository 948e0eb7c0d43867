//! Progress bars for work that takes longer than a second.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How long work may take before a bar appears.
const PATIENCE: Duration = Duration::from_secs(1);

const COUNTED: &str = "{msg} [{bar:30}] {human_pos} of {human_len}, {rate}, {eta} left";
const WEIGHED: &str = "{msg} [{bar:30}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
const ENDLESS: &str = "{msg} {spinner} {elapsed}";

/// A progress bar on standard error, which appears once the work takes long enough. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    /// `None` if it is hidden or has ended.
    bar: Arc<Mutex<Option<Bar>>>,
}

#[derive(Debug)]
struct Bar {
    what: &'static str,
    style: &'static str,
    started: Instant,
    /// None before it is drawn.
    drawn: Option<ProgressBar>,
}

impl Meter {
    pub(super) fn new(what: &'static str, is_shown: bool) -> Self {
        let bar = Bar { what, style: COUNTED, started: Instant::now(), drawn: None };
        Self { bar: Arc::new(Mutex::new(Some(bar).filter(|_| is_shown))) }
    }

    /// Shows that `done` of `total` are done.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.with(|bar| bar.set(done, total));
    }

    /// Continues with another task.
    pub(crate) fn turn_to(&self, what: &'static str) {
        self.with(|bar| {
            if bar.what != what {
                bar.clear();
                // A task after a long one is shown at once.
                bar.what = what;
            }
        });
    }

    /// Removes the bar. Later progress is not shown.
    pub(crate) fn end(&self) {
        self.with(Bar::clear);
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Runs work of unknown length.
    pub(crate) fn during<T>(&self, act: impl FnOnce() -> T) -> T {
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let progress = self.clone();
        let watch = std::thread::spawn(move || {
            if is_done.recv_timeout(PATIENCE).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout) {
                progress.with(Bar::spin);
            }
        });
        let outcome = act();
        drop(done);
        // It only draws.
        let _ = watch.join();
        self.end();
        outcome
    }

    fn with(&self, act: impl FnOnce(&mut Bar)) {
        if let Some(bar) = &mut *self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            act(bar);
        }
    }
}

impl Bar {
    fn set(&mut self, done: u64, total: u64) {
        if self.drawn.is_none() && self.started.elapsed() < PATIENCE {
            return;
        }
        let drawn = self.drawn.get_or_insert_with(|| {
            let drawn = draw(self.what, self.style, Some(total));
            // The rate and the remaining time are measured from now on, because the bar appears late.
            drawn.set_position(done);
            drawn.reset_eta();
            drawn
        });
        drawn.set_length(total);
        drawn.set_position(done);
    }

    fn spin(&mut self) {
        let drawn = draw(self.what, ENDLESS, None);
        drawn.enable_steady_tick(Duration::from_millis(100));
        self.drawn = Some(drawn);
    }

    fn clear(&mut self) {
        if let Some(drawn) = self.drawn.take() {
            drawn.finish_and_clear();
        }
    }
}

fn draw(what: &'static str, style: &'static str, total: Option<u64>) -> ProgressBar {
    let drawn = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    drawn.set_style(style.progress_chars("=> ").tick_chars("|/-\\ ").with_key("rate", rate));
    drawn.set_message(what);
    drawn
}

fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // What nobody draws is no failure.
    let _ = write!(out, "{}/s", HumanCount(state.per_sec() as u64));
}

/// A file that shows the progress of reading it.
#[derive(Debug)]
pub(crate) struct Counted<F> {
    file: F,
    place: u64,
    len: u64,
    progress: Meter,
}

impl<F: Seek> Counted<F> {
    pub(crate) fn new(mut file: F, progress: Meter) -> io::Result<Self> {
        let len = file.seek(SeekFrom::End(0))?;
        progress.with(|bar| bar.style = WEIGHED);
        Ok(Self { file, place: len, len, progress })
    }
}

impl<F: Read> Read for Counted<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.place += read as u64;
        self.progress.set(self.place.min(self.len), self.len);
        Ok(read)
    }
}

impl<F: Seek> Seek for Counted<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.place = self.file.seek(to)?;
        Ok(self.place)
    }
}
