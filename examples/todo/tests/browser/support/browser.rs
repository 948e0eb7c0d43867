//! Browsers, which tests use in turn.

use std::cell::{Cell, RefCell};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use axum::http::Method;
use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
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

/// Browsers without a window of a test. To start one costs as much as half a test.
static IDLE: Mutex<Vec<Session>> = Mutex::new(Vec::new());

/// A browser that is silent for so long is broken.
const STUCK: Duration = Duration::from_secs(120);

#[track_caller]
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(async { timeout(STUCK, future).await }).expect("the browser answers within two minutes")
}

pub(crate) fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    RUNTIME.spawn(future)
}

/// Plays a test in a browser, or skips it where there is none. A console that was not quiet fails the test.
pub(crate) fn in_browser(play: impl FnOnce(&Browser)) {
    let Some(installed) = Installed::find() else { return };
    let _seat = RUNTIME.block_on(SEATS.acquire()).expect("nobody closes the seats");
    let idle = IDLE.lock().expect("no holder panics").pop();
    let browser = Browser::new(idle.unwrap_or_else(|| Session::start(installed)));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        play(&browser);
        browser.assert_quiet_console();
    }));
    match outcome {
        Ok(()) => {
            browser.close_windows();
            IDLE.lock().expect("no holder panics").push(browser.session);
        }
        Err(panic) => {
            browser.keep_evidence();
            browser.session.close();
            resume_unwind(panic);
        }
    }
}

/// Returns a folder for what tests leave behind.
pub(crate) fn evidence_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    fs::create_dir_all(&folder).expect("the target directory can be written");
    folder
}

/// A running browser, which many tests use in turn: what a page keeps, it keeps under an address that no other test has.
struct Session {
    client: Client,
    /// The window that the browser came with. It stays empty, and keeps the browser open.
    own: WindowHandle,
}

impl Session {
    fn start(installed: &Installed) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut builder = ClientBuilder::new(connector);
        builder.capabilities(installed.capabilities());
        wait(async {
            let client = builder.connect(installed.driver()).await.expect("the browser starts");
            let own = client.window().await.expect("it has a window");
            Self { client, own }
        })
    }

    fn close(self) {
        // Where this fails, the driver has lost the browser, and there is nothing left to close.
        let _ = wait(self.client.close());
    }
}

/// The browser of one test. It leaves pictures behind when the test fails.
pub(crate) struct Browser {
    session: Session,
    /// The window that commands go to.
    front: RefCell<Option<WindowHandle>>,
    /// What is wrong, by the console.
    complaints: RefCell<Vec<String>>,
    /// Parts of console messages that the test brings about.
    expected: RefCell<Vec<&'static str>>,
    has_evidence: Cell<bool>,
}

impl Browser {
    const fn new(session: Session) -> Self {
        Self {
            session,
            front: RefCell::new(None),
            complaints: RefCell::new(Vec::new()),
            expected: RefCell::new(Vec::new()),
            has_evidence: Cell::new(false),
        }
    }

    /// Opens an address in a window of its own, with the device of this name on it.
    pub(crate) fn open(&self, address: &str, device: &str) -> Page<'_> {
        let opened = wait(self.session.client.new_window(false)).expect("a window opens");
        let window = Window { browser: self, handle: opened.handle, is_gone: Cell::new(false) };
        let page = Page::new(window, device);
        page.goto(address);
        // Every window believes that it is the one in front: the windows stand for devices.
        page.cdp("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        page
    }

    /// Says that the test brings about messages on the console that contain this.
    pub(crate) fn expect_on_console(&self, part: &'static str) {
        self.expected.borrow_mut().push(part);
    }

    /// Notes what the console got since it was read last: only what is wrong.
    fn read_console(&self) {
        let read = Extension { path: "se/log", body: json!({ "type": "browser" }) };
        let entries = wait(self.session.client.issue_cmd(read)).expect("the browser's console can be read");
        let is_wrong = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let wrong = entries.as_array().into_iter().flatten().filter(is_wrong);
        let messages = wrong.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        self.complaints.borrow_mut().extend(messages);
    }

