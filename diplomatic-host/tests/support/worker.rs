//! The Worker of `worker/`, in a workerd of the tests' own. Tests of it are skipped unless `DIPLOMATIC_TEST_WORKER` says that
//! it is built (with the feature `testing`) and that wrangler is installed, as `worker/test.sh` sees to.

// Every test file takes what it needs of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Starts the server anew when it is told to, and ends it when the test's process does, whose end of the pipe is closed
/// then. The folder goes with it.
const KEEPER: &str = r#"
data=$1
shift
tree() {
    for child in $(pgrep -P "$1"); do tree "$child"; done
    echo "$1"
}
stop() {
    kill -9 $(tree "$server") 2>/dev/null
    wait "$server" 2>/dev/null
}
start() {
    "$@" </dev/null >>"$data/output" 2>&1 &
    server=$!
}
start "$@"
while read -r word; do
    stop
    echo dead
    start "$@"
done
stop
rm -rf "$data"
"#;

/// A workerd on a port of its own.
pub(crate) struct Worker {
    pub(crate) address: SocketAddr,
    stdin: ChildStdin,
    answers: BufReader<ChildStdout>,
    keeper: Child,
    output: PathBuf,
}

impl Worker {
    /// Starts the Worker with these variables, if this run is to test it.
    pub(crate) async fn start(variables: &[&str]) -> Option<Self> {
        if std::env::var_os("DIPLOMATIC_TEST_WORKER").is_none() {
            eprintln!("DIPLOMATIC_TEST_WORKER is not set: a test of the Worker is skipped; worker/test.sh runs it");
            return None;
        }
        // Tests of two packages start it.
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let script = packages.join("diplomatic-host/worker/serve.sh");
        let data = tempfile::Builder::new().prefix("worker-").tempdir().unwrap().keep();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&data).arg(script).arg(address.port().to_string()).arg(&data);
        for variable in variables {
            keeper.args(["--var", variable]);
        }
        // A signal to the tests' group is not meant for it.
        keeper.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.spawn().unwrap();
        let stdin = keeper.stdin.take().unwrap();
        let answers = BufReader::new(keeper.stdout.take().unwrap());
        let worker = Self { address, stdin, answers, keeper, output: data.join("output") };
        worker.until_it_serves().await;
        Some(worker)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how many calls were answered, and upgrades to the live channel among them.
    pub(crate) fn calls(&self) -> usize {
        let output = std::fs::read_to_string(&self.output).unwrap();
        let is_call = |line: &&str| ["POST /", "GET / "].iter().any(|call| line.contains(call));
        output.lines().filter(is_call).count()
    }

    /// Kills everything at once, between any two steps, and starts again on the same data.
    pub(crate) async fn kill_and_start(&mut self) {
        self.stdin.write_all(b"again\n").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, "dead\n");
        self.until_it_serves().await;
    }

    async fn until_it_serves(&self) {
        let started = Instant::now();
        while self.version().await.is_none() {
            let output = std::fs::read_to_string(&self.output).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(180), "the Worker does not start: {output}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks for something that every Worker answers.
    async fn version(&self) -> Option<()> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        stream.write_all(b"GET /testing HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n").await.ok()?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.ok()?;
        response.starts_with(b"HTTP/1.1 200").then_some(())
    }
}
