//! Another site in the same browser: it can neither read nor write, though it knows the port.
//!
//! Each attack is tried on a careless server first, where it succeeds: so a refusal is one.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request};
use axum::http::{Method, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::browser::{Browser, in_browser, spawn, wait};
use crate::support::device::Device;
use crate::support::page::{LONGEST, Page};

/// What a site got of an address.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Loot {
    /// What it could read of the page.
    fetched: Option<String>,
    /// The same, with the credentials and headers of a simple form.
    posted: Option<String>,
    /// Whether a script of the address ran.
    script: bool,
    /// Whether the address can be shown in a frame.
    #[serde(default)]
    frame: bool,
    /// Whether a window that was opened with the address can be reached from here.
    window: bool,
    /// Whether a WebSocket opened, and one from a frame without an origin.
    socket: bool,
    nameless_socket: bool,
}

const NOTHING: Loot = Loot {
    fetched: None,
    posted: None,
    script: false,
    frame: false,
    window: false,
    socket: false,
    nameless_socket: false,
};

#[test]
fn a_careless_server_is_robbed() {
    in_browser(|browser| {
        expect_refusals(browser);
        let careless = Careless::start();
        let foreign = visit_foreign_site(browser, "127.0.0.1");
        let loot = rob(&foreign, &careless.address, Duration::from_millis(500));
        let everything = Loot {
            fetched: Some("window.leaked = true".to_owned()),
            posted: Some("window.leaked = true".to_owned()),
            script: true,
            frame: true,
            window: true,
            socket: true,
            nameless_socket: true,
        };
        assert_eq!(loot, everything);
        // The fetch, the fetch without CORS, and the form.
        assert_eq!(careless.posts.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_site_that_guesses_gets_nothing() {
    in_browser(|browser| {
        expect_refusals(browser);
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add("Milk");
        let port = port_of(device.address());
        for (name, host) in [("127.0.0.1", "localhost"), ("localhost", "127.0.0.1")] {
            for path in ["", "00000000000000000000000000000000/"] {
                let foreign = visit_foreign_site(browser, name);
                assert_eq!(
                    rob(&foreign, &format!("http://{host}:{port}/{path}"), LONGEST),
                    NOTHING,
                    "from {name} at {host}/{path}"
                );
            }
        }
        assert_eq!(page.shows(["Milk"]).lists, ["Inbox"]);
    });
}

#[test]
fn a_site_that_knows_the_address_gets_nothing_either() {
    in_browser(|browser| {
        expect_refusals(browser);
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add("Milk");
        for name in ["127.0.0.1", "localhost"] {
            for host in ["127.0.0.1", "localhost"] {
                let foreign = visit_foreign_site(browser, name);
                assert_eq!(
                    rob(&foreign, &device.address().replace("127.0.0.1", host), LONGEST),
                    NOTHING,
                    "from {name} at {host}"
                );
            }
        }
        assert_eq!(page.shows(["Milk"]).lists, ["Inbox"]);
        page.add("Bread");
        page.shows(["Milk", "Bread"]);
    });
}

#[test]
fn a_foreign_name_for_this_machine_is_turned_away() {
    in_browser(|browser| {
        expect_refusals(browser);
        let device = Device::start(None);
        // The test's browser believes that this name is 127.0.0.1, as after a DNS rebinding.
        let address = device.address().replace("127.0.0.1", "rebound.example");
        let page = browser.open(&address, "this");
        assert!(page.run::<String>("return document.body.innerText", &[]).contains("does not go by that name"));
        assert!(page.look().is_none());
        page.goto(&device.address().replace("127.0.0.1", "localhost"));
        page.add("Milk");
    });
}

/// Says that the browser will tell on the console what it, or the program, refused.
fn expect_refusals(browser: &Browser) {
    for refusal in [
        "Failed to load resource",
        "blocked by CORS policy",
        "WebSocket connection to",
        "in a frame because",
        "Content Security Policy",
        "MIME type",
        "ERR_BLOCKED_BY",
        "Cross-Origin-Opener-Policy header has been ignored",
    ] {
        browser.expect_on_console(refusal);
    }
}

/// Opens a page of another site.
fn visit_foreign_site<'a>(browser: &'a Browser, name: &str) -> Page<'a> {
    let listener = wait(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let site =
        Router::new().fallback(async || Html("<!doctype html><title>Foreign</title><link rel=icon href='data:,'>"));
    spawn(async move { axum::serve(listener, site).await });
    browser.open(&format!("http://{name}:{}/", address.port()), "this")
}

/// Tries everything that a page can do with an address, and watches for so long whether a window of it stays reachable.
#[track_caller]
fn rob(foreign: &Page<'_>, address: &str, watch: Duration) -> Loot {
    let watch = u64::try_from(watch.as_millis()).expect("a test is short");
    let loot: Loot = foreign.run(include_str!("rob.js"), &[json!(address), json!(watch)]);
    // It can never read what its first frame shows; we can.
    let shown: String = foreign.run_in_first_frame("return location.href");
    Loot { frame: shown == address, ..loot }
}

fn port_of(address: &str) -> &str {
    address.trim_start_matches("http://127.0.0.1:").split('/').next().expect("split gives something")
}

/// A server that knows no caution.
struct Careless {
    address: String,
    posts: Arc<AtomicUsize>,
}

impl Careless {
    fn start() -> Self {
        let listener = wait(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let address = format!("http://{}/", listener.local_addr().expect("it has an address"));
        let posts = Arc::new(AtomicUsize::new(0));
        let counted = posts.clone();
        let app = Router::new().fallback(async move |request: Request| {
            if request.method() == Method::POST {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            answer(request).await
        });
        spawn(async move { axum::serve(listener, app).await });
        Self { address, posts }
    }
}

async fn answer(request: Request) -> Response {
    if request.headers().contains_key(header::UPGRADE) {
        let (mut parts, _) = request.into_parts();
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade.on_upgrade(async |mut socket: WebSocket| while socket.recv().await.is_some() {}),
            Err(refusal) => refusal.into_response(),
        };
    }
    let headers = [
        (header::CONTENT_TYPE, if request.uri().path().ends_with(".js") { "text/javascript" } else { "text/html" }),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, "window.leaked = true").into_response()
}
