//! What a person does at the first start.

use serde_json::json;

use crate::built::{Files, version};
use crate::support::device::SEED;
use crate::support::page::Page;

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

impl Page<'_> {
    /// Waits for a step of the first start, or for the lists, which are the step "lists".
    #[track_caller]
    pub(crate) fn at_step(&self, step: &str) {
        let read = "const section = document.querySelector('#devices > section');
            return section?.dataset.step ?? (section?.dataset.live === 'open' ? 'lists' : null)";
        self.until_so(&format!("be at {step:?}"), || self.run::<Option<String>>(read, &[]).as_deref() == Some(step));
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn until_so(&self, what: &str, is: impl Fn() -> bool) {
        let start = std::time::Instant::now();
        while !is() {
            assert!(start.elapsed() < crate::support::page::LONGEST, "it does not come to {what}: {}", self.text());
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
    }

    pub(crate) fn text(&self) -> String {
        self.run("return document.body.innerText", &[])
    }

    #[track_caller]
    pub(crate) fn fill(&self, field: &str, text: &str) {
        self.click(&format!("[name={field}]"));
        self.press("Control+a");
        self.write(text);
    }

    /// Makes an account that lives in this browser alone, without protection.
    #[track_caller]
    pub(crate) fn start_alone(&self) {
        self.at_step("welcome");
        self.click_button("New account");
        self.at_step("created");
        self.click("[type=checkbox]");
        self.click_button("Go on");
        self.at_step("host");
        self.click_button("Go on");
        self.decline_protection();
    }

    /// Enters the account of the other devices, and their host.
    #[track_caller]
    pub(crate) fn start_with(&self, host: &str) {
        self.enter_account();
        self.fill("host", host);
        self.click_button("Go on");
        self.decline_protection();
    }

    /// Enters the account of the other devices, up to the question for the host.
    #[track_caller]
    pub(crate) fn enter_account(&self) {
        self.at_step("welcome");
        self.click_button("I have an account");
        self.at_step("enter");
        self.fill("words", &words());
        self.click_button("Go on");
        self.at_step("host");
    }

    #[track_caller]
    pub(crate) fn decline_protection(&self) {
        self.at_step("protect");
        self.click_button("Go on without protection");
        self.at_step("lists");
    }

    #[track_caller]
    pub(crate) fn choose_passphrase(&self, passphrase: &str) {
        self.at_step("protect");
        self.fill("passphrase", passphrase);
        self.fill("again", passphrase);
        self.click_button("Use a passphrase");
        self.at_step("lists");
    }

    /// What the panel warns of.
    pub(crate) fn warnings(&self) -> String {
        let read = "const note = document.querySelector('.clock'); return note && !note.hidden ? note.textContent : ''";
        self.run(read, &[])
    }

    /// Has a script run before those of every page that is opened in this window.
    pub(crate) fn prepare(&self, script: &str) {
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// Waits until the service worker looks after the page, so that the next load needs no network.
    #[track_caller]
    pub(crate) fn is_installed(&self) {
        let script = "return navigator.serviceWorker.ready.then(({ active }) => new Promise((resolve) => {
            if (active.state === 'activated') return resolve(true);
            active.addEventListener('statechange', () => active.state === 'activated' && resolve(true));
        }))";
        assert!(self.run::<bool>(script, &[]));
    }

    /// Waits until a version is there without a network: the page and its files.
    #[track_caller]
    pub(crate) fn keeps(&self, files: &Files) {
        let version = version(files);
        let count = 1 + files.keys().filter(|path| path.starts_with(&version)).count();
        let kept = "return caches.keys().then(async (names) => {
            const name = names.find((name) => name.endsWith(arguments[0]));
            return name ? (await (await caches.open(name)).keys()).length : 0;
        })";
        self.until_so(&format!("keep {version}"), || self.run::<usize>(kept, &[json!(version)]) == count);
        self.until_so("be looked after by it", || {
            let script = "return navigator.serviceWorker.getRegistration().then((it) =>
                it.active?.state === 'activated' && !it.installing && !it.waiting)";
            self.run(script, &[])
        });
    }
}

/// The words of the account of all other devices.
pub(crate) fn words() -> String {
    let seed: diplomatic::Seed = SEED.parse().expect("it is a seed");
    seed.expose_words().to_string()
}
