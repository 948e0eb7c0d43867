//! Browsers that keep nothing, or have no room.

use serde_json::json;

use crate::built::{changed, files, in_site};

#[test]
fn where_the_browser_keeps_nothing_the_lists_are_in_memory_and_the_page_says_so() {
    in_site(|browser, site| {
        // The service worker sees that this is not what it was made for.
        browser.expect_on_console("ServiceWorker");
        let denied = "StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('denied', 'SecurityError'));\n";
        site.put(changed(files().expect("in_site has them"), "worker.js", |script| format!("{denied}{script}")));
        let page = browser.open(&site.address(), "this");
        page.prepare("Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('denied', 'SecurityError') } });");
        page.goto(&site.address());
        page.start_alone();
        page.add("Milk");
        page.shows(["Milk"]);
        page.until_so("say so", || {
            let warnings = page.warnings();
            warnings.contains("asks for the words again")
                && warnings.contains("keeps nothing here when the page is closed")
        });
        page.reload();
        page.at_step("welcome");
    });
}

#[test]
fn a_full_quota_is_told_and_nothing_that_was_answered_is_lost() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        page.add("Milk");
        let origin = site.address();
        let origin = origin.trim_end_matches('/');
        let usage =
            page.cdp("Storage.getUsageAndQuota", json!({ "origin": origin }))["usage"].as_f64().expect("it is known");
        page.cdp("Storage.overrideQuotaForOrigin", json!({ "origin": origin, "quotaSize": usage + 100_000.0 }));
        page.open_details("Milk");
        let mut said = String::new();
        for _ in 0..40 {
            let ask = "const [text] = arguments; const area = document.querySelector('textarea[aria-label=Notes]');
                area.focus(); area.value = text; area.dispatchEvent(new Event('input', { bubbles: true })); area.blur();";
            let text: String = std::iter::repeat_with(|| format!("{:x} ", rand::random::<u64>())).take(2_500).collect();
            page.run::<()>(ask, &[json!(text)]);
            page.until_so("answer", || {
                page.run("return document.querySelector('[data-asking]').dataset.asking === '0'", &[])
            });
            said = page.look().map(|view| view.alert).unwrap_or_default();
            if !said.is_empty() {
                break;
            }
        }
        assert!(said.starts_with("This device cannot keep it"), "{said}");
        page.cdp("Storage.overrideQuotaForOrigin", json!({ "origin": origin }));
        page.reload();
        page.shows(["Milk"]);
        page.add("Bread");
        page.shows(["Milk", "Bread"]);
    });
}
