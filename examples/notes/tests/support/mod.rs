//! A terminal of its own for a program, and what the program shows on it.

#![allow(dead_code, reason = "each binary uses its part")]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Far longer than anything takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program on a terminal.
pub(crate) struct Terminal {
    program: Child,
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts `notes` on a terminal of this size.
    pub(crate) fn start(rows: u16, columns: u16, prepare: impl FnOnce(&mut Command)) -> Self {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&pty).unwrap();
        unlockpt(&pty).unwrap();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&pty, size).unwrap();
        let name = ptsname(&pty, Vec::new()).unwrap().into_string().unwrap();
        let open = || File::options().read(true).write(true).open(&name).unwrap();
        let mut command = notes();
        command.env("TERM", "xterm-256color").stdin(open()).stdout(open()).stderr(open());
        prepare(&mut command);
        let program = command.spawn().unwrap();
        // What the program holds is closed with it, and not before.
        drop(command);
        let mut output = File::from(pty);
        let keys = output.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0)));
        thread::spawn({
            let screen = screen.clone();
            move || {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = output.read(&mut bytes) {
                    screen.lock().unwrap().process(&bytes[..read]);
                }
            }
        });
        Self { program, keys, screen }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Presses a letter with Ctrl.
    pub(crate) fn control(&mut self, letter: char) {
        self.keys.write_all(&[letter as u8 & 0x1f]).unwrap();
    }

    /// Returns what is on the screen.
    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen shows what is wanted, and returns how long that took.
    pub(crate) fn wait(&self, what: &str, is_there: impl Fn(&str) -> bool) -> Duration {
        let started = Instant::now();
        loop {
            let text = self.text();
            if is_there(&text) {
                return started.elapsed();
            }
            assert!(started.elapsed() < PATIENCE, "{what} is not on the screen:\n{text}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn wait_for(&self, what: &str) -> Duration {
        self.wait(what, |text| text.contains(what))
    }

    /// Leaves the program.
    pub(crate) fn quit(mut self) -> ExitStatus {
        self.control('q');
        let started = Instant::now();
        loop {
            if let Some(status) = self.program.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns how much memory the program has, in MB, where the system tells.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1_024)
    }

    pub(crate) fn kill(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Returns the command, which knows nothing of the environment of the tests.
pub(crate) fn notes() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notes"));
    command.env_remove("DIP_SEED").env_remove("DIP_HOST");
    command
}

/// Starts `notes` on a data directory.
pub(crate) fn open(data: &Path, host: Option<&str>) -> Terminal {
    Terminal::start(30, 120, |command| {
        command.arg("--data").arg(data);
        if let Some(host) = host {
            command.env("DIP_HOST", host);
        }
    })
}
