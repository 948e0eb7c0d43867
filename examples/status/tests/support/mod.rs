//! A host on a port of its own, and devices of one person.

// Every test file takes what it needs of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use diplomatic_host::{Host, MemoryStore, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) const SEED: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub(crate) const OTHER_SEED: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// No test waits longer for anything.
const LONGEST: Duration = Duration::from_secs(20);

/// A host that is gone when this is dropped.
pub(crate) struct RunningHost {
    pub(crate) url: String,
    pub(crate) host: Arc<Host<MemoryStore>>,
    pub(crate) runtime: Runtime,
}

impl RunningHost {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let host = Arc::new(Host::new(MemoryStore::new()));
        runtime.spawn(Server::new(host.clone()).serve(listener, std::future::pending()));
        Self { url, host, runtime }
    }
}

/// A device of the person with [`SEED`], or with no seed of its own yet.
pub(crate) struct Device {
    home: TempDir,
    host: Option<String>,
    seed: Option<&'static str>,
}

impl Device {
    pub(crate) fn new(host: impl Into<Option<String>>) -> Self {
        Self { home: TempDir::new().unwrap(), host: host.into(), seed: Some(SEED) }
    }

    pub(crate) fn without_seed(host: impl Into<Option<String>>) -> Self {
        Self { seed: None, ..Self::new(host) }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub(crate) fn set_host(&mut self, url: &str) {
        self.host = Some(url.to_owned());
    }

    pub(crate) fn set_seed(&mut self, seed: &'static str) {
        self.seed = Some(seed);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare_command(self.home.path());
        command.args(arguments).arg("--data").arg(self.data());
        command.envs(self.host.iter().map(|url| ("DIP_HOST", url.as_str())));
        command.envs(self.seed.map(|seed| ("DIP_SEED", seed)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::start(self.command(&["watch"]))
    }
}

/// The program, in an environment that says nothing to it.
pub(crate) fn bare_command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_status"));
    command.env_remove("DIP_SEED").env_remove("DIP_HOST").env_remove("XDG_DATA_HOME").env("HOME", home);
    command
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Checks that all went well, without a word to the person.
    #[track_caller]
    pub(crate) fn prints(&self, out: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (Some(0), out, ""));
    }

    /// Checks that it failed with one sentence, of which this is a part.
    #[track_caller]
    pub(crate) fn fails(&self, part: &str) {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{}", self.err);
        let error = self.err.lines().last().unwrap_or_default();
        assert!(error.starts_with("error: ") && error.contains(part), "{}", self.err);
    }
}

/// A `status watch` at work; it is ended when this is dropped.
pub(crate) struct Watch {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // The reader goes, and closes the pipe, when nobody takes its lines any more.
        thread::spawn(move || out.lines().try_for_each(|line| sender.send(line.unwrap())));
        Self { child, lines }
    }

    #[track_caller]
    pub(crate) fn next_line(&self) -> String {
        self.lines.recv_timeout(LONGEST).expect("a line is printed in time")
    }

    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
