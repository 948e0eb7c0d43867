//! What people are told when the network stands in the way, and proxies from the environment.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use diplomatic_host::{Host, Limits, MemoryStore, Server, Tls};
use tokio::runtime::Runtime;

use crate::device::{Device, Running};
use crate::host::TestHost;

/// A host in memory that is served as the test wants it.
fn serve(prepare: impl FnOnce(Server) -> Server) -> (u16, Runtime) {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = prepare(Server::new(Arc::new(Host::new(MemoryStore::new()))));
    runtime.spawn(server.serve(listener, std::future::pending()));
    (port, runtime)
}

fn serve_tls(certificate: &str) -> (u16, Runtime) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dip/tls");
    let tls = Tls::open(folder.join(certificate), folder.join("host.key")).unwrap();
    serve(|server| server.with_tls(tls))
}

/// A device that trusts one certificate, and has a host that it has not asked yet.
fn device(url: &str, trusted: &str) -> Device {
    let trusted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dip/tls").join(trusted);
    let device = Device::new().with("SSL_CERT_FILE", trusted.to_str().unwrap());
    fs::create_dir_all(device.data()).unwrap();
    let hosts = format!(r#"{{"hosts":[{{"label":"host","address":"{url}"}}]}}"#);
    fs::write(device.data().join("hosts.json"), hosts).unwrap();
    device
}

/// Answers every request with the same bytes.
fn impostor(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
    });
    url
}

#[test]
fn a_trusted_certificate_is_used() {
    let (port, _host) = serve_tls("good.pem");
    let url = format!("https://localhost:{port}");
    let phone = device(&url, "authority.pem");
    phone.cat("hello");
    phone.run(&["sync"]).prints(&format!("host at {url}: in sync\n"));
}

#[test]
fn every_trouble_with_a_certificate_has_its_cause_and_remedy() {
    for (certificate, trusted, cause, remedy) in [
        ("expired.pem", "authority.pem", "expired on 2021-01-01 00:00 UTC", "renew it"),
        ("future.pem", "authority.pem", "valid only from 2100-01-01 00:00 UTC", "set this device's clock"),
        ("other.pem", "authority.pem", "for another name (host.example.org)", "check the host's address"),
        ("good.pem", "self-signed-ca.pem", "from an issuer that this device does not trust", "add the issuer"),
        ("self-signed.pem", "authority.pem", "is self-signed", "add it to the certificates"),
        ("self-signed-ca.pem", "authority.pem", "is self-signed", "add it to the certificates"),
    ] {
        let (port, _host) = serve_tls(certificate);
        let url = format!("https://localhost:{port}");
        let phone = device(&url, trusted);
        for arguments in [&["sync"][..], &["host", "add", &url, "--label", "again", "--create"], &["status"]] {
            let told = phone.run(arguments);
            let text = format!("{}{}", told.out, told.err);
            assert!(text.contains(cause) && text.contains(remedy), "{certificate}: {told:?}");
        }
    }
}

#[test]
fn https_and_http_are_told_apart() {
    let (port, _host) = serve(|server| server);
    device(&format!("https://localhost:{port}"), "authority.pem").run(&["sync"]).fails(4, "does not speak TLS");
    let phone = device(&impostor(b"\x15\x03\x01\x00\x02\x02\x46"), "authority.pem");
    phone.run(&["sync"]).fails(4, "https:// instead of http://");
}

#[test]
fn names_ports_and_silence_are_told_apart() {
    device("http://no-such-name.invalid", "authority.pem").run(&["sync"]).fails(4, "no address was found");
    device("http://127.0.0.1:1", "authority.pem").run(&["sync"]).fails(4, "connection refused");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let started = Instant::now();
    let phone = device(&url, "authority.pem");
    phone.run(&["sync"]).fails(4, "the host does not answer");
    phone.run(&["host", "add", &url, "--label", "again", "--create"]).fails(4, "the host does not answer");
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    assert!(phone.run(&["status"]).succeeds().contains("the host does not answer"));
}

#[test]
fn a_sign_in_page_and_a_redirect_are_told_as_such() {
    let portal = impostor(b"HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\n<!doctype html><p>Sign in!");
    let told = device(&portal, "authority.pem").run(&["sync"]);
    told.fails(4, "not a DIPLOMATIC host");
    told.fails(4, "sign-in page");
    assert!(!format!("{told:?}").contains("clock"), "{told:?}");
    let added = Device::new().run(&["host", "add", &portal, "--create"]);
    added.fails(4, "not a DIPLOMATIC host");
    added.fails(4, "sign-in page");

    let moved = impostor(b"HTTP/1.1 308 Moved\r\nlocation: https://new.example.org/peek\r\ncontent-length: 0\r\n\r\n");
    device(&moved, "authority.pem").run(&["sync"]).fails(4, "redirects to https://new.example.org ");
    Device::new().run(&["host", "add", &moved, "--create"]).fails(4, "redirects to https://new.example.org ");
}

