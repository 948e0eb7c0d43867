//! The program, as a person runs it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::page::LONGEST;

pub(crate) const SEED: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A device of one person: its data, and the program that serves its page.
pub(crate) struct Device {
    data: TempDir,
    host: Option<String>,
    program: Option<Program>,
}

impl Device {
    /// Starts a device that knows this host, if any.
    pub(crate) fn start(host: impl Into<Option<String>>) -> Self {
        let mut device = Self { data: TempDir::new().expect("there is room"), host: host.into(), program: None };
        device.start_again();
        device
    }

    pub(crate) fn address(&self) -> &str {
        &self.program.as_ref().expect("it runs").address
    }

    /// Ends the program as a power cut does, with no time to put anything away.
    pub(crate) fn kill(&mut self) {
        self.program = None;
    }

    pub(crate) fn start_again(&mut self) {
        let mut command = bare_command(self.data.path());
        command.arg("serve").arg("--data").arg(self.data.path().join("data"));
        command.env("DIP_SEED", SEED).envs(self.host.iter().map(|url| ("DIP_HOST", url)));
        self.program = Some(Program::start(command));
    }
}

/// A `todo serve` or `todo demo`; it is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: String,
    /// What it said on standard error so far.
    said: Arc<Mutex<String>>,
    /// Where the program looks for things of the person's, if it is not given a directory.
    home: Option<TempDir>,
}

impl Program {
    pub(crate) fn demo() -> Self {
        let home = TempDir::new().expect("there is room");
        let mut command = bare_command(home.path());
        command.arg("demo");
        let mut program = Self::start(command);
        program.home = Some(home);
        program
    }

    /// Returns when the program has said where its page is.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program is there");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let err = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = channel();
        let said = Arc::new(Mutex::new(String::new()));
        let listening = said.clone();
        // Both are read to their ends, so that the program never waits for a reader.
        thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                listening.lock().expect("no holder panics").push_str(&format!("{line}\n"));
            }
        });
        let mut program = Self { child, address: String::new(), said, home: None };
        while program.address.is_empty() {
            match lines.recv_timeout(LONGEST) {
                Ok(line) => {
                    let address = line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:"));
                    program.address = address.unwrap_or_default().to_owned();
                }
                Err(RecvTimeoutError::Timeout) => panic!("the program does not say where its page is"),
                Err(RecvTimeoutError::Disconnected) => panic!("the program ended: {}", program.said()),
            }
        }
        program
    }

    fn said(&self) -> String {
        self.said.lock().expect("no holder panics").clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.said();
        assert!(thread::panicking() || !said.contains("panicked"), "the program panicked: {said}");
    }
}

/// The program, in an environment that says nothing to it.
fn bare_command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_todo"));
    command.env_remove("DIP_SEED").env_remove("DIP_HOST").env_remove("XDG_DATA_HOME").env("HOME", home);
    command
}
