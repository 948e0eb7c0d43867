//! The site, built once, and static hosts that serve it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::browser::{Browser, in_browser, spawn, wait};

/// Set where a machine without the tools must not pass: in CI.
const NEEDED: &str = "DIPLOMATIC_NEEDS_WASM";

/// What makes the build quick. CI, which sets [`NEEDED`], tests what people get instead.
const QUICK: [(&str, &str); 3] = [
    ("CARGO_PROFILE_SITE_LTO", "off"),
    ("CARGO_PROFILE_SITE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_SITE_OPT_LEVEL", "1"),
];

/// The paths of the site, and what is there.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Plays a test with the site, or skips it where the site cannot be built, or there is no browser.
pub(crate) fn in_site(play: impl FnOnce(&Browser, &StaticHost)) {
    let Some(files) = files() else { return };
    in_browser(|browser| {
        // The browser looks for an icon before it has seen the page's.
        browser.expect_on_console("favicon.ico");
        play(browser, &StaticHost::start(files.clone()));
    });
}

/// Returns the files as `todo web --out` writes them.
pub(crate) fn files() -> Option<&'static Files> {
    static FILES: LazyLock<Option<Files>> = LazyLock::new(build);
    FILES.as_ref()
}

fn build() -> Option<Files> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("site");
    let is_needed = env::var_os(NEEDED).is_some_and(|value| !value.is_empty() && value != "0");
    let mut program = Command::new(env!("CARGO_BIN_EXE_todo"));
    program.arg("web").arg("--out").arg(&folder);
    if !is_needed {
        program.envs(QUICK);
    }
    let output = program.output().expect("the program is there");
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let is_missing = ["Rust cannot compile for browsers", "`wasm-bindgen`"].iter().any(|part| said.contains(part));
        assert!(is_missing && !is_needed, "the site cannot be built: {said}");
        let why = said.lines().last().unwrap_or_default();
        // Past the test runner, which keeps what a test prints to itself.
        let _ = writeln!(io::stderr(), "the tests of the todo site are SKIPPED: {why}");
        return None;
    }
    let mut files = Files::new();
    read_into(&mut files, &folder, &folder);
    Some(files)
}

fn read_into(files: &mut Files, root: &Path, folder: &Path) {
    for entry in fs::read_dir(folder).expect("it was just written") {
        let path: PathBuf = entry.expect("it was just written").path();
        if path.is_dir() {
            read_into(files, root, &path);
        } else {
            let name = path.strip_prefix(root).expect("it is below").to_str().expect("all names are ours").to_owned();
            files.insert(name, fs::read(&path).expect("it was just written"));
        }
    }
}

/// Returns the name of the version's folder.
pub(crate) fn version(files: &Files) -> String {
    let path = files.keys().find(|path| path.starts_with("v-")).expect("every site has a version");
    path.split('/').next().expect("split gives something").to_owned()
}

/// Makes another version of the site, in which a file was changed.
pub(crate) fn changed(files: &Files, file: &str, change: impl Fn(&str) -> String) -> Files {
    let (old, path) = (version(files), format!("{}/{file}", version(files)));
    let content = change(str::from_utf8(&files[&path]).expect("it is text")).into_bytes();
    let new = format!("v-{}", &hash(&content)[..16]);
    let text = |name: &str| String::from_utf8(files[name].clone()).expect("it is text");
    let index = text("index.html").replace(&old, &new);
    let worker = text("service-worker.js").replace(&hash(&files[&path]), &hash(&content));
    let worker = worker.replace(&hash(&files["index.html"]), &hash(index.as_bytes())).replace(&old, &new);
    let mut changed: Files = files.iter().map(|(name, content)| (name.replace(&old, &new), content.clone())).collect();
    changed.insert(format!("{new}/{file}"), content);
    changed.insert("index.html".to_owned(), index.into_bytes());
    changed.insert("service-worker.js".to_owned(), worker.into_bytes());
    changed
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A host that knows nothing but files: it sends no headers but their types. The site has the address for itself, so a browser
/// keeps nothing of other tests for it.
pub(crate) struct StaticHost {
    address: SocketAddr,
    served: Arc<Mutex<Served>>,
    serving: JoinHandle<()>,
}

struct Served {
    files: Files,
    /// The path of which some requests fail, and how many have come.
    failing: Option<(String, u32)>,
}

impl StaticHost {
    pub(crate) fn start(files: Files) -> Self {
        let listener = wait(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let served = Arc::new(Mutex::new(Served { files, failing: None }));
        let serving = serve(listener, served.clone());
        Self { address, served, serving }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://localhost:{}/", self.address.port())
    }

    pub(crate) fn put(&self, files: Files) {
        self.served.lock().expect("no holder panics").files = files;
    }

    /// Lets the second and third request for a path fail. The page makes the first, and its service worker, which keeps the files,
    /// the others: Chromium itself tries twice.
    pub(crate) fn fail_twice(&self, path: String) {
        self.served.lock().expect("no holder panics").failing = Some((path, 0));
    }

    /// Is gone, as for somebody without a network.
    pub(crate) fn go(&mut self) {
        self.serving.abort();
        // The error says that it was aborted.
        let _ = wait(&mut self.serving);
    }
}

impl Drop for StaticHost {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn serve(listener: TcpListener, served: Arc<Mutex<Served>>) -> JoinHandle<()> {
    let app = Router::new().fallback(async move |uri: Uri| served.lock().expect("no holder panics").answer(&uri));
    spawn(async move {
        // It serves until it is aborted.
        let _ = axum::serve(listener, app).await;
    })
}

impl Served {
    fn answer(&mut self, uri: &Uri) -> Response {
        let path = uri.path().trim_start_matches('/');
        let path = if path.is_empty() { "index.html" } else { path };
        if let Some((failing, requests)) = &mut self.failing
            && failing == path
        {
            *requests += 1;
            if (2..=3).contains(requests) {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
        }
        let Some(content) = self.files.get(path).cloned() else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let content_type = match path.rsplit('.').next() {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            Some("wasm") => "application/wasm",
            Some("html") => "text/html; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("webmanifest") => "application/manifest+json",
            _ => "application/octet-stream",
        };
        // One file a connection: what is gone, is gone at once.
        ([(header::CONTENT_TYPE, content_type), (header::CONNECTION, "close")], content).into_response()
    }
}
