//! A few processes on one Postgres: what is acknowledged stays, seqs have neither gap nor repeat, sockets hear of what
//! another process took in, and nobody gets an error page while the database is away.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]
#![cfg(all(unix, feature = "postgres"))]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diplomatic::standard::calls::{Notification, PeekRequest, PushItem, PushOutcome, PushRequest, UserRequest};
use diplomatic::standard::{Bag, Decode, Seq, Signature, Status};
use diplomatic_host::{BagStore, PostgresOptions, PostgresStore, Readiness};
use tokio::time::{sleep, timeout};

use support::account::{Account, NOW};
use support::postgres::{Postgres, fresh};
use support::program::{Program, command, complaint};
use support::{Client, Running, Socket, clock, next_frame, soon};

/// A folder for the sockets of the operator's commands.
struct Site {
    folder: tempfile::TempDir,
    url: String,
}

impl Site {
    fn new(url: String) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url }
    }

    fn serve(&self, name: &str, options: &[&str]) -> Program {
        let mut command = command(Path::new(&self.url));
        command.args(["--listen", "127.0.0.1:0", "--admin"]).arg(self.folder.path().join(name)).args(options);
        Program::spawn(&mut command)
    }

    /// Runs a command of the operator that succeeds, and returns what it prints.
    fn told(&self, name: &str, words: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diplomatic-host"));
        command.args(words).arg("--admin").arg(self.folder.path().join(name)).arg("--data").arg(&self.url);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

async fn register(address: SocketAddr, account: &Account) -> Status {
    let request = account.request(clock(), &UserRequest);
    soon(Client::by_the_clock(address).await.send("POST", "/user", request)).await.unwrap().parts().0.status
}

/// Pushes until it is told to stop or the host is gone, and returns the seq of every bag that was acknowledged. Whatever
/// becomes of the database, every answer is one of the protocol.
async fn push_on(address: SocketAddr, account: Arc<Account>, stop: Arc<AtomicBool>) -> (Vec<(u64, Signature)>, usize) {
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    let mut client = Client::connect(address).await;
    let mut unsure: Vec<Bag> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let bags = [unsure.clone(), account.bags(2, 100)].concat();
        let request = account.request(clock(), &PushRequest { bags: bags.clone() });
        let Ok(response) = client.send("POST", "/push", request).await else { break };
        let (head, _) = response.parts();
        if head.status == Status::STORAGE_ERROR {
            // They may be stored nevertheless: pushed again, they have the same seqs.
            unsure = bags;
            unsure.truncate(20);
            refused += 1;
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        unsure.clear();
        for (item, bag) in response.items::<PushItem>().iter().zip(bags) {
            match item.outcome {
                PushOutcome::Stored(seq) => acknowledged.push((seq.number(), bag.head.signature)),
                PushOutcome::Refused(status) => assert_eq!(status, Status::STORAGE_ERROR),
            }
        }
    }
    (acknowledged, refused)
}

/// Adds what was acknowledged: no seq was given twice.
fn add(all: &mut BTreeMap<u64, Signature>, acknowledged: Vec<(u64, Signature)>) {
    for (seq, signature) in acknowledged {
        let before = all.insert(seq, signature);
        assert!(before.is_none_or(|before| before == signature), "seq {seq} was given twice");
    }
}

/// Every acknowledged bag is there under its seq, and the seqs have neither gap nor repeat.
async fn assert_whole(address: SocketAddr, account: &Account, acknowledged: &BTreeMap<u64, Signature>) {
    let mut client = Client::by_the_clock(address).await;
    let there = client.peek(account, 0).await;
    let seqs: Vec<u64> = there.iter().map(|item| item.seq.number()).collect();
    assert_eq!(seqs, (1..=there.len() as u64).collect::<Vec<_>>());
    let there: BTreeMap<_, _> = there.iter().map(|item| (item.seq.number(), item.head.signature)).collect();
    assert!(acknowledged.iter().all(|(seq, signature)| there.get(seq) == Some(signature)));
    assert_eq!(client.pull(account, seqs.clone()).await.len(), seqs.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_account_lose_nothing_though_one_is_killed_again_and_again() {
    let Some(url) = fresh().await else { return };
    let site = Site::new(url);
    let lasting = site.serve("lasting", &[]);
    let account = Arc::new(Account::device(1, 1));
    assert_eq!(register(lasting.address, &account).await, Status::SUCCESS);
    let mut acknowledged = BTreeMap::new();
    for round in 0..4 {
        let mut mortal = site.serve("mortal", &[]);
        let stop = Arc::new(AtomicBool::new(false));
        let addresses = [lasting.address, mortal.address, mortal.address];
        let pushing = addresses.map(|address| tokio::spawn(push_on(address, account.clone(), stop.clone())));
        sleep(Duration::from_millis(100 + 100 * round)).await;
        mortal.kill();
        stop.store(true, Ordering::Relaxed);
        for pushing in pushing {
            add(&mut acknowledged, soon(pushing).await.unwrap().0);
        }
        assert_whole(lasting.address, &account, &acknowledged).await;
    }
    assert!(acknowledged.len() > 20, "hardly anything was pushed");
    assert!(site.told("lasting", &["check"]).contains("no damage"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgres_is_killed_and_started_again_every_answer_is_one_of_the_protocol_and_nothing_is_lost() {
    let Some(mut postgres) = Postgres::start().await else { return };
    let site = Site::new(postgres.fresh().await);
    let hosts = ["one", "two"].map(|name| site.serve(name, &[]));
    let account = Arc::new(Account::device(1, 1));
    assert_eq!(register(hosts[0].address, &account).await, Status::SUCCESS);
    let mut acknowledged = BTreeMap::new();
    for _ in 0..2 {
        let stop = Arc::new(AtomicBool::new(false));
        let pushing: Vec<_> =
            hosts.iter().map(|host| tokio::spawn(push_on(host.address, account.clone(), stop.clone()))).collect();
        sleep(Duration::from_millis(300)).await;
        postgres.kill();
        // While it is away, reads are answered with a status as well.
        let peek = account.request(clock(), &PeekRequest { after: Seq::ZERO });
        let answer = Client::by_the_clock(hosts[0].address).await.send("POST", "/peek", peek).await.unwrap();
        assert_eq!(answer.parts().0.status, Status::STORAGE_ERROR);
        sleep(Duration::from_millis(300)).await;
        postgres.restart();
        postgres.until_it_serves().await;
        let begun = Instant::now();
        while register(hosts[0].address, &account).await != Status::SUCCESS {
            assert!(begun.elapsed() < Duration::from_secs(60), "the host does not find the database again");
            sleep(Duration::from_millis(50)).await;
        }
        sleep(Duration::from_millis(300)).await;
        stop.store(true, Ordering::Relaxed);
        let mut refused = 0;
        for pushing in pushing {
            let (pushed, more) = timeout(Duration::from_secs(60), pushing).await.unwrap().unwrap();
            add(&mut acknowledged, pushed);
            refused += more;
        }
        assert!(refused > 0, "nobody noticed");
    }
    for host in &hosts {
        assert_whole(host.address, &account, &acknowledged).await;
    }
}

async fn socket(address: SocketAddr, account: &Account) -> Socket {
    let url = format!("ws://{address}/?t={}", account.token(clock()));
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

fn seqs(frame: &[u8]) -> Vec<u64> {
    Notification::decode(frame).unwrap().items.iter().map(|item| item.seq.number()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_at_one_process_reaches_the_sockets_of_another() {
    let Some(url) = fresh().await else { return };
    let site = Site::new(url);
    let [here, there] = ["here", "there"].map(|name| site.serve(name, &[]));
    let account = Account::device(1, 1);
    register(here.address, &account).await;
    let mut socket = socket(there.address, &account).await;
    let mut client = Client::by_the_clock(here.address).await;
    let mut delays = Vec::new();
    for seq in 1..=20 {
        assert_eq!(client.push(&account, account.bags(1, 10)).await, [seq]);
        let begun = Instant::now();
        assert_eq!(seqs(&soon(next_frame(&mut socket)).await.unwrap()), [seq]);
        delays.push(begun.elapsed());
    }
    delays.sort_unstable();
    println!("from process to process: median {:?}, longest {:?}", delays[10], delays[19]);
    // It takes less than 100 ms; on a busy machine it is still sooner than a process looks by itself.
    assert!(delays[10] < Duration::from_secs(2), "{delays:?}");
    // An account that is deleted there is gone here.
    site.told("here", &["accounts", "delete", &account.key().to_string()]);
    assert!(soon(next_frame(&mut socket)).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_killed_between_a_commit_and_its_hint_keeps_nobody_in_the_dark() {
    let Some(url) = fresh().await else { return };
    let account = Account::new(1);
    let site = Site::new(url.clone());
    let mut options = PostgresOptions::default();
    // Its hints never leave.
    options.hint_delay = Duration::from_secs(3600);
    let silent = PostgresStore::connect(&url, options).await.unwrap();
    let here = Running::start(silent).await;
    let there = site.serve("there", &[]);
    register(there.address, &account).await;
    let mut socket = socket(there.address, &account).await;
    let request = account.request(NOW, &PushRequest { bags: account.bags(3, 10) });
    let response = here.client().await.send("POST", "/push", request).await.unwrap();
    assert_eq!(response.items::<PushItem>().len(), 3);
    here.stop().await;
    let begun = Instant::now();
    // It takes less than 15 s; more where the machine is busy.
    assert_eq!(seqs(&timeout(Duration::from_secs(60), next_frame(&mut socket)).await.unwrap().unwrap()), [1, 2, 3]);
    println!("a lost hint was made good after {:?}", begun.elapsed());
}

#[tokio::test]
async fn policy_is_that_of_all_processes() {
    let Some(url) = fresh().await else { return };
    let site = Site::new(url);
    let options = ["--admission", "closed", "--quota", "10K"];
    let [one, two] = ["one", "two"].map(|name| site.serve(name, &options));
    let [first, stranger] = [1, 2].map(Account::new);
    assert_eq!(register(one.address, &first).await, Status::SUCCESS);
    assert_eq!(register(two.address, &stranger).await, Status::USER_NOT_REGISTERED);
    let mut client = Client::by_the_clock(one.address).await;
    assert_eq!(client.push(&first, first.bags(8, 1000)).await.len(), 8);
    let request = first.request(clock(), &PushRequest { bags: first.bags(1, 5000) });
    let response = Client::by_the_clock(two.address).await.send("POST", "/push", request).await.unwrap();
    assert_eq!(response.items::<PushItem>()[0].outcome, PushOutcome::Refused(Status::STORAGE_ERROR));
    site.told("one", &["accounts", "block", &first.key().to_string()]);
    let begun = Instant::now();
    while register(two.address, &first).await == Status::SUCCESS {
        assert!(begun.elapsed() < Duration::from_secs(60), "a block stays with the process that made it");
        sleep(Duration::from_millis(200)).await;
    }
    site.told("two", &["accounts", "delete", &first.key().to_string()]);
    assert_eq!(register(one.address, &stranger).await, Status::USER_NOT_REGISTERED);
}

#[tokio::test]
async fn a_family_moves_from_a_file_to_postgres_by_a_backup_and_back() {
    let Some(url) = fresh().await else { return };
    let site = Site::new(url);
    let file = site.folder.path().join("host.redb");
    let account = Account::new(1);
    let run = |words: &[&str], data: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diplomatic-host"));
        let output = command.args(words).args(["--data", data]).current_dir(site.folder.path()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let backup = site.folder.path().join("backup");
    let backup = backup.to_str().unwrap();
    let host = Program::start(&file);
    register(host.address, &account).await;
    let mut client = Client::by_the_clock(host.address).await;
    client.push(&account, account.bags(50, 2000)).await;
    let before = client.peek(&account, 0).await;
    run(&["backup", backup], file.to_str().unwrap());
    drop(host);

    assert!(run(&["restore", backup], &site.url).contains("1 accounts, 50 bags restored"));
    let host = site.serve("host", &["--admission", "closed"]);
    assert_eq!(Client::by_the_clock(host.address).await.peek(&account, 0).await, before);
    assert_eq!(register(host.address, &Account::new(2)).await, Status::USER_NOT_REGISTERED);
    assert!(site.told("host", &["check"]).contains("1 accounts, 50 bags: no damage"));
    site.told("host", &["backup", backup]);
    let other = site.folder.path().join("other.redb");
    assert!(run(&["restore", backup], other.to_str().unwrap()).contains("1 accounts, 50 bags restored"));
    let host = Program::start(&other);
    assert_eq!(Client::by_the_clock(host.address).await.peek(&account, 0).await, before);
}

#[tokio::test]
async fn tables_are_made_once_though_many_start_at_once() {
    let Some(url) = fresh().await else { return };
    let starting = (0..24).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { PostgresStore::connect(&url, PostgresOptions::default()).await.map(drop) })
    });
    for starting in starting.collect::<Vec<_>>() {
        soon(starting).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_waiting_does_not_mend_is_said_at_once_and_what_it_does_is_waited_for() {
    let Some(mut postgres) = Postgres::start().await else { return };
    let url = postgres.fresh().await;
    drop(PostgresStore::connect(&url, PostgresOptions::default()).await.unwrap());
    let schema = url.rsplit_once("%3D").unwrap().1;
    let set_format = async |format: i64| {
        let client = postgres.client().await.unwrap();
        client.batch_execute(&format!("UPDATE {schema}.diplomatic_host SET format = {format}")).await.unwrap();
    };
    let complain = |url: &str| complaint(command(Path::new(url)).args(["--listen", "127.0.0.1:0"]));
    set_format(99).await;
    let said = complain(&url);
    assert!(said.contains("format 99") && said.contains("newer version"), "{said}");
    set_format(1).await;
    let said = complain(&postgres.url().replace("/postgres", "/nothing"));
    assert!(said.contains("\"nothing\" does not exist"), "{said}");
    let said = complain("postgres://host:secret@/?nonsense=1");
    assert!(said.contains("no address of a database") && !said.contains("secret"), "{said}");

    postgres.kill();
    let mut options = PostgresOptions::default();
    options.patience = Some(Duration::ZERO);
    assert!(PostgresStore::connect(&url, options).await.is_err());
    let mut waiting = Box::pin(PostgresStore::connect(&url, PostgresOptions::default()));
    assert!(timeout(Duration::from_millis(1500), &mut waiting).await.is_err());
    postgres.restart();
    let store = timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
    assert_eq!(store.readiness(), Readiness::Ready);
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

async fn connect(url: &str, authorities: &str) -> Result<PostgresStore, String> {
    let mut options = PostgresOptions::default();
    options.authorities = Some(fixture(authorities));
    PostgresStore::connect(url, options).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_database_is_trusted_only_with_a_certificate_of_its_name_by_somebody_who_may_vouch_for_it() {
    let Some(server) = Postgres::start_on_network().await else { return };
    let url = server.network_url("localhost");
    let required = format!("{url}?sslmode=require");
    // It offers no TLS yet.
    assert!(connect(&required, "authority.pem").await.unwrap_err().contains("TLS"));
    let [certificate, key] = ["database.pem", "database.key"].map(|name| std::fs::read(fixture(name)).unwrap());
    server.encrypt(&certificate, &key).await;
    for mode in ["require", "verify-ca", "verify-full", "prefer"] {
        let store = connect(&format!("{url}?sslmode={mode}"), "authority.pem").await.unwrap();
        let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                         WHERE application_name = 'diplomatic-host' AND ssl";
        let row = server.client().await.unwrap().query_one(encrypted, &[]).await.unwrap();
        assert!(row.get::<_, i64>(0) >= 2, "calls and hints are encrypted with {mode}");
        assert_eq!(store.last(Account::new(1).key()).await.unwrap(), None);
    }
    for (url, authorities) in [
        // Nobody who is trusted vouches for it, whether TLS was asked for or not.
        (&required, "two.pem"),
        (&url, "two.pem"),
        // It is somebody else's.
        (&format!("{}?sslmode=require", server.network_url("127.0.0.1")), "authority.pem"),
    ] {
        let complaint = soon(connect(url, authorities)).await.unwrap_err();
        assert!(complaint.contains("certificate"), "{complaint}");
    }
}
