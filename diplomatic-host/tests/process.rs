//! The program itself: its line, its signals, its complaints, and what a kill -9 leaves behind.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diplomatic::standard::calls::{PushItem, PushOutcome, PushRequest, UserRequest};
use diplomatic::standard::{Bag, Encode, Seq, Signature};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use support::account::Account;
use support::program::{Program, command, complaint, open_idle_sockets};
use support::{Client, clock, soon};

/// Pushes until the host is gone, and returns the seq of every bag that was acknowledged.
async fn push_until_it_dies(address: SocketAddr, account: Arc<Account>, seed: u64) -> Vec<(u64, Signature)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut acknowledged = Vec::new();
    let mut client = Client::connect(address).await;
    let mut unsure: Vec<Bag> = Vec::new();
    loop {
        // Some bags are pushed again, as after a lost answer.
        let fresh = account.bags(rng.random_range(1..4), 100);
        let bags = if rng.random_bool(0.2) { [unsure.clone(), fresh.clone()].concat() } else { fresh.clone() };
        let request = account.request(clock(), &PushRequest { bags: bags.clone() });
        let Ok(response) = client.send("POST", "/push", request).await else { return acknowledged };
        for (item, bag) in response.items::<PushItem>().iter().zip(&bags) {
            let PushOutcome::Stored(seq) = item.outcome else { panic!("{item:?}") };
            acknowledged.push((seq.number(), bag.head.signature));
        }
        unsure = fresh;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_bag_survives_kill_9_under_its_seq_without_gap_or_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("host.redb");
    let accounts: Vec<_> = (0..2).map(|number| Arc::new(Account::device(number, 1))).collect();
    let mut acknowledged: Vec<BTreeMap<u64, Signature>> = vec![BTreeMap::new(); accounts.len()];
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..8_u64 {
        let mut program = Program::start(&data);
        let mut pushing = Vec::new();
        for (index, account) in accounts.iter().enumerate() {
            Client::by_the_clock(program.address).await.user(account).await;
            for device in 0..3 {
                let seed = round * 100 + device;
                pushing.push((index, tokio::spawn(push_until_it_dies(program.address, account.clone(), seed))));
            }
        }
        sleep(Duration::from_millis(rng.random_range(20..300))).await;
        program.kill();
        for (index, pushed) in pushing {
            for (seq, signature) in soon(pushed).await.unwrap() {
                let before = acknowledged[index].insert(seq, signature);
                assert!(before.is_none_or(|before| before == signature), "seq {seq} was given twice");
            }
        }

        let program = Program::start(&data);
        let mut client = Client::by_the_clock(program.address).await;
        for (account, acknowledged) in accounts.iter().zip(&acknowledged) {
            let there = client.peek(account, 0).await;
            let seqs: Vec<u64> = there.iter().map(|item| item.seq.number()).collect();
            assert_eq!(seqs, (1..=there.len() as u64).collect::<Vec<_>>(), "round {round}");
            let there: BTreeMap<_, _> = there.iter().map(|item| (item.seq.number(), item.head.signature)).collect();
            assert!(acknowledged.iter().all(|(seq, signature)| there.get(seq) == Some(signature)), "round {round}");
            assert_eq!(client.pull(account, seqs.clone()).await.len(), seqs.len(), "round {round}");
        }
    }
    assert!(acknowledged.iter().all(|bags| bags.len() > 100), "hardly anything was pushed");
}

#[tokio::test]
async fn sigterm_finishes_what_was_accepted_and_exits_with_0() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("host.redb");
        let mut program = Program::start(&data);
        let account = Account::new(1);
        Client::by_the_clock(program.address).await.user(&account).await;
        let request = account.request(clock(), &PushRequest { bags: account.bags(1, 100) });
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        let header = format!("POST /push HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n", request.len());
        stream.write_all(&[header.as_bytes(), &request[..100]].concat()).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        program.signal(signal);
        sleep(Duration::from_millis(100)).await;
        stream.write_all(&request[100..]).await.unwrap();
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.ends_with(&[0, 0, 1]), "{signal}: bag 0 was stored under seq 1");
        assert!(program.child.wait().unwrap().success());
        let mut said = String::new();
        program.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "", "{signal}");

        let program = Program::start(&data);
        assert_eq!(Client::by_the_clock(program.address).await.peek(&account, 0).await.len(), 1);
    }
}

#[test]
fn a_second_program_on_one_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("host.redb");
    let _first = Program::start(&data);
    let complaint = complaint(command(&data).args(["--listen", "127.0.0.1:0"]));
    assert!(complaint.contains("host.redb is in use by another process"), "{complaint}");
}

#[test]
fn a_port_in_use_says_so_and_names_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let first = Program::start(&folder.path().join("one.redb"));
    let taken = first.address.to_string();
    let complaint = complaint(command(&folder.path().join("two.redb")).args(["--listen", &taken]));
    assert!(complaint.contains(&format!("cannot listen on {taken}")) && complaint.contains("--listen"), "{complaint}");
}

#[test]
fn a_folder_that_is_not_there_says_so() {
    let complaint = complaint(&mut command(Path::new("/nonexistent/folder/host.redb")));
    assert!(complaint.contains("/nonexistent/folder/host.redb cannot be opened"), "{complaint}");
}

#[test]
fn the_environment_sets_the_port_and_listen_wins() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let data = folder.path().join("host.redb");
    let by_environment = Program::spawn(command(&data).env("DIPLOMATIC_HOST_PORT", free.port().to_string()));
    assert_eq!(by_environment.address, free);
    drop(by_environment);
    let listen = ["--listen", "127.0.0.1:0"];
    let by_option = Program::spawn(command(&data).env("DIPLOMATIC_HOST_PORT", "1").args(listen));
    assert_ne!(by_option.address.port(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_idle_socket_costs_less_than_12_kb() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&folder.path().join("host.redb"));
    // Of what the program needs anyway, the most is there after the first ones.
    let first = open_idle_sockets(program.address, 300).await;
    let before = program.resident();
    let count = 1500;
    let sockets = open_idle_sockets(program.address, count).await;
    let each = (program.resident() - before) / count as u64;
    assert!(each < 12_000, "each of {count} sockets takes {each} bytes");
    drop((first, sockets));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(debug_assertions, ignore = "to seal and check a gigabyte takes an optimised build")]
async fn a_gigabyte_in_one_request_is_stored_in_bounded_memory() {
    const BAGS: u64 = 1024;
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&folder.path().join("host.redb"));
    let account = Arc::new(Account::new(1));
    let mut client = Client::by_the_clock(program.address).await;
    client.user(&account).await;
    let before = program.resident();
    let auth = account.request(clock(), &UserRequest);
    let sealing = Arc::clone(&account);
    let bags = (0..BAGS).map(move |_| sealing.bag(1 << 20).to_bytes());
    let body = std::iter::once(auth).chain(bags).map(Ok::<_, std::convert::Infallible>);
    let body = axum::body::Body::from_stream(futures_util::stream::iter(body));
    let begun = std::time::Instant::now();
    let response = client.send("POST", "/push", body).await.unwrap();
    let seqs: Vec<_> = response.items::<PushItem>().into_iter().map(|item| item.outcome).collect();
    assert!(seqs.into_iter().eq((1..=BAGS).map(|seq| PushOutcome::Stored(Seq::new(seq).unwrap()))));
    let most = program.most_resident();
    println!("1 GiB took {:?}; memory went from {} MB to {} MB", begun.elapsed(), before >> 20, most >> 20);
    assert!(most < 512 << 20, "{most}");
    assert_eq!(client.peek(&account, 0).await.len() as u64, BAGS);
}
