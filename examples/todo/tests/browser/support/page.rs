//! A window with one device in it, and what a person sees there.

use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fantoccini::Client;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::browser::{Extension, Window};
use super::view::{self, View};

/// No test waits longer for anything.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);
/// Between two looks at the page.
pub(super) const PAUSE: Duration = Duration::from_millis(30);

pub(crate) struct Page<'a> {
    window: Rc<Window<'a>>,
    device: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(window: Window<'a>, device: &str) -> Self {
        Self { window: Rc::new(window), device: device.to_owned() }
    }

    /// Returns another device on the same page.
    pub(crate) fn device(&self, device: &str) -> Self {
        Self { window: self.window.clone(), device: device.to_owned() }
    }

    pub(super) fn in_front<T>(&self, act: impl AsyncFnOnce(&Client) -> T) -> T {
        self.window.in_front(act)
    }

    pub(super) fn keep_evidence(&self) {
        self.window.keep_evidence();
    }

    #[track_caller]
    pub(crate) fn goto(&self, address: &str) {
        self.in_front(async |client| client.goto(address).await).expect("the page loads");
    }

    #[track_caller]
    pub(crate) fn reload(&self) {
        self.in_front(async |client| client.refresh().await).expect("the page loads again");
    }

    pub(crate) fn screenshot(&self) -> Vec<u8> {
        self.in_front(async |client| client.screenshot().await).expect("a picture can be taken")
    }

    /// Runs the body of a function on the page, with these `arguments`.
    #[track_caller]
    pub(crate) fn run<T: DeserializeOwned>(&self, script: &str, arguments: &[Value]) -> T {
        let result = self.in_front(async |client| client.execute(script, arguments.to_vec()).await);
        serde_json::from_value(result.expect("the script runs")).expect("it returns what the test wants")
    }

    /// Runs the body of a function where the window's first frame is.
    #[track_caller]
    pub(crate) fn run_in_first_frame<T: DeserializeOwned>(&self, script: &str) -> T {
        let result = self.in_front(async |client| {
            client.enter_frame(0).await?;
            let result = client.execute(script, Vec::new()).await;
            client.enter_parent_frame().await?;
            result
        });
        serde_json::from_value(result.expect("the script runs")).expect("it returns what the test wants")
    }

    /// Gives a command of the Chrome DevTools Protocol.
    #[track_caller]
    pub(crate) fn cdp(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        let result = self.in_front(async |client| client.issue_cmd(Extension { path: "goog/cdp/execute", body }).await);
        result.expect("the browser knows the command")
    }

    /// Ends the page's process as the system does that is short of memory, and closes what is left of the window.
    #[allow(dead_code, reason = "only the tests of the site use it")]
    pub(crate) fn crash(self) {
        self.window.crash();
    }

    /// Becomes as narrow as a phone, and is touched instead of clicked.
    pub(crate) fn become_phone(&self) {
        self.cdp("Emulation.setTouchEmulationEnabled", json!({ "enabled": true }));
        let screen = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
        self.cdp("Emulation.setDeviceMetricsOverride", screen);
    }

    /// Becomes a window of this size in CSS pixels, each of them of `scale` pixels.
    pub(crate) fn resize(&self, width: u32, height: u32, scale: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", screen);
    }

    /// Switches between the light and the dark scheme of colours, without the colours in between.
    #[track_caller]
    pub(crate) fn prefer(&self, scheme: &str) {
        self.emulate(&[("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]);
    }

    /// Lets things glide and fade, as most people see it.
    #[track_caller]
    pub(crate) fn prefer_motion(&self) {
        self.emulate(&[("prefers-reduced-motion", "no-preference")]);
    }

    #[track_caller]
    fn emulate(&self, features: &[(&str, &str)]) {
        let wanted: Vec<Value> = features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": wanted }));
        // The page takes it over a moment later.
        let queries: Vec<String> = features.iter().map(|(name, value)| format!("({name}: {value})")).collect();
        let matches = format!("return matchMedia('{}').matches", queries.join(" and "));
        self.until(&format!("have {features:?}"), |_| self.run(&matches, &[]));
    }

    /// Returns the CSS selector of something in this device.
    pub(crate) fn within(&self, selector: &str) -> String {
        format!("section[data-device=\"{}\"] {selector}", self.device)
    }
}

/// Looking.
impl Page<'_> {
    /// Returns what the page shows, where it shows the device.
    pub(crate) fn look(&self) -> Option<View> {
        self.run(view::READ, &[json!(self.device)])
    }

    /// Waits until the device is as `is` wants it. `what` says it in words.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is: impl Fn(&View) -> bool) -> View {
        let start = Instant::now();
        loop {
            let view = self.look();
            match view {
                Some(view) if is(&view) => return view,
                view if start.elapsed() > LONGEST => {
                    self.keep_evidence();
                    panic!("{} does not come to {what}: {view:#?}", self.device);
                }
                _ => sleep(PAUSE),
            }
        }
    }

    /// Waits until the program has answered everything that the page asked for. By then it is durable, and drawn.
    #[track_caller]
    pub(super) fn is_answered(&self) {
        let asking = "return [...document.querySelectorAll('[data-asking]')].every((it) => it.dataset.asking === '0')";
        let start = Instant::now();
        while !self.run::<bool>(asking, &[]) {
            if start.elapsed() > LONGEST {
                self.keep_evidence();
                panic!("{} asks for something and gets no answer", self.device);
            }
            sleep(PAUSE);
        }
    }

    /// Waits until the items are these, in this order; see [`Item`](super::view::Item) for how they are written.
    #[track_caller]
    pub(crate) fn shows<const N: usize>(&self, lines: [&str; N]) -> View {
        self.until(&format!("show {lines:?}"), |view| view.lines() == lines)
    }

    /// Waits until nothing is on its way to a host.
    #[track_caller]
    pub(crate) fn is_in_sync(&self) -> View {
        self.until("be in sync", |view| view.pending == Some(0) && view.status == "In sync")
    }

    #[track_caller]
    pub(crate) fn focuses(&self, name: &str) -> View {
        self.until(&format!("have the focus on {name:?}"), |view| view.focus == name)
    }

    #[track_caller]
    pub(crate) fn complains_of(&self, part: &str) -> View {
        self.until(&format!("complain of {part:?}"), |view| view.alert.contains(part))
    }
}
