//! Chromium, driven by chromedriver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep, timeout};
use url::{ParseError, Url};

use super::NEVER;

pub(crate) struct Browser {
    client: Client,
    driver: Child,
}

impl Browser {
    /// Starts a browser; `None` where there is none and none is needed.
    pub(crate) async fn start() -> Option<Self> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = driver else {
            assert!(std::env::var_os("DIPLOMATIC_NEEDS_CHROMIUM").is_none(), "install chromium and its driver");
            eprintln!("skipped: there is no chromedriver");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let port = lines.by_ref().find_map(|line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?.strip_suffix('.')?.parse::<u16>().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        let args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(
            [("goog:chromeOptions".to_owned(), json!({ "binary": "/usr/bin/chromium", "args": args }))]
                .into_iter()
                .collect(),
        );
        let port = port.expect("chromedriver tells its port");
        let client = builder.connect(&format!("http://127.0.0.1:{port}")).await.expect("the browser starts");
        Some(Self { client, driver })
    }

    pub(crate) async fn open(&self, address: &str) -> Tab<'_> {
        let window = self.client.new_window(true).await.expect("a tab opens").handle;
        let tab = Tab { browser: self, window };
        tab.front().await.goto(address).await.expect("the page is there");
        tab
    }

    pub(crate) async fn end(mut self) {
        let _ = timeout(Duration::from_secs(10), self.client.clone().close()).await;
        let _ = self.driver.kill();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

pub(crate) struct Tab<'a> {
    browser: &'a Browser,
    window: WindowHandle,
}

impl Tab<'_> {
    async fn front(&self) -> &Client {
        self.browser.client.switch_to_window(self.window.clone()).await.expect("the tab is open");
        &self.browser.client
    }

    /// Returns the value of an expression, which may wait.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        self.value_for(expression, Value::Null).await
    }

    async fn value_for(&self, expression: &str, argument: Value) -> Value {
        let script = format!("return (async function () {{ return {expression}; }}).apply(null, arguments)");
        let value = self.front().await.execute(&script, vec![argument]).await;
        value.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    pub(crate) async fn run(&self, script: &str) {
        self.front().await.execute(script, Vec::new()).await.expect("the script runs");
    }

    pub(crate) async fn wait_until(&self, expression: &str, argument: Value) {
        let start = Instant::now();
        while self.value_for(expression, argument.clone()).await != json!(true) {
            if start.elapsed() > NEVER {
                let state = "typeof told === 'object' ? JSON.stringify(told) : document.body.innerText";
                panic!("never: {expression} with {argument}; the page says {}", self.value(state).await);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.front().await.find(Locator::Css(selector)).await.expect("it is on the page");
        element.click().await.expect("it can be clicked");
    }

    pub(crate) async fn write_into(&self, selector: &str, text: &str) {
        let element = self.front().await.find(Locator::Css(selector)).await.expect("it is on the page");
        element.send_keys(text).await.expect("it takes text");
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        let element = self.front().await.find(Locator::Css(selector)).await.expect("it is on the page");
        element.text().await.expect("it has a text")
    }

    pub(crate) async fn reload(&self) {
        self.front().await.refresh().await.expect("the page is there");
    }

    pub(crate) async fn close(&self) {
        self.front().await.close_window().await.expect("the tab closes");
    }

    /// Kills the process of the tab, which then answers nothing, not even this.
    pub(crate) async fn kill(&self) {
        let client = self.front().await;
        let crash = Cdp(json!({ "cmd": "Page.crash", "params": {} }));
        let _ = timeout(Duration::from_millis(500), client.issue_cmd(crash)).await;
    }
}

#[derive(Debug)]
struct Cdp(Value);

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.0.to_string()))
    }
}
