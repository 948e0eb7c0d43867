//! A device of a person: the program, with a home of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use diplomatic::Seed;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const SEED: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub(crate) const OTHER_SEED: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// No test waits longer for anything.
const LONGEST: Duration = Duration::from_secs(60);

pub(crate) fn seed() -> Seed {
    SEED.parse().unwrap()
}

pub(crate) fn fingerprint() -> String {
    seed().fingerprint().to_string()
}

/// A device of the person with [`SEED`], or with no seed of its own yet.
pub(crate) struct Device {
    home: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Device {
    /// A device that knows the seed from `DIP_SEED`.
    pub(crate) fn new() -> Self {
        Self::without_seed().with("DIP_SEED", SEED)
    }

    pub(crate) fn without_seed() -> Self {
        Self { home: TempDir::new().unwrap(), variables: Vec::new() }
    }

    /// A device that syncs with a host.
    pub(crate) fn at(url: &str) -> Self {
        let device = Self::new();
        device.run(&["host", "add", url, "--create"]).succeeds();
        device
    }

    pub(crate) fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.set(variable, value);
        self
    }

    pub(crate) fn set(&mut self, variable: &'static str, value: &str) {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value.to_owned()));
    }

    pub(crate) fn unset(&mut self, variable: &'static str) {
        self.variables.retain(|(name, _)| *name != variable);
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.home().join(name).to_str().unwrap().to_owned()
    }

    /// Keeps the seed in plain, as the example apps do.
    pub(crate) fn keep(&self, seed: &str) {
        fs::create_dir_all(self.data()).unwrap();
        fs::write(self.data().join("seed"), format!("{seed}\n")).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dip"));
        for variable in ["DIP_SEED", "DIP_PASSPHRASE", "DIP_HOST", "XDG_DATA_HOME"] {
            command.env_remove(variable);
        }
        // Tests that count messages want none that depends on how fast the machine is.
        command.env("DIP_WITNESSES", "off");
        command.env("HOME", self.home()).env("TZ", "UTC").current_dir(self.home());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(arguments).arg("--data").arg(self.data());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(arguments, "")
    }

    /// Runs it with this on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Outcome {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that fails before it reads is none of ours to complain of.
        let _ = child.stdin.take().unwrap().write_all(input.as_ref());
        Outcome::of(child.wait_with_output().unwrap())
    }

    /// Writes a message, and returns its entity.
    pub(crate) fn cat(&self, text: &str) -> String {
        self.run_with(&["cat", "--quiet"], text).succeeds().trim().to_owned()
    }

    /// Returns the payloads of the log, in order.
    pub(crate) fn payloads(&self) -> Vec<Value> {
        self.run(&["log", "--json"]).lines().into_iter().map(|line| line["payload"].clone()).collect()
    }
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

    /// Checks that all went well, and returns what it printed.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.out
    }

    /// Checks that all went well, without a word to the person.
    #[track_caller]
    pub(crate) fn prints(&self, out: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (Some(0), out, ""));
    }

    /// Checks that it failed with this code and one sentence, of which this is a part.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, part: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let error = self.err.lines().last().unwrap_or_default();
        assert!(error.starts_with("error: ") && error.contains(part), "{self:?}");
    }

    /// Checks that the arguments were refused.
    #[track_caller]
    pub(crate) fn fails_with_usage(&self) {
        assert_eq!(self.code, Some(2), "{self:?}");
    }

    /// Returns the one document that it printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the documents that it printed, one a line.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.succeeds().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A program at work; it is ended when this is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || out.lines().try_for_each(|line| sender.send(line.unwrap())));
        Self { child, lines }
    }

    #[track_caller]
    pub(crate) fn next_line(&self) -> String {
        self.lines.recv_timeout(LONGEST).expect("a line is printed in time")
    }

    /// Presses Ctrl-C, and returns the exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
