//! Several processes on one file, and processes that are killed.

use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use diplomatic::raw::Raw;
use diplomatic::{Backing, Device, DeviceConfig, DeviceReader, OpenLogError};
use rand::rngs::StdRng;

use crate::format::{FORMAT_1, unpack};
use crate::todo::{Event, Todos, added, at, open, seed};

fn rng() -> StdRng {
    rand::make_rng()
}

fn reader(path: &Path) -> DeviceReader<Todos> {
    DeviceReader::open(Backing::file(path), &seed(), rng()).unwrap()
}

fn impatient(path: &Path, wait: Duration) -> Result<Device<Todos>, OpenLogError> {
    let mut config = DeviceConfig::default();
    config.lock_wait = wait;
    Device::open_with(Backing::file(path), &seed(), rng(), config)
}

/// A writer in a process of its own.
struct Writer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Writer {
    fn start(path: &Path) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::writes_what_it_is_told_to", "--nocapture", "--include-ignored"])
            .env("DIPLOMATIC_TEST_STORE", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut writer = Self { process, input, output };
        writer.wait_for("open");
        writer
    }

    /// Has it write a todo.
    fn add(&mut self, title: &str) {
        writeln!(self.input, "{title}").unwrap();
        self.wait_for("written");
    }

    fn wait_for(&mut self, what: &str) {
        let mut line = String::new();
        while !line.trim_end().ends_with(&format!("> {what}")) {
            line.clear();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the writer ended");
        }
    }

    /// Ends it as the system does when memory is short.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn end(mut self) {
        drop(self.input);
        assert!(self.process.wait().unwrap().success());
    }
}

#[test]
#[ignore = "it is the process of a writer"]
fn writes_what_it_is_told_to() {
    let Ok(path) = env::var("DIPLOMATIC_TEST_STORE") else { return };
    let mut device = impatient(Path::new(&path), Duration::from_secs(300)).unwrap();
    println!("> open");
    for (line, time) in io::stdin().lines().zip(100..) {
        device.emit(at(time), &added(&line.unwrap())).unwrap();
        println!("> written");
    }
}

#[test]
fn a_store_can_be_read_while_another_process_writes_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    let mut writer = Writer::start(&path);
    writer.add("milk");
    let mut reader_one = reader(&path);
    let reader_two = reader(&path);
    assert_eq!(reader_one.read(|todos| todos.items.len()), 1);
    writer.add("bread");
    assert_eq!(reader_one.messages().unwrap().len(), 2);
    assert_eq!(reader_two.history(None, 10).unwrap().len(), 2);
    assert_eq!(reader(&path).read(|todos| todos.items.len()), 2);
    assert_eq!(reader_one.verify(|_| ()).unwrap().problems, []);
    assert_eq!(reader_one.export(folder.path().join("backup.dpl"), &seed(), |_| ()).unwrap().messages, 2);
    writer.add("cheese");
    assert_eq!(reader_two.state_at(at(1_000)).unwrap().items.len(), 3);
    writer.end();
    assert_eq!(reader_two.messages().unwrap().len(), 3);
    assert_eq!(DeviceReader::<Raw>::open(Backing::file(&path), &seed(), rng()).unwrap().messages().unwrap().len(), 3);
}

#[test]
fn a_writer_waits_for_another_and_then_says_clearly_that_the_file_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    let mut writer = Writer::start(&path);
    writer.add("milk");
    let started = Instant::now();
    let error = impatient(&path, Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, OpenLogError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("in use"), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(300));
    let waiting = std::thread::spawn({
        let path = path.clone();
        move || impatient(&path, Duration::from_secs(300)).map(|device| device.read(|todos| todos.items.len()))
    });
    writer.add("bread");
    writer.end();
    assert_eq!(waiting.join().unwrap().unwrap(), 2);
}

