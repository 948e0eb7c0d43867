//! What an app sets about the network: authorities, headers, proxies, and a client of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use diplomatic::error::NetworkConfigError;
use diplomatic::http::{HttpClient, HttpRequest, HttpResponse};
use diplomatic::sync::{BlockCause, Failure, Live, Phase};
use diplomatic::{Client, ClientBuilder, OpenError};
use diplomatic_host::{Host, MemoryStore, Server, Tls};
use diplomatic_simulation::todo::{Todos, added};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::device::{Device, caught_up, soon, state, status};
use crate::host::{TestHost, new_seed};

fn certificate(name: &str) -> Vec<u8> {
    std::fs::read(tls_folder().join(name)).unwrap()
}

fn tls_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../diplomatic/dip/tests/dip/tls")
}

/// A host in memory with a certificate of an authority that no machine knows.
async fn encrypted_host() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let tls = Tls::open(tls_folder().join("good.pem"), tls_folder().join("host.key")).unwrap();
    let server = Server::new(Arc::new(Host::new(MemoryStore::new()))).with_tls(tls);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { _ = server.serve(listener, std::future::pending()).await });
    (url, tasks)
}

fn live(client: &Client<Todos>) -> Live {
    client.status().hosts()[0].status.live
}

/// Checks that calls and the live channel of two devices work.
async fn assert_in_touch(phone: &Client<Todos>, laptop: &Client<Todos>) {
    for client in [phone, laptop] {
        caught_up(client).await;
        status(client, "the channel is open", |status| status.hosts()[0].status.live == Live::Open).await;
    }
    phone.emit(added("milk")).await.unwrap();
    state(laptop, "it is heard", |todos| todos.items.len() == 1).await;
}

#[tokio::test]
async fn a_root_certificate_of_the_app_is_trusted_for_calls_and_the_live_channel() {
    let ((url, _host), seed) = (encrypted_host().await, new_seed());
    let stranger = Device::new(&seed);
    let stranger = stranger.builder().no_proxy().host(&url).open().await.unwrap();
    let told = status(&stranger, "it does not trust the host", |status| {
        matches!(status.hosts()[0].status.phase, Phase::Blocked { cause: BlockCause::Tls(_), .. })
    });
    told.await;

    let [phone, laptop] = [Device::new(&seed), Device::new(&seed)];
    let open = async |device: &Device| {
        let builder = device.builder().no_proxy().root_certificates(certificate("authority.pem"));
        builder.host(&url).open().await.unwrap()
    };
    assert_in_touch(&open(&phone).await, &open(&laptop).await).await;
}

