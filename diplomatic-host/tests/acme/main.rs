//! Certificates from an authority that speaks ACME, with a real one.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
#![cfg(unix)]

mod pebble;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diplomatic::standard::Timestamp;
use diplomatic_host::{AcmeOptions, Health, Host, MemoryStore, Metrics, Server, Tls, serve_monitor};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::client::TlsStream;

use pebble::{Pebble, free_port, get};
use support::program::{Program, command, complaint};
use support::secure::{self, shake_hands};
use support::{clock, soon};

const NAME: &str = "host.example.org";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Waits for something that takes its time on a busy machine.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn certificate(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Makes an account over an encrypted connection.
async fn register(mut stream: TlsStream<TcpStream>) -> bool {
    secure::register(&mut stream).await.starts_with(b"HTTP/1.1 200")
}

/// A host in this process, with a clock that the test sets.
struct Served {
    address: SocketAddr,
    monitor: SocketAddr,
    ahead: Arc<AtomicU64>,
    _stop: oneshot::Sender<()>,
}

impl Served {
    async fn start(listener: TcpListener, options: AcmeOptions) -> Self {
        let address = listener.local_addr().unwrap();
        let ahead = Arc::new(AtomicU64::new(0));
        let (health, metrics) = (Health::new(), Metrics::new());
        let time = Arc::clone(&ahead);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(Host::new(MemoryStore::new()))
            .with_clock(move || clock().plus(Duration::from_secs(time.load(Ordering::Relaxed))))
            .with_tls(Tls::acme(options).unwrap())
            .with_health(health.clone())
            .with_metrics(metrics.clone());
        tokio::spawn(server.serve(listener, async { drop(stopped.await) }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let monitor = listener.local_addr().unwrap();
        tokio::spawn(serve_monitor(listener, health, metrics));
        Self { address, monitor, ahead, _stop: stop }
    }

    /// Puts the clock so much ahead of the real time.
    fn set_clock(&self, ahead: Duration) {
        self.ahead.store(ahead.as_secs(), Ordering::Relaxed);
    }

    async fn said(&self, path: &str) -> String {
        said(self.monitor, path).await
    }

    async fn until_counted(&self, outcome: &str, count: usize) {
        let line = format!("diplomatic_host_certificate_renewals_total{{outcome=\"{outcome}\"}} {count}\n");
        until(&line, async || self.said("/metrics").await.contains(&line)).await;
    }
}

/// Returns what the monitor answers.
async fn said(monitor: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(monitor).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// Starts an authority, and returns where the host has to listen and how it gets its certificate.
async fn authority(cache: &Path) -> Option<(Pebble, TcpListener, AcmeOptions)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pebble = Pebble::start(listener.local_addr().unwrap().port(), 90 * DAY).await?;
    let mut options = AcmeOptions::new([NAME], cache);
    options.directory = pebble.directory();
    options.authorities = Some(pebble.authorities());
    Some((pebble, listener, options))
}

#[tokio::test]
async fn the_program_gets_a_certificate_serves_with_it_and_has_it_still_after_a_restart() {
    let port = free_port();
    let Some(mut pebble) = Pebble::start(port, 90 * DAY).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("certificates");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let monitor = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (directory, authorities) = (pebble.directory(), pebble.authorities());
    let serve = || {
        let mut serve = command(&folder.path().join("host.redb"));
        serve.args(["--listen", &address.to_string(), "--metrics", &monitor.to_string(), "--acme-cache"]).arg(&cache);
        serve.args(["--acme-domain", "host.example.org,Other.example.org", "--acme-contact", "operator@example.org"]);
        serve.arg("--acme-directory").arg(&directory).arg("--acme-authorities").arg(&authorities);
        Program::spawn(&mut serve)
    };
    let mut program = serve();
    until("the host is not ready", async || said(monitor, "/readyz").await.starts_with("HTTP/1.1 200")).await;
    let root = pebble.root().await;
    let stream = shake_hands(address, NAME, &root).await.expect("the name is certified");
    let first = certificate(&stream);
    assert!(register(stream).await);
    assert!(shake_hands(address, "other.example.org", &root).await.is_some());
    assert!(shake_hands(address, "third.example.org", &root).await.is_none());
    let numbers = said(monitor, "/metrics").await;
    assert!(numbers.contains("diplomatic_host_certificate_renewals_total{outcome=\"done\"} 1\n"), "{numbers}");
    let expiry = numbers.lines().find_map(|line| line.strip_prefix("diplomatic_host_certificate_expiry_seconds "));
    let left = Timestamp::from_millis(expiry.unwrap().parse::<u64>().unwrap() * 1000).since(clock());
    assert!(left > 89 * DAY && left < 91 * DAY, "{left:?}");

    program.kill();
    pebble.kill();
    let program = serve();
    let stream = shake_hands(address, NAME, &root).await.expect("the certificate was kept");
    assert_eq!(certificate(&stream), first);
    assert!(said(monitor, "/readyz").await.starts_with("HTTP/1.1 200"));
    drop(program);
}

#[tokio::test]
async fn a_renewal_disturbs_nobody_and_a_failed_one_is_counted_while_the_old_certificate_serves() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut pebble, listener, options)) = authority(folder.path()).await else { return };
    let served = Served::start(listener, options).await;
    served.until_counted("done", 1).await;
    let root = pebble.root().await;
    let open = shake_hands(served.address, NAME, &root).await.unwrap();
    let first = certificate(&open);

    // A third of 90 days is left.
    served.set_clock(61 * DAY);
    served.until_counted("done", 2).await;
    let stream = shake_hands(served.address, NAME, &root).await.unwrap();
    assert_ne!(certificate(&stream), first);
    assert!(!get(open, "/").await.is_empty(), "whoever was connected still is");

    pebble.kill();
    served.set_clock(62 * DAY);
    served.until_counted("failed", 1).await;
    assert!(served.said("/readyz").await.contains("ready"), "the old certificate is good");
    assert!(shake_hands(served.address, NAME, &root).await.is_some());

    // The authority comes back as one that knows nobody.
    pebble.resume().await;
    served.set_clock(63 * DAY);
    served.until_counted("done", 3).await;
    let root = pebble.root().await;
    assert!(shake_hands(served.address, NAME, &root).await.is_some());

    pebble.kill();
    served.set_clock(91 * DAY);
    until("an expired certificate is told", async || served.said("/readyz").await.contains("failing")).await;
}

