//! Installed, without a network, and across updates.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use crate::built::{StaticHost, changed, files, in_site, version};
use crate::support::browser::in_browser;

#[test]
fn it_starts_without_a_network() {
    let Some(files) = files() else { return };
    in_browser(|browser| {
        browser.expect_on_console("ERR_CONNECTION_REFUSED");
        browser.expect_on_console("favicon.ico");
        let mut site = StaticHost::start(files.clone());
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        page.add("Milk");
        page.is_installed();
        site.go();
        page.reload();
        page.shows(["Milk"]);
        page.add("Bread");
        page.goto("about:blank");
        page.goto(&site.address());
        page.shows(["Milk", "Bread"]);
        // The words and the code, too.
        page.click_button("Account");
        page.click_button("Add another device");
        page.until_so("draw the code", || {
            page.run("return (document.querySelector('.code path')?.getAttribute('d') ?? '') !== ''", &[])
        });
    });
}

#[test]
fn an_update_arrives_with_the_next_load_and_never_in_parts() {
    let Some(first) = files() else { return };
    in_browser(|browser| {
        browser.expect_on_console("ERR_CONNECTION_REFUSED");
        browser.expect_on_console("favicon.ico");
        let mut site = StaticHost::start(first.clone());
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        page.add("Milk");
        page.is_installed();
        let versions = AtomicU32::new(1);
        let mark = |script: &str| {
            format!("{script}\ndocument.body.dataset.release = '{}';\n", versions.load(Ordering::SeqCst))
        };
        let read = "const version = (address) => new URL(address, location.href).pathname.split('/')[1];
            const parts = performance.getEntriesByType('resource').map((entry) => version(entry.name));
            const own = document.querySelector('script[type=module]').getAttribute('src').split('/')[0];
            return [document.body.dataset.release ?? '0', parts.filter((part) => part.startsWith('v-') && part !== own)]";
        for _ in 0..2 {
            versions.fetch_add(1, Ordering::SeqCst);
            site.put(changed(first, "site.js", mark));
            page.reload();
            page.shows(["Milk"]);
            let (release, strangers): (String, Vec<String>) = page.run(read, &[]);
            assert_eq!((release, strangers), (versions.load(Ordering::SeqCst).to_string(), Vec::new()));
        }
        // The new version is kept whole, too.
        page.keeps(&changed(first, "site.js", mark));
        site.go();
        page.reload();
        page.shows(["Milk"]);
        let (release, strangers): (String, Vec<String>) = page.run(read, &[]);
        assert_eq!((release, strangers), (versions.load(Ordering::SeqCst).to_string(), Vec::new()));
    });
}

#[test]
fn an_update_that_cannot_be_fetched_at_once_is_kept_without_another_load() {
    let Some(first) = files() else { return };
    in_browser(|browser| {
        for part in ["is not there", "favicon.ico", "ERR_CONNECTION_REFUSED", "503", "ServiceWorker"] {
            browser.expect_on_console(part);
        }
        let mut site = StaticHost::start(first.clone());
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        page.add("Milk");
        page.is_installed();
        let second = changed(first, "site.js", |script| format!("{script}\ndocument.body.dataset.release = '2';\n"));
        site.fail_twice(format!("{}/site.js", version(&second)));
        site.put(second.clone());
        page.reload();
        page.shows(["Milk"]);
        page.keeps(&second);
        site.go();
        page.reload();
        page.shows(["Milk"]);
        assert_eq!(page.run::<String>("return document.body.dataset.release ?? ''", &[]), "2");
    });
}

#[test]
fn a_half_written_update_is_not_kept() {
    let Some(first) = files() else { return };
    in_browser(|browser| {
        for part in ["is of another version", "favicon.ico", "ERR_CONNECTION_REFUSED", "404", "ServiceWorker"] {
            browser.expect_on_console(part);
        }
        let mut site = StaticHost::start(first.clone());
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        page.add("Milk");
        page.is_installed();
        // The new service worker is there, and the page that belongs to it is not yet.
        let mut files = changed(first, "site.js", |script| format!("{script}\n// new\n"));
        files.insert("index.html".to_owned(), first["index.html"].clone());
        files.extend(
            first.iter().filter(|(path, _)| path.starts_with("v-")).map(|(path, it)| (path.clone(), it.clone())),
        );
        site.put(files);
        page.run::<()>(
            "return navigator.serviceWorker.getRegistration().then((it) => it.update()).then(() => null, () => null)",
            &[],
        );
        page.until_so("give it up", || {
            page.run(
                "return navigator.serviceWorker.getRegistration().then((it) => !it.installing && !it.waiting)",
                &[],
            )
        });
        site.go();
        page.reload();
        page.shows(["Milk"]);
    });
}

#[test]
fn it_can_be_installed() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        page.is_installed();
        let manifest = page.cdp("Page.getAppManifest", json!({}));
        assert_eq!(manifest["errors"], json!([]), "{manifest}");
        assert!(manifest["url"].as_str().is_some_and(|url| url.ends_with("manifest.webmanifest")), "{manifest}");
        let errors = page.cdp("Page.getInstallabilityErrors", json!({}));
        assert_eq!(errors["installabilityErrors"], json!([]), "{errors}");
    });
}
