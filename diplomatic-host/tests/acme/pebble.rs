//! A real authority: Pebble, the small one that Let's Encrypt makes for tests. Where it is not installed, tests are skipped,
//! unless `DIPLOMATIC_NEEDS_PEBBLE` says that it has to be there.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;

use super::support::secure::shake_hands;
use super::support::soon;

/// An authority that looks for every name on this machine, at one port.
pub(crate) struct Pebble {
    folder: tempfile::TempDir,
    ports: Ports,
    server: Option<Child>,
    names: Child,
}

#[derive(Clone, Copy)]
struct Ports {
    server: u16,
    management: u16,
    names: u16,
}

impl Pebble {
    /// Starts an authority that looks for hosts at a port, and whose certificates hold for so long; none if this machine has
    /// no Pebble.
    pub(crate) async fn start(port: u16, validity: Duration) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports { server: free_port(), management: free_port(), names: free_port() };
        write_certificates(folder.path());
        let local = |port: u16| format!("127.0.0.1:{port}");
        let config = json!({ "pebble": {
            "listenAddress": local(ports.server),
            "managementListenAddress": local(ports.management),
            "certificate": folder.path().join("server.pem"),
            "privateKey": folder.path().join("server.key"),
            "httpPort": 1,
            "tlsPort": port,
            "certificateValidityPeriod": validity.as_secs(),
        }});
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "", "-management"]);
        names.arg(local(free_port())).arg("-dns01").arg(local(ports.names));
        let names = names.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut pebble = Self { folder, ports, server: None, names };
        pebble.resume().await;
        Some(pebble)
    }

    /// Starts it again. It has forgotten everything, and has another root.
    pub(crate) async fn resume(&mut self) {
        let mut server = Command::new("pebble");
        server.arg("-config").arg(self.folder.path().join("config.json"));
        server.args(["-dnsserver", &format!("127.0.0.1:{}", self.ports.names)]);
        // It would wait for up to 15 s before it looks.
        server.env("PEBBLE_VA_NOSLEEP", "1").stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(server.spawn().unwrap());
        soon(async {
            while TcpStream::connect(("127.0.0.1", self.ports.server)).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.ports.server)
    }

    /// Returns the file of who vouches for the authority's server.
    pub(crate) fn authorities(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Returns the certificate in PEM of the authority itself.
    pub(crate) async fn root(&self) -> Bytes {
        let address = ([127, 0, 0, 1], self.ports.management).into();
        let authorities = fs::read(self.authorities()).unwrap();
        let stream = shake_hands(address, "127.0.0.1", &authorities).await.expect("the management answers");
        get(stream, "/roots/0").await
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.kill();
        let _ = self.names.kill();
        let _ = self.names.wait();
    }
}

fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let has = |name: &str| folders.iter().any(|folder| folder.join(name).exists());
    let installed = has("pebble") && has("pebble-challtestsrv");
    if !installed {
        assert!(std::env::var_os("DIPLOMATIC_NEEDS_PEBBLE").is_none(), "there has to be a Pebble");
        eprintln!("there is no Pebble on this machine: a test is skipped");
    }
    installed
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Makes the certificate that the authority's own server shows, and that of who vouches for it.
fn write_certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    fs::write(folder.join("authority.pem"), authority.pem()).unwrap();
    fs::write(folder.join("server.pem"), server.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
}

pub(crate) async fn get(stream: TlsStream<TcpStream>, path: &str) -> Bytes {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "host").body(Body::empty()).unwrap();
    let body = soon(sender.send_request(request)).await.unwrap().into_body();
    to_bytes(Body::new(body), 1 << 20).await.unwrap()
}
