//! The site in Chromium, with several tabs. `build.sh` builds it before.

mod chromium;
mod site;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chromium::{Browser, Tab};
use serde_json::{Value, json};
use site::Site;

/// What takes longer never comes.
const NEVER: Duration = Duration::from_secs(60);

impl Tab<'_> {
    async fn wait_for_role(&self, role: &str) {
        self.wait_until("document.querySelector('#role')?.textContent === arguments[0]", json!(role)).await;
    }

    async fn wait_for_items(&self, names: &[&str]) {
        let shown = "JSON.stringify([...document.querySelectorAll('li')].map((item) => item.querySelector('label').textContent))";
        self.wait_until(&format!("{shown} === JSON.stringify(arguments[0])"), json!(names)).await;
    }

    async fn add(&self, name: &str) {
        self.write_into("#name", name).await;
        self.click("form button").await;
    }

    /// Waits until a tab with the page in JavaScript has been told something.
    async fn wait_until_told(&self, what: Value) {
        let is_told = "told.some((it) => Object.entries(arguments[0]).every(([name, value]) => it[name] === value))";
        self.wait_until(is_told, what).await;
    }
}

#[tokio::test]
async fn tabs_show_the_same_and_one_takes_over_when_the_owner_closes() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::serve().await;
    let first = browser.open(&site.address("index.html")).await;
    first.wait_for_role("owner").await;
    let second = browser.open(&site.address("index.html")).await;
    second.wait_for_role("follower").await;

    second.add("milk").await;
    first.wait_for_items(&["milk"]).await;
    first.add("bread").await;
    second.wait_for_items(&["bread", "milk"]).await;

    first.close().await;
    second.wait_for_role("owner").await;
    second.add("apples").await;
    second.wait_for_items(&["apples", "bread", "milk"]).await;

    second.click("li input").await;
    second.wait_until("document.querySelector('li input').checked", json!(null)).await;
    second.reload().await;
    second.wait_for_role("owner").await;
    second.wait_for_items(&["apples", "bread", "milk"]).await;
    second.wait_until("document.querySelector('li input').checked", json!(null)).await;
    assert_eq!(second.text("#trouble").await, "");
    browser.end().await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_owner_is_killed() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::serve().await;
    let first = open_as(&browser, &site, "page.html", "owner").await;
    let second = open_as(&browser, &site, "page.html", "follower").await;
    let third = open_as(&browser, &site, "page.html", "follower").await;

    third.run("keepAdding()").await;
    third.wait_until("acknowledged.length >= 20", json!(null)).await;
    let killed = now();
    first.kill().await;
    second.wait_until_told(json!({ "role": "owner" })).await;
    let took = second.value("told.find((it) => it.role === 'owner').at").await.as_f64().expect("a time") - killed;
    println!("another tab has taken over {took} ms after the owner was killed");

    let before = third.value("acknowledged.length").await.as_u64().expect("a number");
    third.wait_until("acknowledged.length >= arguments[0]", json!(before + 20)).await;
    let acknowledged = third.value("stopAdding()").await;
    for tab in [&second, &third] {
        let lacks = "arguments[0].filter((name) => !names().includes(name)).length";
        tab.wait_until(&format!("{lacks} === 0"), acknowledged.clone()).await;
    }
    let twice = third.value("names().length - new Set(names()).size").await;
    assert!(twice.as_u64().is_some_and(|twice| twice <= 1), "{twice} items were added twice");
    browser.end().await;
}

#[tokio::test]
async fn a_tab_that_closes_the_store_gives_it_to_another_and_can_open_it_again() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::serve().await;
    let first = open_as(&browser, &site, "page.html", "owner").await;
    let second = open_as(&browser, &site, "page.html", "follower").await;

    first.run("worker.postMessage({ close: true })").await;
    second.wait_until_told(json!({ "role": "owner" })).await;
    // What is asked meanwhile is answered later.
    first.run("window.late = ask({ emit: [{ Added: { name: 'milk' } }] })").await;
    first.run("told.length = 0; worker.postMessage({ open: configuration })").await;
    first.wait_until_told(json!({ "role": "follower" })).await;
    first.wait_until("names().includes('milk')", json!(null)).await;
    second.wait_until("names().includes('milk')", json!(null)).await;
    let answer = first.value("await late").await;
    assert_eq!(answer["Ok"].as_array().map(Vec::len), Some(1), "{answer}");
    browser.end().await;
}

#[tokio::test]
async fn a_page_that_comes_takes_no_news_away_from_the_others() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::serve().await;
    let page = open_as(&browser, &site, "page.html", "owner").await;
    assert_eq!(page.value("await addWhilePagesCome(100)").await, json!([]));
    browser.end().await;
}

#[tokio::test]
async fn a_request_over_which_the_app_crashes_fails_once_and_the_tabs_go_on() {
    let Some(browser) = Browser::start().await else { return };
    let site = Site::serve().await;
    let first = open_as(&browser, &site, "page.html?crashing", "owner").await;
    let second = open_as(&browser, &site, "page.html?crashing", "follower").await;

    let failed = second.value("await ask('panic').catch((error) => error.message)").await;
    assert!(failed.as_str().is_some_and(|failed| failed.contains("asked to panic")), "{failed}");
    first.wait_until_told(json!({ "crashed": true })).await;
    second.wait_until_told(json!({ "role": "owner" })).await;
    assert_eq!(second.value("await ask('hello')").await, json!("hello"));
    // The page has started another worker.
    first.wait_until_told(json!({ "role": "follower" })).await;
    assert_eq!(first.value("await ask('again')").await, json!("again"));
    browser.end().await;
}

/// Opens a page in a new tab, which comes to play this part.
async fn open_as<'a>(browser: &'a Browser, site: &Site, page: &str, role: &str) -> Tab<'a> {
    let tab = browser.open(&site.address(page)).await;
    tab.wait_until_told(json!({ "role": role })).await;
    tab
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_millis() as f64
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
