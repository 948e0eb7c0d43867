//! What operators do with a running program: who gets in, how much they may do, backups, health checks and metrics.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]
#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod closed;
mod quotas;
mod unfinished;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use diplomatic::standard::calls::{PeekRequest, PullRequest, PushItem, PushOutcome, PushRequest, UserRequest};
use diplomatic::standard::{Encode, Seq, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use support::account::Account;
use support::program::{Program, command, complaint};
use support::secure;
use support::{Client, Response, clock, next_frame, soon};

/// A folder with the data of one host.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn serve(&self, options: &[&str]) -> Program {
        Program::spawn(command(&self.path("host.redb")).args(["--listen", "127.0.0.1:0"]).args(options))
    }

    /// Runs a command of the operator.
    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diplomatic-host"));
        command.args(words).arg("--data").arg(self.path("host.redb"));
        command.output().unwrap()
    }

    /// Runs a command that succeeds, and returns what it prints.
    fn told(&self, words: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run(words);
        assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// Runs a command that fails, and returns its one sentence.
    fn refused(&self, words: &[&str]) -> String {
        let Output { status, stderr, .. } = self.run(words);
        let sentence = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), sentence.lines().count()), (Some(1), 1), "{words:?}: {sentence}");
        sentence
    }
}

async fn call(address: SocketAddr, account: &Account, path: &str, rest: &impl Encode) -> Response {
    let mut client = Client::by_the_clock(address).await;
    soon(client.send("POST", path, Body::from(account.request(clock(), rest)))).await.unwrap()
}

async fn register(address: SocketAddr, account: &Account, path: &str) -> Status {
    call(address, account, path, &UserRequest).await.parts().0.status
}

/// Pushes bags and returns what became of each.
async fn push(address: SocketAddr, account: &Account, count: usize, body: usize) -> Vec<PushOutcome> {
    let response = call(address, account, "/push", &PushRequest { bags: account.bags(count, body) }).await;
    response.items::<PushItem>().into_iter().map(|item| item.outcome).collect()
}

/// Asks a plain HTTP server for a page.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn a_closed_host_takes_the_first_account_and_those_whom_the_operator_allows() {
    let site = Site::new();
    let host = site.serve(&["--admission", "closed"]);
    let [first, second] = [1, 2].map(Account::new);
    assert_eq!(register(host.address, &first, "/user").await, Status::SUCCESS);
    assert_eq!(register(host.address, &first, "/user").await, Status::SUCCESS);
    assert_eq!(register(host.address, &second, "/user").await, Status::USER_NOT_REGISTERED);
    site.told(&["accounts", "allow", &second.key().to_string()]);
    assert_eq!(register(host.address, &second, "/user").await, Status::SUCCESS);
    drop(host);

    let host = site.serve(&["--admission", "closed"]);
    assert_eq!(register(host.address, &Account::new(3), "/user").await, Status::USER_NOT_REGISTERED);
    assert!(site.told(&["accounts", "show", &second.key().to_string()]).contains("allowed"));
}

#[tokio::test]
async fn an_allow_list_lets_in_nobody_else_not_even_first() {
    let site = Site::new();
    let [listed, other] = [1, 2].map(Account::new);
    let host = site.serve(&["--admission", "allow-list", "--allow", &listed.key().to_string()]);
    assert_eq!(register(host.address, &other, "/user").await, Status::USER_NOT_REGISTERED);
    assert_eq!(register(host.address, &listed, "/user").await, Status::SUCCESS);
}

#[tokio::test]
async fn only_one_of_many_who_come_at_once_is_the_first() {
    let site = Site::new();
    let host = site.serve(&["--admission", "closed"]);
    let address = host.address;
    let coming: Vec<_> = (0..16)
        .map(|number| tokio::spawn(async move { register(address, &Account::new(number), "/user").await }))
        .collect();
    let mut admitted = 0;
    for coming in coming {
        admitted += usize::from(coming.await.unwrap() == Status::SUCCESS);
    }
    assert_eq!(admitted, 1);
}