#[test]
fn a_file_that_a_killed_process_left_opens_without_a_scan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    let mut device = open(&Backing::file(&path));
    let long: Vec<Event> = (0..2_000).map(|n| added(&format!("{n:01000}"))).collect();
    device.emit_all(at(1), &long).unwrap();
    drop(device);
    for round in 0..3 {
        let mut writer = Writer::start(&path);
        writer.add("milk");
        writer.kill();
        let was_scanned = Arc::new(AtomicBool::new(false));
        let backing = Backing::file(&path).watch_repair({
            let was_scanned = was_scanned.clone();
            move |_| {
                was_scanned.store(true, Ordering::SeqCst);
                ControlFlow::Continue(())
            }
        });
        let mut device = open(&backing);
        assert!(!was_scanned.load(Ordering::SeqCst), "round {round}");
        assert_eq!(device.read(|todos| todos.items.len()), 2_001 + round);
        // What compaction leaves is as quick to open.
        device.compact(diplomatic::compact::Keep::Latest).unwrap();
        drop(device);
    }
}

#[test]
fn a_reader_reads_what_a_killed_process_left_and_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    let mut writer = Writer::start(&path);
    writer.add("milk");
    writer.kill();
    let left = fs::read(&path).unwrap();
    let mut one = reader(&path);
    let two = reader(&path);
    assert_eq!(one.read(|todos| todos.items.len()), 1);
    assert_eq!(two.history(None, 10).unwrap().len(), 1);
    assert_eq!(one.export(folder.path().join("backup.dpl"), &seed(), |_| ()).unwrap().messages, 1);
    assert!(matches!(impatient(&path, Duration::ZERO).unwrap_err(), OpenLogError::InUse { .. }));
    drop((one, two));
    assert_eq!(fs::read(&path).unwrap(), left);
    assert_eq!(open(&Backing::file(&path)).read(|todos| todos.items.len()), 1);
}

#[test]
fn a_reader_reads_an_older_format_and_leaves_it_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_1, &path);
    let old = fs::read(&path).unwrap();
    let reader = reader(&path);
    assert_eq!(reader.read(|todos| todos.items.len()), 1);
    assert_eq!(reader.verify(|_| ()).unwrap().problems, []);
    drop(reader);
    assert_eq!(fs::read(&path).unwrap(), old);
}

#[test]
fn a_repair_that_a_crash_of_an_older_version_needs_is_watched_and_can_be_broken_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    unpack(FORMAT_1, &path);
    // As an older version leaves it when it is killed after a commit.
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta-1");
    transaction.open_table(meta).unwrap().insert("index", [1].as_slice()).unwrap();
    transaction.commit().unwrap();
    let left = folder.path().join("left.redb");
    fs::copy(&path, &left).unwrap();
    drop(database);

    let cancelling = Backing::file(&left).watch_repair(|_| ControlFlow::Break(()));
    let error = Device::<Todos>::open(cancelling, &seed(), rng()).unwrap_err();
    assert!(matches!(error, OpenLogError::RepairCancelled { .. }), "{error:?}");
    let seen = Arc::new(AtomicBool::new(false));
    let watching = Backing::file(&left).watch_repair({
        let seen = seen.clone();
        move |progress| {
            assert!((0.0..1.0).contains(&progress));
            seen.store(true, Ordering::SeqCst);
            ControlFlow::Continue(())
        }
    });
    assert_eq!(open(&watching).read(|todos| todos.items.len()), 1);
    assert!(seen.load(Ordering::SeqCst));
}

#[test]
fn a_version_that_locks_the_whole_file_and_this_one_keep_each_other_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("todo.redb");
    drop(open(&Backing::file(&path)));
    let old = redb::Database::create(&path).unwrap();
    assert!(matches!(impatient(&path, Duration::ZERO).unwrap_err(), OpenLogError::InUse { .. }));
    drop(old);
    let device = impatient(&path, Duration::ZERO).unwrap();
    redb::Database::create(&path).unwrap_err();
    drop(device);
}
