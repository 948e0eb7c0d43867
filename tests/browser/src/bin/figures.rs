//! Measures the client in Chromium: `cargo run --release -p diplomatic-browser --bin figures`.

#[cfg(target_family = "wasm")]
fn main() {}

#[cfg(not(target_family = "wasm"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    figures::run()
}

#[cfg(not(target_family = "wasm"))]
#[path = "../../../../examples/todo/src/bin/todo/web/toolchain.rs"]
mod toolchain;

#[cfg(not(target_family = "wasm"))]
mod figures {
    use std::error::Error;
    use std::net::Ipv4Addr;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::time::Duration;

    use axum::Router;
    use axum::extract::State;
    use axum::http::{StatusCode, Uri, header};
    use axum::response::{IntoResponse, Response};
    use axum::routing::{get, post};
    use diplomatic_browser::{Outcome, Task};
    use diplomatic_host::{Host, RedbStore, Server};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use crate::toolchain::{Compiler, TARGET, find_bindgen};

    /// How long a task may take.
    const PATIENCE: Duration = Duration::from_secs(120);
    const EVENTS: u32 = 100_000;
    const SYNCED: u32 = 20_000;
    const EMITTED: u32 = 200;
    const RUNS: usize = 5;

    pub(super) fn run() -> Result<(), Box<dyn Error>> {
        let site = build()?;
        let size = std::fs::metadata(site.join("worker_bg.wasm"))?.len();
        println!("the program for the browser has {size} bytes");
        tokio::runtime::Runtime::new()?.block_on(measure(&site))
    }

    /// Builds the worker, and returns the folder with it.
    fn build() -> Result<PathBuf, Box<dyn Error>> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).ok_or("this is a package of it")?;
        let (compiler, bindgen) = (Compiler::find()?, find_bindgen(&workspace.join("Cargo.lock"))?);
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        let (folder, site) = (target.join(compiler.folder()), target.join("figures"));
        let mut cargo = compiler.cargo();
        cargo.current_dir(workspace).args(["--locked", "--profile", "site", "--target", TARGET, "--target-dir"]);
        cargo.arg(&folder).args(["--package", "diplomatic-browser", "--bin", "worker"]);
        check(&mut cargo)?;
        let made = folder.join(TARGET).join("site/worker.wasm");
        check(Command::new(bindgen).args(["--target", "web", "--no-typescript", "--out-dir"]).arg(&site).arg(made))?;
        for file in ["index.html", "page.js", "worker-main.js"] {
            std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("page").join(file), site.join(file))?;
        }
        Ok(site)
    }

    fn check(command: &mut Command) -> Result<(), Box<dyn Error>> {
        let status = command.stdin(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("{:?} has failed", command.get_program()).into()) }
    }

    async fn measure(site: &Path) -> Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let host = Arc::new(Host::new(RedbStore::open(folder.path().join("host.redb"))?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(Server::new(host).serve(listener, std::future::pending()));
        let store = |name: &str| name.to_owned();
        let mut tasks = vec![
            Task::Emit { store: store("emit"), count: EMITTED },
            Task::Fill { store: store("fill"), count: EVENTS },
            Task::Open { store: store("fill") },
            Task::Upload { store: store("upload"), host: address.clone(), count: SYNCED },
        ];
        tasks.extend((0..RUNS).map(|_| Task::Open { store: store("fill") }));
        tasks.extend((0..RUNS).map(|run| Task::Sync { store: format!("sync {run}"), host: address.clone() }));
        let outcomes = in_chromium(site, &tasks).await?;
        serving.abort();

        let of = |wanted: fn(&Task) -> bool| -> Vec<f64> {
            let found = tasks.iter().zip(&outcomes).filter(|(task, _)| wanted(task));
            found.flat_map(|(_, outcome)| outcome.millis.iter().copied()).collect()
        };
        say(&format!("emit, {EMITTED} one after the other"), of(|task| matches!(task, Task::Emit { .. })));
        let mut opened = of(|task| matches!(task, Task::Open { .. }));
        say(&format!("open {EVENTS} events for the first time"), vec![opened.remove(0)]);
        say(&format!("open {EVENTS} events with a snapshot"), opened);
        say(&format!("emit and upload {SYNCED}"), of(|task| matches!(task, Task::Upload { .. })));
        say(&format!("first sync of {SYNCED}"), of(|task| matches!(task, Task::Sync { .. })));
        Ok(())
    }

    fn say(what: &str, mut millis: Vec<f64>) {
        millis.sort_by(f64::total_cmp);
        let (median, most) = (millis[millis.len() / 2], millis[millis.len() - 1]);
        println!("{what}: median {median:.1} ms, most {most:.1} ms, of {}", millis.len());
    }

    #[derive(Clone)]
    struct Page {
        site: PathBuf,
        tasks: String,
        outcomes: mpsc::UnboundedSender<String>,
    }

    /// Has the page do the tasks, in a browser with a profile of its own.
    async fn in_chromium(site: &Path, tasks: &[Task]) -> Result<Vec<Outcome>, Box<dyn Error>> {
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
        let _chromium = chromium.spawn().map_err(|error| format!("chromium cannot be started: {error}"))?;
        let mut outcomes = Vec::with_capacity(tasks.len());
        for task in tasks {
            let outcome = timeout(PATIENCE, arriving.recv()).await.map_err(|_| format!("{task:?} takes too long"))?;
            let outcome: Outcome = serde_json::from_str(&outcome.ok_or("the page is gone")?)?;
            if let Some(error) = outcome.error {
                return Err(format!("{task:?} has failed: {error}").into());
            }
            outcomes.push(outcome);
        }
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
        match std::fs::read(site.join(name)).ok().filter(|_| !name.contains('/')) {
            Some(content) => ([(header::CONTENT_TYPE, content_type)], content).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}
