//! The threads that read: they wait for the disk, so that nobody else does.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// How many reads wait for the disk at once.
const THREADS: usize = 4;

type Read = Box<dyn FnOnce() + Send>;

/// A few threads that carry out reads in the order in which they came.
#[derive(Debug)]
pub(super) struct Readers {
    /// `None` only while this is being dropped.
    reads: Option<Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start() -> io::Result<Self> {
        let (reads, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let mut readers = Self { reads: Some(reads), threads: Vec::new() };
        for _ in 0..THREADS {
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new().name("bag-reader".to_owned()).spawn(move || run(&waiting))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    pub(super) fn submit(&self, read: impl FnOnce() + Send + 'static) {
        // Without a thread the read is dropped, which whoever waits for it hears.
        if let Some(reads) = &self.reads {
            let _ = reads.send(Box::new(read));
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.reads = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn run(waiting: &Mutex<Receiver<Read>>) {
    // The lock is let go before the read is carried out.
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(read) = next() {
        read();
    }
}