#[tokio::test]
async fn an_invite_lets_one_account_in_and_its_link_stays_the_address_of_the_host() {
    let site = Site::new();
    let host = site.serve(&["--admission", "allow-list"]);
    let link = site.told(&["invite", "--url", "https://host.example.org/"]);
    let path = link.trim_end().strip_prefix("https://host.example.org").unwrap();
    let [invited, other] = [1, 2].map(Account::new);
    let user = format!("{path}/user");
    assert_eq!(register(host.address, &other, "/invite/00112233445566778899aabbccddeeff/user").await.number(), 5);
    assert_eq!(register(host.address, &invited, &user).await, Status::SUCCESS);
    assert_eq!(register(host.address, &other, &user).await, Status::USER_NOT_REGISTERED);
    let bags = invited.bags(3, 10);
    let pushed = call(host.address, &invited, &format!("{path}/push"), &PushRequest { bags }).await;
    assert_eq!(pushed.items::<PushItem>().len(), 3);
    let live = format!("ws://{}{path}?t={}", host.address, invited.token(clock()));
    let (mut socket, _) = tokio_tungstenite::connect_async(live).await.unwrap();
    push(host.address, &invited, 1, 10).await;
    assert!(soon(next_frame(&mut socket)).await.is_some());
}

#[tokio::test]
async fn a_client_that_drops_the_path_is_let_in_after_the_link_was_opened_from_its_address() {
    let site = Site::new();
    let host = site.serve(&["--admission", "allow-list"]);
    let link = site.told(&["invite"]);
    let [invited, other] = [1, 2].map(Account::new);
    assert_eq!(register(host.address, &invited, "/user").await, Status::USER_NOT_REGISTERED);
    assert_eq!(get(host.address, link.trim_end()).await.0, 200);
    assert_eq!(register(host.address, &invited, "/user").await, Status::SUCCESS);
    assert_eq!(register(host.address, &other, "/user").await, Status::USER_NOT_REGISTERED);
    assert_eq!(get(host.address, link.trim_end()).await.0, 404);
}

#[tokio::test]
async fn an_invite_that_is_too_old_lets_nobody_in() {
    let site = Site::new();
    let host = site.serve(&["--admission", "allow-list"]);
    let link = site.told(&["invite", "--days", "0"]);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let user = format!("{}/user", link.trim_end());
    assert_eq!(register(host.address, &Account::new(1), &user).await, Status::USER_NOT_REGISTERED);
    assert_eq!(get(host.address, link.trim_end()).await.0, 404);
}