    #[track_caller]
    fn assert_quiet_console(&self) {
        let expected = self.expected.borrow();
        let mut complaints = self.complaints.take();
        complaints.retain(|message| !expected.iter().any(|part| message.contains(part)));
        assert!(complaints.is_empty(), "on the browser's console:\n{}", complaints.join("\n"));
    }

    /// Saves a picture and the text of every window, for the first thing that goes wrong.
    pub(super) fn keep_evidence(&self) {
        if self.has_evidence.replace(true) {
            return;
        }
        self.front.take();
        let Session { client, own } = &self.session;
        let name = thread::current().name().unwrap_or("test").replace("::", "-");
        let windows = wait(client.windows()).unwrap_or_default();
        for (number, window) in windows.into_iter().filter(|window| window != own).enumerate() {
            let file = evidence_folder().join(format!("{name}-{}", number + 1));
            let (picture, text) = wait(async {
                let _ = client.switch_to_window(window).await;
                let text = "return document.documentElement.innerText + '\\n\\n' + document.documentElement.outerHTML";
                (client.screenshot().await, client.execute(text, Vec::new()).await)
            });
            if let (Ok(picture), Ok(Value::String(text))) = (picture, text) {
                let (picture_file, text_file) = (file.with_extension("png"), file.with_extension("txt"));
                let written = fs::write(&picture_file, picture).and_then(|()| fs::write(&text_file, text));
                written.expect("the target directory can be written");
                eprintln!("window {}: {} and {}", number + 1, picture_file.display(), text_file.display());
            }
        }
    }

    /// Closes the windows that pages opened by themselves, and forgets what they wrote on the console.
    fn close_windows(&self) {
        let Session { client, own } = &self.session;
        wait(async {
            for window in client.windows().await?.into_iter().filter(|window| window != own) {
                client.switch_to_window(window).await?;
                client.close_window().await?;
            }
            client.switch_to_window(own.clone()).await
        })
        .expect("the windows can be closed");
        self.read_console();
    }
}

/// A window of a test. It is closed when this is dropped, before the program that serves its page ends: a page that finds
/// nobody there says so on the console.
pub(super) struct Window<'a> {
    browser: &'a Browser,
    handle: WindowHandle,
    is_gone: Cell<bool>,
}

impl Window<'_> {
    /// Does something with the browser while this window is the one that commands go to.
    pub(super) fn in_front<T>(&self, act: impl AsyncFnOnce(&Client) -> T) -> T {
        let Browser { session: Session { client, .. }, front, .. } = self.browser;
        wait(async {
            if front.borrow().as_ref() != Some(&self.handle) {
                client.switch_to_window(self.handle.clone()).await.expect("the window is open");
                front.replace(Some(self.handle.clone()));
            }
            act(client).await
        })
    }

    pub(super) fn keep_evidence(&self) {
        self.browser.keep_evidence();
    }

    /// Ends the process of this window, and closes what is left of it.
    #[allow(dead_code, reason = "only the tests of the site use it")]
    pub(super) fn crash(&self) {
        let command = |cmd: &str, params: Value| Extension {
            path: "goog/cdp/execute",
            body: json!({ "cmd": cmd, "params": params }),
        };
        // The process that ends does not answer.
        let _ = self.in_front(async |client| client.issue_cmd(command("Page.crash", json!({}))).await);
        self.is_gone.set(true);
        let Browser { session: Session { client, own }, front, .. } = self.browser;
        front.take();
        let target = json!({ "targetId": String::from(self.handle.clone()) });
        wait(async {
            client.switch_to_window(own.clone()).await?;
            client.issue_cmd(command("Target.closeTarget", target)).await
        })
        .expect("what is left of the window can be closed");
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        // What failed leaves its windows as they are, to have pictures taken of them.
        if !thread::panicking() && !self.is_gone.get() {
            self.in_front(async |_| ());
            self.browser.read_console();
            self.in_front(async |client| {
                client.close_window().await?;
                // The driver opens no window from one that is closed.
                client.switch_to_window(self.browser.session.own.clone()).await
            })
            .expect("the window can be closed");
            self.browser.front.take();
        }
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