#[tokio::test]
async fn a_tls_configuration_of_the_app_is_used_for_calls_and_the_live_channel() {
    let ((url, _host), seed) = (encrypted_host().await, new_seed());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&certificate("authority.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // Not even a host that would choose it may be offered HTTP/2.
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let [phone, laptop] = [Device::new(&seed), Device::new(&seed)];
    let open =
        async |device: &Device| device.builder().no_proxy().tls_config(config.clone()).host(&url).open().await.unwrap();
    assert_in_touch(&open(&phone).await, &open(&laptop).await).await;
}

/// Where a proxy of the test stands, what it was asked for, and its tasks.
struct Gate {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Gate {
    /// Passes every request on to a host, whatever place it names, if its head is as wanted.
    async fn before(host: SocketAddr, is_wanted: fn(&str) -> bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = seen.clone();
                connections.spawn(async move { _ = guard(stream, host, &seen, is_wanted).await });
            }
        });
        Self { address, heads, _tasks: tasks }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn guard(
    mut client: TcpStream,
    host: SocketAddr,
    seen: &Mutex<Vec<String>>,
    is_wanted: fn(&str) -> bool,
) -> std::io::Result<()> {
    let host = TcpStream::connect(host).await?;
    let (mut from_host, mut to_host) = host.into_split();
    let mut buffer = Vec::new();
    // The answers to earlier requests were read before the next request comes.
    let (mut from_client, mut to_client) = client.split();
    let answers = async { tokio::io::copy(&mut from_host, &mut to_client).await };
    let requests = async {
        loop {
            let end = loop {
                if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                    break end + 4;
                }
                if from_client.read_buf(&mut buffer).await? == 0 {
                    return Ok::<_, std::io::Error>(false);
                }
            };
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            seen.lock().unwrap().push(head.clone());
            if !is_wanted(&head) {
                return Ok(true);
            }
            if head.starts_with("connect ") {
                buffer.drain(..end);
                return Ok(true);
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + length.map_or(0, |length| length.trim().parse::<usize>().unwrap());
            while buffer.len() < whole {
                if from_client.read_buf(&mut buffer).await? == 0 {
                    return Ok(false);
                }
            }
            to_host.write_all(&buffer[..whole]).await?;
            buffer.drain(..whole);
            if head.contains("\r\nupgrade: websocket") {
                tokio::io::copy(&mut from_client, &mut to_host).await?;
                return Ok(false);
            }
        }
    };
    let stops = tokio::select! {
        _ = answers => return Ok(()),
        stops = requests => stops?,
    };
    if !stops {
        return Ok(());
    }
    if seen.lock().unwrap().last().is_some_and(|head| head.starts_with("connect ")) {
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
        let mut host = from_host.reunite(to_host).expect("they are the halves of one stream");
        tokio::io::copy_bidirectional(&mut client, &mut host).await?;
    } else {
        client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
    }
    Ok(())
}

#[tokio::test]
async fn headers_of_the_app_are_sent_with_every_call_and_the_upgrade() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let gate = Gate::before(host.address, |head| head.contains("\r\nx-gate: open, please\r\n")).await;
    let url = format!("http://{}", gate.address);
    let stranger = Device::new(&seed);
    let stranger = stranger.builder().no_proxy().host(&url).open().await.unwrap();
    let told = status(&stranger, "the gate stops it", |status| {
        matches!(status.hosts()[0].status.phase, Phase::Blocked { cause: BlockCause::Denied(403), .. })
    });
    told.await;
    stranger.close().await;

    let before = gate.heads().len();
    let [phone, laptop] = [Device::new(&seed), Device::new(&seed)];
    let open = async |device: &Device| {
        let builder = device.builder().no_proxy().header("X-Gate", "open, please");
        builder.host(&url).open().await.unwrap()
    };
    assert_in_touch(&open(&phone).await, &open(&laptop).await).await;
    let heads = gate.heads().split_off(before);
    assert!(heads.iter().any(|head| head.contains("upgrade: websocket")), "{heads:?}");
    assert!(heads.iter().any(|head| head.starts_with("post /push")), "{heads:?}");
    assert!(heads.iter().all(|head| head.contains("x-gate: open, please")), "{heads:?}");
}

#[tokio::test]
async fn a_header_of_the_app_counts_more_than_the_credentials_in_an_address() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let gate = Gate::before(host.address, |head| head.contains("\r\nauthorization: bearer token\r\n")).await;
    let device = Device::new(&seed);
    let builder = device.builder().no_proxy().header("authorization", "Bearer token");
    let client = builder.host(format!("http://me:secret@{}", gate.address)).open().await.unwrap();
    caught_up(&client).await;
    status(&client, "the channel is open", |status| status.hosts()[0].status.live == Live::Open).await;
}

#[tokio::test]
async fn calls_and_the_live_channel_use_the_proxy_of_the_app() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let proxy =
        Gate::before(host.address, |head| head.contains("\r\nproxy-authorization: basic bwu6c2vjcmv0\r\n")).await;
    let [phone, laptop] = [Device::new(&seed), Device::new(&seed)];
    let open = async |device: &Device| {
        let builder = device.builder().proxy(format!("http://me:secret@{}", proxy.address));
        // Only the proxy knows where that is.
        builder.host("http://no-such-name.invalid").open().await.unwrap()
    };
    assert_in_touch(&open(&phone).await, &open(&laptop).await).await;
    let heads = proxy.heads();
    assert!(heads.iter().any(|head| head.starts_with("post http://no-such-name.invalid/push")), "{heads:?}");
    assert!(heads.iter().any(|head| head.starts_with("connect no-such-name.invalid:80 ")), "{heads:?}");
}

#[tokio::test]
#[ignore = "run by the test below in an environment of its own"]
async fn in_an_environment_with_a_dead_proxy() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let by_default = Device::new(&seed);
    let by_default = by_default.open(&host.url()).await;
    let told = soon("the proxy is tried", by_default.sync()).await.unwrap();
    assert!(told.hosts()[0].to_string().contains("the proxy http://127.0.0.1:1 refuses connections"), "{told:?}");
    let direct = Device::new(&seed);
    let direct = direct.builder().no_proxy().host(host.url()).open().await.unwrap();
    caught_up(&direct).await;
    let proxy = Gate::before(host.address, |_| true).await;
    let other = Device::new(&seed);
    let other = other.builder().proxy(format!("http://{}", proxy.address)).host(host.url()).open().await.unwrap();
    caught_up(&other).await;
    assert!(!proxy.heads().is_empty());
}

