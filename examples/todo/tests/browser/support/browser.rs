//! A browser of one test: it is closed when the test ends, and leaves pictures behind when the test fails.

use std::cell::{Cell, RefCell};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use axum::http::Method;
use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::{ParseError, Url};

use super::chromedriver::Installed;
use super::page::Page;

/// The tests are plain functions; what waits for a browser or a host, waits here.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads can be started"));

/// Browsers are large; more of them at once than this are no quicker.
static SEATS: Semaphore = Semaphore::const_new(3);

/// A browser that is silent for so long is broken.
const STUCK: Duration = Duration::from_secs(60);

#[track_caller]
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(async { timeout(STUCK, future).await }).expect("the browser answers within a minute")
}

pub(crate) fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    RUNTIME.spawn(future)
}

/// Plays a test in a browser, or skips it where there is none. A console that is not clean at the end fails the test.
pub(crate) fn in_browser(play: impl FnOnce(&Browser)) {
    let Some(installed) = Installed::find() else { return };
    let _seat = RUNTIME.block_on(SEATS.acquire()).expect("nobody closes the seats");
    let browser = Browser::start(installed);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        play(&browser);
        browser.assert_quiet_console();
    }));
    if outcome.is_err() {
        browser.keep_evidence();
    }
    browser.close();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Returns a folder for what tests leave behind.
pub(crate) fn evidence_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    fs::create_dir_all(&folder).expect("the target directory can be written");
    folder
}

pub(crate) struct Browser {
    pub(super) client: Client,
    /// The window that the browser came with, until a page takes it.
    unused: RefCell<Option<WindowHandle>>,
    /// Parts of console messages that the test brings about.
    expected: RefCell<Vec<&'static str>>,
    has_evidence: Cell<bool>,
    _profile: TempDir,
}

impl Browser {
    fn start(installed: &Installed) -> Self {
        let profile = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory can be written");
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = ClientBuilder::new(connector);
        builder.capabilities(installed.capabilities(profile.path()));
        let (client, window) = wait(async {
            let client = builder.connect(installed.driver()).await.expect("the browser starts");
            let window = client.window().await.expect("it has a window");
            (client, window)
        });
        Self {
            client,
            unused: RefCell::new(Some(window)),
            expected: RefCell::default(),
            has_evidence: Cell::new(false),
            _profile: profile,
        }
    }

    /// Opens an address in a window of its own, with the device of this name on it.
    pub(crate) fn open(&self, address: &str, device: &str) -> Page<'_> {
        let window = self.unused.take().unwrap_or_else(|| {
            let opened = wait(self.client.new_window(false)).expect("a window opens");
            opened.handle
        });
        let page = Page::new(self, window, device);
        page.goto(address);
        // Every window believes that it is the one in front: the windows stand for devices.
        page.cdp("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        page
    }

    /// Says that the test brings about messages on the console that contain this.
    pub(crate) fn expect_on_console(&self, part: &'static str) {
        self.expected.borrow_mut().push(part);
    }

    /// Returns what the console got since it was read last: only what is wrong.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = wait(self.client.issue_cmd(Extension { path: "se/log", body: json!({ "type": "browser" }) }));
        let entries = entries.expect("the browser's console can be read");
        let is_wrong = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let entries = entries.as_array().into_iter().flatten().filter(is_wrong);
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[track_caller]
    fn assert_quiet_console(&self) {
        let expected = self.expected.borrow();
        let mut messages = wait(async { self.client.windows().await }).map(|_| self.console()).unwrap_or_default();
        messages.retain(|message| !expected.iter().any(|part| message.contains(part)));
        assert!(messages.is_empty(), "on the browser's console:\n{}", messages.join("\n"));
    }

    /// Saves a picture and the text of every window, for the first thing that goes wrong.
    pub(super) fn keep_evidence(&self) {
        if self.has_evidence.replace(true) {
            return;
        }
        let name = thread::current().name().unwrap_or("test").replace("::", "-");
        let windows = wait(self.client.windows()).unwrap_or_default();
        for (number, window) in windows.into_iter().enumerate() {
            let file = evidence_folder().join(format!("{name}-{}", number + 1));
            let (picture, text) = wait(async {
                let _ = self.client.switch_to_window(window).await;
                let text = "return document.documentElement.innerText + '\\n\\n' + document.documentElement.outerHTML";
                (self.client.screenshot().await, self.client.execute(text, Vec::new()).await)
            });
            if let (Ok(picture), Ok(Value::String(text))) = (picture, text) {
                let (picture_file, text_file) = (file.with_extension("png"), file.with_extension("txt"));
                let written = fs::write(&picture_file, picture).and_then(|()| fs::write(&text_file, text));
                written.expect("the target directory can be written");
                eprintln!("window {}: {} and {}", number + 1, picture_file.display(), text_file.display());
            }
        }
    }

    fn close(self) {
        // Where this fails, the driver has lost the browser, and there is nothing left to close.
        let _ = wait(self.client.close());
    }
}

/// A command of chromedriver that is not in the WebDriver standard.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) path: &'static str,
    pub(super) body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