#[tokio::test]
async fn a_blocked_key_is_kept_out_of_every_call_and_its_sockets_are_closed() {
    let site = Site::new();
    let host = site.serve(&[]);
    let account = Account::new(1);
    let key = account.key().to_string();
    register(host.address, &account, "/user").await;
    push(host.address, &account, 2, 10).await;
    let url = format!("ws://{}/?t={}", host.address, account.token(clock()));
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    site.told(&["accounts", "block", &key]);
    assert!(soon(next_frame(&mut socket)).await.is_none());
    assert_eq!(register(host.address, &account, "/user").await, Status::USER_NOT_REGISTERED);
    let peek = PeekRequest { after: Seq::ZERO };
    assert_eq!(call(host.address, &account, "/peek", &peek).await.parts().0.status, Status::USER_NOT_REGISTERED);
    assert!(tokio_tungstenite::connect_async(&url).await.is_err());
    site.told(&["accounts", "allow", &key]);
    assert_eq!(call(host.address, &account, "/peek", &peek).await.parts().0.status, Status::SUCCESS);
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_may_start_anew() {
    let site = Site::new();
    let host = site.serve(&[]);
    let account = Account::new(1);
    let key = account.key().to_string();
    register(host.address, &account, "/user").await;
    push(host.address, &account, 5, 1000).await;
    let listed = site.told(&["accounts", "list"]);
    assert!(listed.lines().any(|line| line.starts_with(&key) && line.contains(" 5 ")), "{listed}");
    site.told(&["accounts", "delete", &key]);
    assert!(!site.told(&["accounts", "list"]).contains(&key));
    assert!(site.refused(&["accounts", "show", &key]).contains("there is no account"));
    assert!(site.refused(&["accounts", "delete", &key]).contains("there is no account"));
    register(host.address, &account, "/user").await;
    let seqs = push(host.address, &account, 1, 10).await;
    assert_eq!(seqs, [PushOutcome::Stored(Seq::new(1).unwrap())]);
    assert!(site.told(&["compact"]).contains("compacted") || site.told(&["compact"]).contains("nothing"));
    assert!(site.told(&["check"]).contains("1 accounts, 1 bags: no damage"));
}

#[tokio::test]
async fn bags_beyond_the_quota_are_refused_one_by_one_and_every_head_reports_it() {
    let site = Site::new();
    let host = site.serve(&["--quota", "10K"]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    let pushed = push(host.address, &account, 20, 1000).await;
    let stored = pushed.iter().take_while(|outcome| matches!(outcome, PushOutcome::Stored(_))).count();
    assert!((5..10).contains(&stored), "{pushed:?}");
    assert!(pushed[stored..].iter().all(|outcome| *outcome == PushOutcome::Refused(Status::STORAGE_ERROR)));
    let (head, _) = (call(host.address, &account, "/peek", &PeekRequest { after: Seq::ZERO }).await.parts().0, ());
    assert_eq!(head.status, Status::SUCCESS);
    assert_eq!(head.stored.limit(), Some(10 << 10));
    let used = head.stored.used().unwrap();
    assert!((8 << 10..=10 << 10).contains(&used), "{used}");
    let other = Account::new(2);
    register(host.address, &other, "/user").await;
    assert!(matches!(push(host.address, &other, 1, 1000).await[0], PushOutcome::Stored(_)));
}

#[tokio::test]
async fn pushes_at_once_do_not_get_an_account_beyond_its_quota() {
    let site = Site::new();
    let host = site.serve(&["--quota", "20K"]);
    let account = Arc::new(Account::new(1));
    register(host.address, &account, "/user").await;
    let address = host.address;
    let pushing: Vec<_> = (0..16)
        .map(|_| {
            let account = Arc::clone(&account);
            tokio::spawn(async move { push(address, &account, 4, 1000).await })
        })
        .collect();
    for pushing in pushing {
        pushing.await.unwrap();
    }
    let head = call(address, &account, "/peek", &PeekRequest { after: Seq::ZERO }).await.parts().0;
    assert!(head.stored.used().unwrap() <= 20 << 10, "{head:?}");
}

#[tokio::test]
async fn traffic_beyond_the_quota_of_the_day_is_refused() {
    let site = Site::new();
    let host = site.serve(&["--traffic", "20K"]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    assert!(matches!(push(host.address, &account, 1, 15_000).await[0], PushOutcome::Stored(_)));
    let pull = PullRequest { seqs: vec![Seq::new(1).unwrap()] };
    assert_eq!(call(host.address, &account, "/pull", &pull).await.parts().0.status, Status::SUCCESS);
    let head = call(host.address, &account, "/pull", &pull).await.parts().0;
    assert_eq!((head.status, head.traffic.limit()), (Status::STORAGE_ERROR, Some(20 << 10)));
    assert_eq!(push(host.address, &account, 1, 10).await, [PushOutcome::Refused(Status::STORAGE_ERROR)]);
}

#[tokio::test]
async fn too_many_requests_of_one_key_are_told_to_come_back() {
    let site = Site::new();
    let host = site.serve(&["--rate-per-key", "5"]);
    let [hasty, other] = [1, 2].map(Account::new);
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(register(host.address, &hasty, "/user").await);
    }
    assert_eq!(statuses[..5], [Status::SUCCESS; 5]);
    assert_eq!(statuses[7], Status::STORAGE_ERROR);
    assert_eq!(register(host.address, &other, "/user").await, Status::SUCCESS);
}

#[tokio::test]
async fn too_many_requests_of_one_address_are_told_to_come_back_and_proxies_name_the_address() {
    let site = Site::new();
    let host = site.serve(&["--rate-per-address", "5", "--trusted-proxy", "127.0.0.0/8"]);
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let mut ask = async |forwarded: &str| {
        let request =
            format!("POST /nothing HTTP/1.1\r\nhost: h\r\nx-forwarded-for: {forwarded}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let count = soon(stream.read(&mut answer)).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        assert!(count > end + 4);
        answer[end + 4]
    };
    for _ in 0..5 {
        assert_eq!(ask("192.0.2.1").await, Status::NOT_FOUND.number());
    }
    assert_eq!(ask("192.0.2.1").await, Status::STORAGE_ERROR.number());
    assert_eq!(ask("6.6.6.6, 192.0.2.1").await, Status::STORAGE_ERROR.number());
    assert_eq!(ask("192.0.2.2").await, Status::NOT_FOUND.number());
}

#[tokio::test]
async fn below_the_floor_of_free_disk_pushes_are_refused_and_reads_are_served() {
    let site = Site::new();
    let host = site.serve(&[]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    push(host.address, &account, 3, 10).await;
    drop(host);
    let host = site.serve(&["--min-free", "1000000T"]);
    let request = PushRequest { bags: account.bags(1, 10) };
    assert_eq!(call(host.address, &account, "/push", &request).await.parts().0.status, Status::STORAGE_ERROR);
    assert_eq!(register(host.address, &Account::new(2), "/user").await, Status::STORAGE_ERROR);
    assert_eq!(register(host.address, &account, "/user").await, Status::SUCCESS);
    let mut client = Client::by_the_clock(host.address).await;
    assert_eq!(client.peek(&account, 0).await.len(), 3);
    assert_eq!(client.pull(&account, 1..=3).await.len(), 3);
}

/// Returns all that a host has of an account, byte by byte.
async fn everything(address: SocketAddr, account: &Account) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut client = Client::by_the_clock(address).await;
    let heads = client.peek(account, 0).await;
    let bodies = client.pull(account, heads.iter().map(|item| item.seq.number())).await;
    (heads.iter().map(Encode::to_bytes).collect(), bodies.iter().map(Encode::to_bytes).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_was_made_while_the_host_served_is_restored_bag_by_bag() {
    let site = Site::new();
    let host = site.serve(&["--admission", "closed"]);
    let accounts: Vec<_> = (1..=3).map(|number| Arc::new(Account::new(number))).collect();
    for account in &accounts {
        site.told(&["accounts", "allow", &account.key().to_string()]);
        register(host.address, account, "/user").await;
        push(host.address, account, 50, 2000).await;
    }
    let before = everything(host.address, &accounts[0]).await;

    // Somebody pushes all the while.
    let stop = Arc::new(AtomicBool::new(false));
    let pushing = tokio::spawn({
        let (account, stop, address) = (Arc::clone(&accounts[1]), Arc::clone(&stop), host.address);
        async move {
            while !stop.load(Ordering::Relaxed) {
                push(address, &account, 5, 500).await;
            }
        }
    });
    let file = site.path("backup");
    let name = file.to_str().unwrap();
    let told = tokio::task::block_in_place(|| site.told(&["backup", name]));
    stop.store(true, Ordering::Relaxed);
    pushing.await.unwrap();
    assert!(told.contains("3 accounts"), "{told}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let pushed = everything(host.address, &accounts[1]).await;
    drop(host);

    let other = Site::new();
    let told = other.told(&["restore", name]);
    assert!(told.contains("3 accounts"), "{told}");
    let host = other.serve(&["--admission", "closed"]);
    assert_eq!(everything(host.address, &accounts[0]).await, before);
    let restored = everything(host.address, &accounts[1]).await;
    assert!(restored.0.len() >= 50 && pushed.0.starts_with(&restored.0) && pushed.1.starts_with(&restored.1));
    assert!(
        other.told(&["accounts", "list"]).matches("allowed").count() == 3,
        "what the operator decided is there too"
    );
    assert!(other.told(&["check"]).contains("no damage"));

    // Once more, into the running host: everything is there already.
    let again = other.told(&["restore", name]);
    assert!(again.contains(" 0 bags restored") && !again.contains("numbers"), "{again}");
    let account = accounts[2].key().to_string();
    let export = site.path("export");
    assert!(other.told(&["accounts", "export", &account, export.to_str().unwrap()]).contains("1 accounts, 50 bags"));
}

#[tokio::test]
async fn a_backup_that_is_cut_short_or_changed_is_refused_and_changes_nothing() {
    let site = Site::new();
    let host = site.serve(&[]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    push(host.address, &account, 20, 100).await;
    let file = site.path("backup");
    let name = file.to_str().unwrap();
    site.told(&["backup", name]);
    let whole = fs::read(&file).unwrap();
    let empty = Site::new();
    let _host = empty.serve(&[]);
    for bad in
        [&whole[..0], &whole[..10], &whole[..whole.len() / 2], &whole[..whole.len() - 1], &[&whole[..], b"x"].concat()]
    {
        fs::write(&file, bad).unwrap();
        assert!(empty.refused(&["restore", name]).contains("choose another"));
    }
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    fs::write(&file, changed).unwrap();
    assert!(empty.refused(&["restore", name]).contains("damaged"));
    assert_eq!(empty.told(&["accounts", "list"]).lines().count(), 1);
}

#[tokio::test]
async fn a_backup_whose_host_is_killed_leaves_the_last_one_as_it_was() {
    let site = Site::new();
    let mut host = site.serve(&[]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    for _ in 0..8 {
        push(host.address, &account, 8, 1 << 20).await;
    }
    let file = site.path("backup");
    fs::write(&file, "the last one").unwrap();
    let name = file.to_str().unwrap().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_diplomatic-host"));
    let backup = command.args(["backup", &name]).arg("--data").arg(site.path("host.redb"));
    let mut backup = backup.stderr(std::process::Stdio::piped()).spawn().unwrap();
    // As soon as something comes.
    let begun = Instant::now();
    let part = || {
        fs::read_dir(site.folder.path()).unwrap().flatten().any(|entry| {
            entry.file_name().to_string_lossy().starts_with(".diplomatic-host-backup-")
                && entry.metadata().is_ok_and(|it| it.len() > 0)
        })
    };
    while !part() && backup.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    host.kill();
    let ended = backup.wait().unwrap();
    let left = fs::read(&file).unwrap();
    if ended.success() {
        assert!(left.len() > 60 << 20, "it was quicker than the kill, and is whole");
    } else {
        assert_eq!(left, b"the last one");
        assert!(!part(), "the part is gone");
    }
}

#[tokio::test]
async fn without_a_host_commands_say_so_and_a_socket_from_a_crash_is_replaced() {
    let site = Site::new();
    assert!(site.refused(&["accounts", "list"]).contains("no host answers at"));
    let mut host = site.serve(&[]);
    let socket = site.path("host.redb.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(site.path("host.redb")).unwrap().permissions().mode() & 0o777, 0o600);
    host.kill();
    assert!(socket.exists());
    assert!(site.refused(&["accounts", "list"]).contains("no host answers at"));
    let host = site.serve(&[]);
    assert_eq!(site.told(&["accounts", "list"]).lines().count(), 1);
    host.signal("-TERM");
    let mut host = host;
    assert!(host.child.wait().unwrap().success());
    assert!(!socket.exists());
    fs::write(&socket, "precious").unwrap();
    let complaint = complaint(command(&site.path("host.redb")).args(["--listen", "127.0.0.1:0"]));
    assert!(complaint.contains("is no socket") && complaint.contains("--admin"), "{complaint}");
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
}

#[tokio::test]
async fn garbage_on_the_command_socket_harms_nobody() {
    let site = Site::new();
    let _host = site.serve(&[]);
    for garbage in [&b""[..], b"\n", b"\xff\xfe\n", b"format c:\n", &[b'a'; 5000], b"restore\ngarbage"] {
        let mut stream = tokio::net::UnixStream::connect(site.path("host.redb.sock")).await.unwrap();
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"ok"), "{garbage:?}");
    }
    assert_eq!(site.told(&["accounts", "list"]).lines().count(), 1);
}

/// Starts a host that is monitored, and returns where.
fn monitored(site: &Site, options: &[&str]) -> (Program, SocketAddr) {
    let mut host = site.serve(&[&["--metrics", "127.0.0.1:0"], options].concat());
    let mut line = String::new();
    BufReader::new(host.child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim_end().rsplit_once("http://").unwrap().1.parse().unwrap();
    (host, address)
}

#[tokio::test]
async fn health_and_metrics_are_told_on_a_listener_of_their_own() {
    let site = Site::new();
    let (host, monitor) = monitored(&site, &[]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    push(host.address, &account, 3, 10).await;
    call(host.address, &Account::new(2), "/peek", &PeekRequest { after: Seq::ZERO }).await;
    assert_eq!(get(monitor, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(monitor, "/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(get(host.address, "/metrics").await.0, 200, "a call that no host knows, in the words of the standard");
    assert!(!get(host.address, "/metrics").await.1.contains("diplomatic_host"));
    let (_, metrics) = get(monitor, "/metrics").await;
    for line in [
        "diplomatic_host_requests_total{call=\"push\",status=\"Success\"} 1",
        "diplomatic_host_bags_total{outcome=\"stored\"} 3",
        "diplomatic_host_refusals_total{reason=\"not_registered\"} 1",
        "diplomatic_host_commit_seconds_count 1",
        "diplomatic_host_verification_seconds_count 1",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn every_metric_of_the_dashboard_is_one_that_the_host_tells() {
    let site = Site::new();
    let (host, monitor) = monitored(&site, &[]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    push(host.address, &account, 1, 10).await;
    get(host.address, "/").await;
    let (_, metrics) = get(monitor, "/metrics").await;
    let dashboard = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana-dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_slice(&fs::read(dashboard).unwrap()).unwrap();
    let text = dashboard.to_string();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let names: std::collections::BTreeSet<_> = text
        .match_indices("diplomatic_host_")
        .map(|(at, _)| text[at..].split(|letter| !is_name(letter)).next().unwrap())
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name} is in the dashboard alone");
    }
}

#[tokio::test]
async fn logs_are_json_with_an_id_for_every_request() {
    let site = Site::new();
    let mut serve = command(&site.path("host.redb"));
    let mut host = Program::spawn(serve.args(["--listen", "127.0.0.1:0", "--log", "json"]).env("RUST_LOG", "info"));
    register(host.address, &Account::new(1), "/user").await;
    host.signal("-TERM");
    let mut logged = String::new();
    host.child.stderr.take().unwrap().read_to_string(&mut logged).unwrap();
    let lines: Vec<serde_json::Value> = logged.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().find(|line| line["fields"]["message"] == "answered").unwrap();
    assert_eq!((&answered["fields"]["call"], &answered["fields"]["status"]), (&"user".into(), &"Success".into()));
    assert!(answered["span"]["id"].as_str().unwrap().contains('-'), "{answered}");
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)).unwrap()
}

/// Shakes hands, trusting one certificate alone.
async fn shake_hands(address: SocketAddr, trusted: &str) -> Option<TlsStream<TcpStream>> {
    secure::shake_hands(address, "localhost", &fixture(trusted)).await
}

#[tokio::test]
async fn https_is_served_and_a_new_certificate_is_taken_up_but_not_a_broken_one() {
    let site = Site::new();
    let (certificate, key) = (site.path("certificate.pem"), site.path("key.pem"));
    fs::write(&certificate, fixture("one.pem")).unwrap();
    fs::write(&key, fixture("one.key")).unwrap();
    let [certificate_name, key_name] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let host = site.serve(&["--tls-certificate", certificate_name, "--tls-key", key_name]);
    let mut stream = shake_hands(host.address, "one.pem").await.unwrap();
    assert!(shake_hands(host.address, "two.pem").await.is_none());
    let answer = secure::register(&mut stream).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    // Whoever speaks plain HTTP, or nothing that makes sense, harms nobody.
    let mut plain = TcpStream::connect(host.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = soon(plain.read_to_end(&mut Vec::new())).await;

    fs::write(&certificate, "broken").unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(shake_hands(host.address, "one.pem").await.is_some(), "the last good certificate stays");
    fs::write(&certificate, fixture("two.pem")).unwrap();
    fs::write(&key, fixture("two.key")).unwrap();
    let begun = Instant::now();
    while shake_hands(host.address, "two.pem").await.is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the new certificate is not taken up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[test]
fn certificate_files_that_cannot_be_used_are_named() {
    let site = Site::new();
    let (certificate, key) = (site.path("certificate.pem"), site.path("key.pem"));
    let tried = |certificate_bytes: &[u8], key_bytes: &[u8]| {
        fs::write(&certificate, certificate_bytes).unwrap();
        fs::write(&key, key_bytes).unwrap();
        let mut serve = command(&site.path("host.redb"));
        serve.args(["--listen", "127.0.0.1:0"]);
        complaint(serve.arg("--tls-certificate").arg(&certificate).arg("--tls-key").arg(&key))
    };
    assert!(tried(b"", &fixture("one.key")).contains("holds no certificate"));
    assert!(tried(&fixture("one.pem"), b"").contains("holds no private key"));
    assert!(tried(&fixture("one.pem"), &fixture("two.key")).contains("cannot be used with the key"));
}

#[test]
#[cfg(not(feature = "acme"))]
fn a_program_without_acme_says_how_to_get_it() {
    let site = Site::new();
    let mut serve = command(&site.path("host.redb"));
    let said = complaint(serve.args(["--acme-domain", "host.example.org", "--acme-cache", "folder"]));
    assert!(said.contains("feature acme"), "{said}");
}

#[tokio::test]
async fn sigterm_ends_the_program_within_the_time_that_a_container_has() {
    let site = Site::new();
    let mut host = site.serve(&[]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    let url = format!("ws://{}/?t={}", host.address, account.token(clock()));
    let (_socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    // A request that never ends.
    let mut slow = TcpStream::connect(host.address).await.unwrap();
    slow.write_all(b"POST /push HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\nabc").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    host.signal("-TERM");
    assert!(host.child.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
