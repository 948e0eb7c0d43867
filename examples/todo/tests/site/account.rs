//! The account in the browser: the first start, the seed at rest, and the way to another device.

use serde_json::json;

use crate::built::in_site;
use crate::person::{PASSPHRASE, words};
use crate::support::device::{Device, SEED};
use crate::support::host::RunningHost;

/// Reads everything that the site keeps outside of its log, as text.
const KEPT: &str = "return new Promise((resolve, reject) => {
    const opening = indexedDB.open('todo');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
        const all = opening.result.transaction('account').objectStore('account').getAll();
        all.onsuccess = () => {
            const bytes = (_, value) => value instanceof Uint8Array ? new TextDecoder().decode(value) : value;
            resolve(JSON.stringify([all.result, { ...localStorage }, { ...sessionStorage }], bytes));
        };
    };
})";

#[test]
fn a_new_account_with_a_passphrase_outlasts_a_reload() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.at_step("welcome");
        page.click_button("New account");
        page.at_step("created");
        let shown: Vec<String> =
            page.run("return [...document.querySelectorAll('.seed-words li')].map((it) => it.textContent)", &[]);
        let seed = diplomatic::Seed::from_words(&shown.join(" ")).expect("the words are a seed");
        let fingerprint = seed.fingerprint().to_string();
        assert!(page.text().contains(&fingerprint), "{}", page.text());
        page.click("[type=checkbox]");
        page.click_button("Go on");
        page.at_step("host");
        page.click_button("Go on");
        page.choose_passphrase(PASSPHRASE);
        page.add("Milk");

        let kept: String = page.run(KEPT, &[]);
        assert!(kept.contains(&fingerprint), "{kept}");
        assert!(!kept.contains(&*seed.expose_hex()) && !kept.contains(PASSPHRASE), "the secret is kept in the clear");
        assert!(kept.contains("\"iterations\":600000"), "{kept}");

        page.reload();
        page.at_step("unlock");
        page.fill("passphrase", "something else");
        page.press("Enter");
        page.until_so("refuse it", || page.text().contains("This is not the passphrase."));
        page.fill("passphrase", PASSPHRASE);
        page.press("Enter");
        page.at_step("lists");
        page.shows(["Milk"]);
    });
}

#[test]
fn who_lost_the_passphrase_gets_in_with_the_words_and_with_no_others() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.enter_account();
        page.click_button("Go on");
        page.choose_passphrase(PASSPHRASE);
        page.add("Milk");
        page.reload();
        page.at_step("unlock");
        page.click_button("I have lost it: enter the 24 words");
        page.at_step("enter");
        let others = diplomatic::Seed::random().expose_words().to_string();
        page.fill("words", &others);
        page.click_button("Go on");
        page.at_step("unlock");
        page.click_button("I have lost it: enter the 24 words");
        page.at_step("enter");
        page.fill("words", &words());
        page.click_button("Go on");
        page.choose_passphrase("another, and longer");
        page.shows(["Milk"]);
    });
}

#[test]
fn a_passkey_opens_the_account() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.cdp("WebAuthn.enable", json!({}));
        let authenticator = json!({ "options": {
            "protocol": "ctap2", "ctap2Version": "ctap2_1", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "hasPrf": true, "automaticPresenceSimulation": true,
        } });
        page.cdp("WebAuthn.addVirtualAuthenticator", authenticator);
        page.enter_account();
        page.click_button("Go on");
        page.at_step("protect");
        page.click_button("Use a passkey");
        page.at_step("lists");
        page.add("Milk");
        let kept: String = page.run(KEPT, &[]);
        assert!(kept.contains("\"kind\":\"passkey\"") && !kept.contains(SEED), "{kept}");
        page.reload();
        page.at_step("unlock");
        page.click_button("Use your passkey");
        page.at_step("lists");
        page.shows(["Milk"]);
    });
}

#[test]
fn who_declines_protection_is_warned_and_let_in_without_a_question() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        page.add("Milk");
        page.reload();
        page.shows(["Milk"]);
        page.click_button("Account");
        page.until_so("say so", || page.text().contains("nothing protects it"));
    });
}

#[test]
fn wrong_words_are_refused_with_what_to_do() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.at_step("welcome");
        page.click_button("I have an account");
        page.at_step("enter");
        page.fill("words", "abandon ability");
        page.click_button("Go on");
        page.until_so("say how many", || page.text().contains("A seed is 24 words, and here are 2."));
        let mistyped = words().replacen(words().split(' ').next().expect("it has words"), "qqqqq", 1);
        page.fill("words", &mistyped);
        page.click_button("Go on");
        page.until_so("name the word", || page.text().contains("is not on the list"));
    });
}

#[test]
fn a_host_that_the_page_may_not_reach_is_refused_before_it_is_tried() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.enter_account();
        page.fill("host", "http://host.example.org");
        page.click_button("Go on");
        page.until_so("refuse it", || page.text().contains("begins with https://"));
        page.fill("host", "");
        page.click_button("Go on");
        page.decline_protection();
    });
}

#[test]
fn a_link_brings_the_account_to_another_browser_and_leaves_the_address_bar() {
    in_site(|browser, site| {
        let host = RunningHost::start();
        let cable = host.cable();
        let laptop = Device::start(cable.url());
        let laptop_page = browser.open(laptop.address(), "this");
        laptop_page.add("Milk");

        let page = browser.open(&site.address(), "this");
        page.start_with(&cable.url());
        page.shows(["Milk"]);
        page.click_button("Account");
        page.click_button("Add another device");
        page.until_so("show the words", || page.text().replace('\n', " ").contains(&words()));
        let code: String = page.run("return document.querySelector('.code path').getAttribute('d')", &[]);
        let link =
            format!("{}#seed={SEED}&host={}", site.address(), cable.url().replace(':', "%3A").replace('/', "%2F"));
        assert_eq!(code, path_of(&link));

        // The browser keeps other things for another name of this machine.
        let other = link.replace("localhost", "127.0.0.1");
        let phone = browser.open(&other, "this");
        phone.at_step("confirm");
        let place: String = phone.run("return location.href", &[]);
        assert_eq!(place, site.address().replace("localhost", "127.0.0.1"));
        let entries: usize = phone.run("return history.length", &[]);
        phone.click_button("Yes, use it");
        phone.at_step("host");
        phone.click_button("Go on");
        phone.decline_protection();
        phone.shows(["Milk"]);
        phone.tick("Milk");
        page.shows(["✓ Milk"]);
        assert_eq!(phone.run::<usize>("return history.length", &[]), entries);
    });
}

#[test]
fn a_link_changes_nothing_where_there_is_an_account() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        page.add("Milk");
        page.goto("about:blank");
        page.goto(&format!("{}#seed={SEED}&host=https%3A%2F%2Fevil.example", site.address()));
        page.shows(["Milk"]);
        assert_eq!(page.run::<String>("return location.hash", &[]), "");
    });
}

/// Draws a code as the site does.
fn path_of(text: &str) -> String {
    let code = qrcode::QrCode::new(text).expect("it is short");
    let (size, modules) = (code.width(), code.to_colors());
    let dark = (0..modules.len()).filter(|at| modules[*at] == qrcode::Color::Dark);
    dark.map(|at| format!("M{} {}h1v1h-1z", at % size, at / size)).collect()
}