#[test]
fn one_event_that_is_too_large_is_named_and_holds_up_no_other() {
    let (port, _host) = serve(|server| {
        let mut limits = Limits::default();
        limits.body = 20_000;
        server.with_limits(limits)
    });
    let phone = Device::new();
    phone.run(&["host", "add", &format!("http://127.0.0.1:{port}"), "--create"]).succeeds();
    phone.cat("before");
    let large = phone.run_with(&["cat", "--quiet"], "x".repeat(50_000)).succeeds().trim().to_owned();
    phone.run_with(&["cat"], "after").succeeds();
    let synced = phone.run(&["sync"]);
    synced.fails(4, &large);
    synced.fails(4, "larger than what the host takes");
    let json = phone.run(&["sync", "--json"]).json();
    assert_eq!((&json["hosts"][0]["pending"], &json["hosts"][0]["refused"]), (&1.into(), &1.into()));
}

/// A proxy that connects where it is asked to. Every request that it gets is reported.
fn proxy() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (report, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let report = report.clone();
            thread::spawn(move || forward(stream.unwrap(), |line| _ = report.send(line)));
        }
    });
    (address, requests)
}

fn forward(mut client: TcpStream, report: impl Fn(String)) {
    let mut head = vec![0; 65_536];
    let read = client.read(&mut head).unwrap_or_default();
    head.truncate(read);
    let text = String::from_utf8_lossy(&head).into_owned();
    let line = text.lines().next().unwrap_or_default().to_owned();
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    report(text.split("\r\n\r\n").next().unwrap_or_default().to_owned());
    let place = target.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
    let Ok(mut host) = TcpStream::connect(place) else { return };
    if line.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
    } else {
        host.write_all(&head).unwrap();
    }
    let (mut from, mut to) = (client.try_clone().unwrap(), host.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    let _ = std::io::copy(&mut host, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
}

#[test]
fn calls_and_the_live_channel_use_the_proxy_of_the_environment() {
    let host = TestHost::start();
    let (address, requests) = proxy();
    let phone = Device::at(&host.url());
    let laptop = Device::new().with("HTTP_PROXY", &format!("http://me:secret@{address}")).with("NO_PROXY", "");
    laptop.run(&["host", "add", &host.url(), "--create"]).succeeds();
    let log = Running::start(laptop.command(&["log", "--follow"]));
    let place = host.url().trim_start_matches("http://").to_owned();
    // The channel is asked for by CONNECT; the message then comes through it.
    let is_tunnel = |request: &String| request.starts_with(&format!("CONNECT {place} HTTP/1.1"));
    let seen: Vec<String> = std::iter::from_fn(|| requests.recv_timeout(Duration::from_secs(60)).ok())
        .scan(false, |ended, request| {
            let goes_on = !*ended;
            *ended = is_tunnel(&request);
            goes_on.then_some(request)
        })
        .take_while(|request| !is_tunnel(request))
        .collect();
    assert!(seen.iter().any(|request| request.starts_with(&format!("POST {}/peek HTTP/1.1", host.url()))), "{seen:?}");
    assert!(seen.iter().all(|request| request.contains("Basic bWU6c2VjcmV0")), "{seen:?}");
    phone.cat("through the proxy");
    assert!(log.next_line().contains("through the proxy"));

    // What NO_PROXY names is reached directly.
    let (unused, requests) = proxy();
    let direct = Device::new().with("HTTP_PROXY", &format!("http://{unused}")).with("NO_PROXY", "127.0.0.1");
    direct.run(&["host", "add", &host.url(), "--create"]).succeeds();
    direct.run(&["sync"]).succeeds();
    assert!(requests.try_recv().is_err());
}

#[test]
fn a_dead_proxy_is_named_without_its_password() {
    for url in ["http://host.example.org", "https://host.example.org"] {
        let phone = device(url, "authority.pem").with("ALL_PROXY", "http://me:secret@127.0.0.1:1").with("NO_PROXY", "");
        let told = phone.run(&["sync"]);
        told.fails(4, "the proxy http://127.0.0.1:1 refuses connections");
        told.fails(4, "HTTPS_PROXY");
        assert!(!format!("{told:?}").contains("secret"), "{told:?}");
    }
}

#[test]
fn credentials_in_addresses_are_never_shown() {
    let host = TestHost::start();
    let url = host.url().replacen("://", "://me:secret@", 1);
    let phone = Device::new();
    let mut outcomes = vec![phone.run(&["host", "add", &url, "--create"])];
    phone.cat("hello");
    for arguments in [
        &["sync"][..],
        &["status"],
        &["host", "list"],
        &["verify"],
        &["host", "add", &url],
        &["host", "add", "ftp://me:secret@h"],
        &["host", "add", "me:secret@h:1"],
    ] {
        outcomes.push(phone.run(arguments));
        outcomes.push(phone.run(&[arguments, &["--json"]].concat()));
    }
    drop(host);
    outcomes.push(phone.run(&["sync"]));
    outcomes.push(phone.run(&["verify"]));
    outcomes.push(phone.run(&["host", "remove", "host"]));
    for outcome in &outcomes {
        assert!(!format!("{outcome:?}").contains("secret"), "{outcome:?}");
    }
    assert_eq!(outcomes[0].code, Some(0), "{:?}", outcomes[0]);
}
