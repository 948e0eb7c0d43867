//! Other origins, and scripts that are not the site's.

use axum::Router;
use axum::response::Html;
use serde_json::Value;
use std::net::Ipv4Addr;
use tokio::net::TcpListener;

use crate::built::{files, in_site};
use crate::support::browser::{spawn, wait};
use crate::support::device::SEED;

#[test]
fn the_page_itself_forbids_what_is_not_its_own() {
    let Some(files) = files() else { return };
    let index = str::from_utf8(&files["index.html"]).expect("it is text");
    let policy = index.split("Content-Security-Policy\" content=\"").nth(1).and_then(|rest| rest.split('"').next());
    let policy = policy.expect("the page has a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
    assert!(
        !policy.contains("'unsafe-inline'") && !policy.contains("'unsafe-eval'") && !policy.contains("http: "),
        "{policy}"
    );
    assert!(index.find("Content-Security-Policy") < index.find("<script"), "the policy comes before all scripts");

    in_site(|browser, site| {
        browser.expect_on_console("Content Security Policy");
        browser.expect_on_console("violates");
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        let tries = "
            const script = document.createElement('script');
            script.textContent = 'window.inline = true';
            document.body.append(script);
            // What the driver runs may do what the page may not, but what comes later is the page's.
            const attempt = (act) => new Promise((resolve) => setTimeout(() => {
                try { act(); resolve(true) } catch { resolve(false) }
            }));
            const fetched = (address) => fetch(address, { mode: 'no-cors' }).then(() => true, () => false);
            return Promise.all([
                window.inline === true,
                attempt(() => eval('1')),
                attempt(() => new Function('return 1')()),
                fetched('http://192.0.2.1/'),
                fetched('data:text/plain,1'),
            ])";
        assert_eq!(page.run::<Vec<bool>>(tries, &[]), [false; 5]);
    });
}

#[test]
fn another_origin_gets_nothing() {
    in_site(|browser, site| {
        for part in ["Content Security Policy", "blocked by CORS", "Failed to load", "in a frame because"] {
            browser.expect_on_console(part);
        }
        let page = browser.open(&site.address(), "this");
        page.start_with("");
        page.add("Milk");
        page.is_installed();
        let listener = wait(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let app = Router::new()
            .fallback(async || Html("<!doctype html><title>Foreign</title><link rel=icon href='data:,'><body>"));
        spawn(async move { axum::serve(listener, app).await });
        let foreign = browser.open(&format!("http://localhost:{port}/"), "this");
        let rob = "const [address] = arguments;
            const read = (act) => Promise.resolve().then(act).then((it) => String(it), () => null);
            const frame = document.createElement('iframe');
            frame.src = address;
            document.body.append(frame);
            await new Promise((resolve) => (frame.onload = resolve));
            const opened = window.open(address);
            const heard = [];
            window.onmessage = ({ data }) => heard.push(data);
            new BroadcastChannel('todo').onmessage = ({ data }) => heard.push(data);
            for (const target of [frame.contentWindow, opened]) target?.postMessage({ open: '{}', id: 1, ask: '{}' }, '*');
            await new Promise((resolve) => setTimeout(resolve, 1000));
            const loot = {
                text: await read(() => fetch(address).then((it) => it.text())),
                frame: await read(() => frame.contentWindow.document.body.innerText),
                window: await read(() => opened.document.body.innerText),
                databases: (await indexedDB.databases()).length,
                caches: (await caches.keys()).length,
                locks: (await navigator.locks.query()).held.length,
                heard,
            };
            opened?.close();
            return loot;";
        let loot: Value = foreign
            .run(&format!("return (async function () {{ {rob} }}).apply(null, arguments)"), &[site.address().into()]);
        for what in ["text", "frame", "window"] {
            assert_eq!(loot[what], Value::Null, "{loot}");
        }
        assert_eq!((&loot["databases"], &loot["caches"], &loot["locks"]), (&0.into(), &0.into(), &0.into()), "{loot}");
        assert_eq!(loot["heard"], Value::Array(Vec::new()), "{loot}");
        assert!(!loot.to_string().contains("Milk") && !loot.to_string().contains(SEED));
        // A frame shows nothing that could be clicked.
        let framed: String = foreign.run_in_first_frame("return document.body?.innerText ?? ''");
        assert!(!framed.contains("Milk") && !framed.contains("account"), "{framed}");
        page.shows(["Milk"]);
    });
}
