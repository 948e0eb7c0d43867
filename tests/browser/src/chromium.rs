//! A page in Chromium that does tasks.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::toolchain::{Compiler, TARGET, find_bindgen};
use crate::{Outcome, Task};

/// How long a task may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Set where a machine without the tools must not pass: in CI.
const NEEDED: [&str; 2] = ["DIPLOMATIC_NEEDS_WASM", "DIPLOMATIC_NEEDS_CHROMIUM"];

/// What makes the build of a test quick. CI tests what people get instead.
const QUICK: [(&str, &str); 3] = [
    ("CARGO_PROFILE_SITE_LTO", "off"),
    ("CARGO_PROFILE_SITE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_SITE_OPT_LEVEL", "1"),
];

/// Builds the page, and returns the folder with it; `None`, with a word on standard error, where the tools are missing and need
/// not be there.
///
/// # Panics
///
/// If they are needed.
pub fn build_or_skip() -> Option<PathBuf> {
    let is_needed = NEEDED.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0"));
    let has_chromium = Command::new("chromium").arg("--version").output().is_ok();
    match build(if is_needed { &[] } else { &QUICK }) {
        Ok(site) if has_chromium => Some(site),
        outcome => {
            let why = outcome.err().map_or_else(|| "there is no chromium".to_owned(), |error| error.to_string());
            assert!(!is_needed, "the page cannot be built, or shown: {why}");
            // Past the test runner, which keeps what a test prints to itself.
            _ = writeln!(io::stderr(), "the tests of the client in a browser are SKIPPED: {why}");
            None
        }
    }
}

/// Builds the page with settings of cargo's in the environment, and returns the folder with it.
///
/// # Errors
///
/// What is missing.
pub fn build(settings: &[(&str, &str)]) -> Result<PathBuf, Box<dyn Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.ancestors().nth(2).ok_or("this is a package of it")?;
    let (compiler, bindgen) = (Compiler::find()?, find_bindgen(&workspace.join("Cargo.lock"))?);
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let (folder, site) = (target.join(compiler.folder()), target.join("browser-page"));
    let mut cargo = compiler.cargo();
    cargo.envs(settings.iter().copied()).current_dir(workspace).args([
        "--locked",
        "--profile",
        "site",
        "--target",
        TARGET,
        "--target-dir",
    ]);
    cargo.arg(&folder).args(["--package", "diplomatic-browser", "--bin", "worker"]);
    run(&mut cargo)?;
    let made = folder.join(TARGET).join("site/worker.wasm");
    run(Command::new(bindgen).args(["--target", "web", "--no-typescript", "--out-dir"]).arg(&site).arg(made))?;
    for file in ["index.html", "page.js", "worker-main.js"] {
        fs::copy(package.join("page").join(file), site.join(file))?;
    }
    Ok(site)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{:?} has failed", command.get_program()).into()) }
}

#[derive(Clone)]
struct Page {
    site: PathBuf,
    tasks: String,
    outcomes: mpsc::UnboundedSender<String>,
}

/// Has the page do the tasks one after the other, each in a worker of its own, in a browser with a profile of its own. What went
/// wrong is in the outcomes.
///
/// # Errors
///
/// The browser cannot be started, or a task takes too long.
pub async fn carry_out(site: &Path, tasks: &[Task]) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let (sender, mut arriving) = mpsc::unbounded_channel();
    let page = Page { site: site.to_owned(), tasks: serde_json::to_string(tasks)?, outcomes: sender };
    let app = Router::new()
        .route("/tasks", get(async |State(page): State<Page>| page.tasks))
        .route("/outcomes", post(async |State(page): State<Page>, outcome: String| _ = page.outcomes.send(outcome)))
        .fallback(async |State(page): State<Page>, uri: Uri| file(&page.site, &uri))
        .with_state(page);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}/", listener.local_addr()?);
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let profile = tempfile::tempdir()?;
    let mut chromium = tokio::process::Command::new("chromium");
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
    chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    chromium.arg(format!("--user-data-dir={}", profile.path().display())).arg(address);
    chromium.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut chromium = chromium.spawn().map_err(|error| format!("chromium cannot be started: {error}"))?;
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        let outcome = timeout(PATIENCE, arriving.recv()).await.map_err(|_| format!("{task:?} takes too long"))?;
        outcomes.push(serde_json::from_str(&outcome.ok_or("the page is gone")?)?);
    }
    chromium.kill().await?;
    serving.abort();
    Ok(outcomes)
}

fn file(site: &Path, uri: &Uri) -> Response {
    let name = if uri.path() == "/" { "index.html" } else { uri.path().trim_start_matches('/') };
    let content_type = match name.rsplit('.').next() {
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        _ => "text/html; charset=utf-8",
    };
    // Names with folders are none of the page's.
    match fs::read(site.join(name)).ok().filter(|_| !name.contains('/')) {
        Some(content) => ([(header::CONTENT_TYPE, content_type)], content).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