#[test]
fn the_app_overrides_the_proxy_of_the_environment() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "options::in_an_environment_with_a_dead_proxy", "--ignored"]);
    child.env("HTTP_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "").env("no_proxy", "");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// A client that speaks just enough HTTP.
struct Plain {
    requests: Arc<AtomicUsize>,
}

impl HttpClient for Plain {
    fn post(&self, request: HttpRequest) -> Pin<Box<dyn Future<Output = Result<HttpResponse, Failure>> + Send + '_>> {
        Box::pin(async move {
            assert!(request.headers.contains(&("x-app".to_owned(), "mine".to_owned())), "{:?}", request.headers);
            self.requests.fetch_add(1, Ordering::SeqCst);
            let (place, path) = request.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
            let talking = async {
                let mut stream = TcpStream::connect(place).await?;
                let length = request.body.len();
                let head = format!("POST /{path} HTTP/1.0\r\nhost: {place}\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&request.body).await?;
                request.report_sent(length as u64);
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await?;
                Ok::<_, std::io::Error>(answer)
            };
            let answer = talking.await.map_err(|_| Failure::Unreachable)?;
            let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(Failure::Cut)?;
            let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1).unwrap().parse().unwrap();
            Ok(HttpResponse::whole(status, answer[end + 4..].to_vec()))
        })
    }
}

#[tokio::test]
async fn an_http_client_of_the_app_makes_the_calls_and_the_host_is_polled() {
    let (mut host, seed) = (TestHost::start().await, new_seed());
    let requests = Arc::new(AtomicUsize::new(0));
    let [phone, laptop] = [Device::new(&seed), Device::new(&seed)];
    let builder = phone.builder().header("x-app", "mine").http_client(Plain { requests: requests.clone() });
    let phone = builder.host(host.url()).open().await.unwrap();
    let laptop = laptop.builder().host(host.url()).open().await.unwrap();
    phone.emit(added("from the phone")).await.unwrap();
    caught_up(&phone).await;
    status(&phone, "the host is polled", |status| status.hosts()[0].status.live == Live::Polling).await;
    state(&laptop, "it arrives", |todos| todos.items.len() == 1).await;
    laptop.emit(added("from the laptop")).await.unwrap();
    state(&phone, "polling finds it", |todos| todos.items.len() == 2).await;
    assert!(requests.load(Ordering::SeqCst) > 2);
    assert_eq!(live(&phone), Live::Polling);

    host.kill().await;
    let told = soon("it is not reached", phone.sync()).await.unwrap();
    assert!(told.hosts()[0].to_string().contains("there is no connection to the host"), "{told:?}");
    host.restart().await;
    caught_up(&phone).await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_when_the_client_is_opened() {
    let builder = || Client::<Todos>::builder(new_seed()).in_memory().host("http://localhost:9");
    let refused = async |builder: ClientBuilder<Todos>| match builder.open().await {
        Err(OpenError::Network(error)) => error,
        other => panic!("it is not refused: {other:?}"),
    };
    let name = |name: &str| name.to_owned();
    for (header, error) in [
        ("x gate", NetworkConfigError::HeaderName { name: name("x gate") }),
        ("", NetworkConfigError::HeaderName { name: name("") }),
        ("Content-Length", NetworkConfigError::ReservedHeader { name: name("Content-Length") }),
        ("sec-websocket-key", NetworkConfigError::ReservedHeader { name: name("sec-websocket-key") }),
    ] {
        assert_eq!(refused(builder().header(header, "1")).await, error);
    }
    let error = refused(builder().header("x-gate", "secret\r\nx-other: 1")).await;
    assert_eq!(error, NetworkConfigError::HeaderValue { name: name("x-gate") });
    assert!(!format!("{error} {error:?}").contains("secret"));

    for address in ["socks5://me:secret@proxy:1", "proxy", "me:secret@proxy:3128", ""] {
        let error = refused(builder().proxy(address)).await;
        assert!(matches!(error, NetworkConfigError::Proxy { .. }), "{error}");
        assert!(error.to_string().contains("http://proxy.example.org:3128") && !error.to_string().contains("secret"));
    }

    for pem in [&b""[..], b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAA\n"] {
        assert_eq!(refused(builder().root_certificates(pem)).await, NetworkConfigError::Certificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let both = builder().tls_config(config).root_certificates(certificate("authority.pem"));
    assert_eq!(refused(both).await, NetworkConfigError::TwoTrusts);

    let secrets = builder().header("x-key", "secret").proxy("http://me:secret@proxy:1");
    let debug = format!("{secrets:?}");
    assert!(debug.contains("x-key") && debug.contains("http://proxy:1") && !debug.contains("secret"), "{debug}");
}
