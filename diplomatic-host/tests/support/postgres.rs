//! A Postgres of the tests' own, in a temporary folder. Where none is installed, tests that need one are skipped, unless
//! `DIPLOMATIC_NEEDS_POSTGRES` says that there has to be one.

// Every test file takes what it needs of this.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::sleep;

/// Nobody, as whom Postgres runs where the tests run as root: it refuses to be root.
const NOBODY: u32 = 65534;

/// Starts the server anew when it is told to, and ends it when the test's process does, whose end of the pipe is closed
/// then. The folder goes with it, if nobody asked for it to stay.
const KEEPER: &str = r#"
bin=$1 data=$2 port=$3 addresses=$4
start() {
    "$bin/postgres" -D "$data/db" -k "$data" -p "$port" -c listen_addresses="$addresses" -c max_connections=200 >>"$data/log" 2>&1 &
    server=$!
    echo "$server"
}
start
while read -r word; do
    case $word in
    kill)
        kill -9 "$server" $(cat "/proc/$server/task/$server/children" 2>/dev/null || pgrep -P "$server")
        wait "$server" 2>/dev/null
        echo dead
        ;;
    start) start ;;
    esac
done
kill -QUIT "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$data"
"#;

/// A server on a Unix socket in a folder of its own.
pub(crate) struct Postgres {
    folder: PathBuf,
    port: u16,
    stdin: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
    keeper: Child,
}

/// Returns the folder of Postgres' programs.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Debian keeps them where no path leads.
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
    versions.sort_by_key(|version| version.file_name());
    folders.extend(versions.iter().rev().map(|version| version.path().join("bin")));
    let found = folders.into_iter().find(|folder| ["initdb", "postgres"].iter().all(|name| folder.join(name).exists()));
    if found.is_none() {
        assert!(std::env::var_os("DIPLOMATIC_NEEDS_POSTGRES").is_none(), "there has to be a Postgres");
        eprintln!("there is no Postgres on this machine: a test is skipped");
    }
    found
}

/// Sets who runs a command: nobody, instead of root.
fn unprivileged(command: &mut Command, folder: &Path) {
    if fs::metadata(folder).unwrap().uid() == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
    // It must not depend on the folder that the tests run in.
    command.current_dir(folder).env("HOME", folder);
}

impl Postgres {
    /// Starts a server, unless there is none on this machine.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_at(5432, "").await
    }

    /// Starts a server that listens on a port of `localhost` as well.
    pub(crate) async fn start_on_network() -> Option<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(free, "127.0.0.1").await
    }

    async fn start_at(port: u16, addresses: &str) -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().unwrap().keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        if fs::metadata(&folder).unwrap().uid() == 0 {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut initdb = Command::new(programs.join("initdb"));
        initdb
            .args(["--no-sync", "-A", "trust", "-U", "host", "-E", "UTF8", "--locale=C", "-D"])
            .arg(folder.join("db"));
        unprivileged(&mut initdb, &folder);
        let output = tokio::process::Command::from(initdb).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&programs).arg(&folder).arg(port.to_string()).arg(addresses);
        unprivileged(&mut keeper, &folder);
        // A signal to the tests' group is not meant for it.
        keeper.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.spawn().unwrap();
        let (stdin, stdout) = (keeper.stdin.take().unwrap(), keeper.stdout.take().unwrap());
        let mut server = Self { folder, port, stdin, answers: BufReader::new(stdout), keeper };
        server.answer();
        server.until_it_serves().await;
        Some(server)
    }

    /// Returns the address of the database.
    pub(crate) fn url(&self) -> String {
        let host = self.folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://host@{host}:{}/postgres", self.port)
    }

    /// Returns its address in the network, by a name.
    pub(crate) fn network_url(&self, name: &str) -> String {
        format!("postgres://host@{name}:{}/postgres", self.port)
    }

    /// Turns TLS on, with a certificate and its key.
    pub(crate) async fn encrypt(&self, certificate: &[u8], key: &[u8]) {
        for (name, bytes) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.folder.join("db").join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            if fs::metadata(&self.folder).unwrap().uid() == NOBODY {
                chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let client = self.client().await.unwrap();
        client.execute("ALTER SYSTEM SET ssl = on", &[]).await.unwrap();
        client.execute("SELECT pg_reload_conf()", &[]).await.unwrap();
        // A connection that is new tells; those that are old need not know yet.
        for _ in 0..1200 {
            let row = self.client().await.unwrap().query_one("SHOW ssl", &[]).await.unwrap();
            if row.get::<_, String>(0) == "on" {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("Postgres does not turn TLS on: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    /// Returns the address of a place in the database where nothing is yet.
    pub(crate) async fn fresh(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let client = self.client().await.unwrap();
        client.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
        format!("{}?options=-csearch_path%3D{name}", self.url())
    }

    /// Kills the server and all its children.
    pub(crate) fn kill(&mut self) {
        self.say("kill");
        assert_eq!(self.answer(), "dead");
    }

    /// Starts it again after a kill. It may take a while until it serves.
    pub(crate) fn restart(&mut self) {
        self.say("start");
        self.answer();
    }

    pub(crate) async fn until_it_serves(&self) {
        for _ in 0..1200 {
            if self.client().await.is_ok() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("Postgres does not serve: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    pub(crate) async fn client(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn say(&mut self, word: &str) {
        use std::io::Write;
        self.stdin.write_all(format!("{word}\n").as_bytes()).unwrap();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// Returns the address of an empty place on a server that all tests of a process share.
pub(crate) async fn fresh() -> Option<String> {
    static SERVER: OnceCell<Option<Postgres>> = OnceCell::const_new();
    Some(SERVER.get_or_init(Postgres::start).await.as_ref()?.fresh().await)
}
