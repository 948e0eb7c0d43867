//! The program at work, and a host for it.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
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
pub(crate) const LONGEST: Duration = Duration::from_secs(20);

/// A host that is gone when this is dropped.
pub(crate) struct RunningHost {
    pub(crate) url: String,
    _runtime: Runtime,
}

impl RunningHost {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(Server::new(Host::new(MemoryStore::new())).serve(listener, std::future::pending()));
        Self { url, _runtime: runtime }
    }
}

/// A device of the person with [`SEED`], or with no seed of its own yet.
pub(crate) struct Device {
    home: TempDir,
    pub(crate) host: Option<String>,
    pub(crate) seed: Option<&'static str>,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self { home: TempDir::new().unwrap(), host: None, seed: Some(SEED) }
    }

    pub(crate) fn with_host(host: &RunningHost) -> Self {
        Self { host: Some(host.url.clone()), ..Self::new() }
    }

    pub(crate) fn without_seed() -> Self {
        Self { seed: None, ..Self::new() }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_todo"));
        command.env_remove("DIP_SEED").env_remove("DIP_HOST").env("HOME", self.home.path()).args(arguments);
        command.envs(self.host.iter().map(|url| ("DIP_HOST", url.as_str())));
        command.envs(self.seed.map(|seed| ("DIP_SEED", seed)));
        command
    }

    pub(crate) fn serve_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["serve"]);
        command.args(arguments).arg("--data").arg(self.data());
        command
    }

    /// Starts `todo serve`.
    pub(crate) fn serve(&self) -> Program {
        Program::start(self.serve_command(&[]))
    }

    /// Runs a `todo serve` that is to fail with one sentence, of which this is a part.
    #[track_caller]
    pub(crate) fn fails(&self, part: &str) {
        let Output { status, stdout, stderr } = self.serve_command(&[]).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), stdout.as_slice()), (Some(1), &b""[..]), "{said}");
        let error = said.lines().last().unwrap_or_default();
        assert!(error.starts_with("error: ") && error.contains(part), "{said}");
    }
}

/// A program that serves a page; it is ended when this is dropped.
pub(crate) struct Program {
    child: Child,
    /// The page's address, as it was printed.
    pub(crate) address: String,
    /// What it says meanwhile.
    said: Receiver<String>,
}

impl Program {
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, said) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        let address = out.recv_timeout(LONGEST).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("no address is printed: {:?}", said.iter().collect::<Vec<_>>())
        });
        Self { child, address, said }
    }

    /// Returns where it listens.
    pub(crate) fn socket_address(&self) -> SocketAddr {
        self.address.split('/').nth(2).unwrap().parse().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.socket_address().port()
    }

    pub(crate) fn token(&self) -> &str {
        self.address.split('/').nth(3).unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.socket_address()).unwrap();
        stream.set_read_timeout(Some(LONGEST)).unwrap();
        stream
    }

    /// Ends it by a signal, and returns its exit code and all that it said.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        (code, self.said.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || BufReader::new(from).lines().try_for_each(|line| sender.send(line.unwrap())));
    lines
}