#[tokio::test]
async fn a_host_that_the_authority_does_not_find_is_not_ready_and_gets_its_certificate_once_it_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut pebble, listener, options)) = authority(folder.path()).await else { return };
    pebble.kill();
    let served = Served::start(listener, options).await;
    served.until_counted("failed", 1).await;
    assert!(served.said("/readyz").await.contains("starting"));
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let _ = soon(plain.read_to_end(&mut Vec::new())).await;

    pebble.resume().await;
    served.set_clock(Duration::from_secs(3600));
    served.until_counted("done", 1).await;
    assert!(served.said("/readyz").await.contains("ready"));
    // Nobody but an authority with an order is shown a proof.
    let root = pebble.root().await;
    assert!(shake_hands(served.address, "other.example.org", &root).await.is_none());
    assert!(shake_hands(served.address, NAME, &root).await.is_some());
}

#[tokio::test]
async fn an_authority_that_finds_somebody_else_gives_no_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_pebble, elsewhere, options)) = authority(folder.path()).await else { return };
    let served = Served::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), options).await;
    drop(elsewhere);
    served.until_counted("failed", 1).await;
    assert!(served.said("/readyz").await.contains("starting"));
}

#[tokio::test]
async fn a_cache_that_was_damaged_is_filled_anew() {
    let folder = tempfile::tempdir().unwrap();
    let Some((pebble, listener, options)) = authority(folder.path()).await else { return };
    let name = pebble.directory()["https://".len()..].replace([':', '/'], "-");
    let below = folder.path().join(name);
    fs::create_dir(&below).unwrap();
    fs::write(below.join("certificate.pem"), "broken").unwrap();
    fs::write(below.join("account.json"), r#"{"account": 7}"#).unwrap();
    let served = Served::start(listener, options).await;
    served.until_counted("done", 1).await;
    let root = pebble.root().await;
    assert!(shake_hands(served.address, NAME, &root).await.is_some());
    assert!(fs::read_to_string(below.join("certificate.pem")).unwrap().contains("BEGIN CERTIFICATE"));
}

#[test]
fn options_that_cannot_work_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("certificates");
    let serve = || {
        let mut serve = command(&folder.path().join("host.redb"));
        serve.args(["--listen", "127.0.0.1:0"]);
        serve
    };
    let with_cache = |options: &[&str]| complaint(serve().arg("--acme-cache").arg(&cache).args(options));
    assert!(with_cache(&["--acme-domain", "https://host.example.org"]).contains("give the name alone"));
    assert!(with_cache(&["--acme-domain", NAME, "--acme-contact", "me"]).contains("mail address"));
    assert!(with_cache(&["--acme-domain", NAME, "--acme-directory", "http://a.example"]).contains("https://"));
    assert!(with_cache(&["--acme-domain", NAME, "--acme-authorities", "/nonexistent"]).contains("/nonexistent"));

    // The command line says these itself.
    for (options, said) in [
        (&["--acme-domain", NAME][..], "--acme-cache"),
        (&["--acme-cache", "folder"], "--acme-domain"),
        (&["--acme-contact", "me@example.org"], "--acme-domain"),
        (&["--acme-staging"], "--acme-domain"),
        (
            &["--acme-domain", NAME, "--acme-cache", "c", "--tls-certificate", "f", "--tls-key", "k"],
            "cannot be used with",
        ),
        (
            &["--acme-domain", NAME, "--acme-cache", "c", "--acme-staging", "--acme-directory", "https://a.example"],
            "cannot be used with",
        ),
    ] {
        let output = serve().args(options).output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(said), "{complaint}");
    }
}
