//! A window with one device in it: what a person does there, and waits for.

use std::thread::sleep;
use std::time::{Duration, Instant};

use fantoccini::actions::{
    InputSource, KeyAction, KeyActions, MOUSE_BUTTON_LEFT, MouseActions, PointerAction, TouchActions,
};
use fantoccini::elements::Element;
use fantoccini::error::{CmdError, ErrorStatus};
use fantoccini::key::Key;
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, Locator};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::browser::{Browser, Extension, wait};
use super::view::{self, View};

/// No test waits longer for anything.
pub(crate) const LONGEST: Duration = Duration::from_secs(20);
/// Between two looks at the page.
const PAUSE: Duration = Duration::from_millis(15);

pub(crate) struct Page<'a> {
    pub(crate) browser: &'a Browser,
    window: WindowHandle,
    device: String,
}

/// How a person moves a thing on the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pointer {
    Mouse,
    Finger,
}

impl<'a> Page<'a> {
    pub(super) fn new(browser: &'a Browser, window: WindowHandle, device: &str) -> Self {
        Self { browser, window, device: device.to_owned() }
    }

    /// Returns another device on the same page.
    pub(crate) fn device(&self, device: &str) -> Self {
        Self { browser: self.browser, window: self.window.clone(), device: device.to_owned() }
    }

    /// Does something with the browser while this window is the one that it goes to.
    fn in_front<T>(&self, act: impl AsyncFnOnce(&Client) -> T) -> T {
        let client = &self.browser.client;
        wait(async {
            client.switch_to_window(self.window.clone()).await.expect("the window is open");
            act(client).await
        })
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
                    self.browser.keep_evidence();
                    panic!("{} does not come to {what}: {view:#?}", self.device);
                }
                _ => sleep(PAUSE),
            }
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

/// Doing.
impl Page<'_> {
    /// Tries until the page has the element, and lets it be used so: it may be about to be drawn.
    #[track_caller]
    pub(crate) fn with<T>(&self, selector: &str, act: impl AsyncFn(Element) -> Result<T, CmdError>) -> T {
        let start = Instant::now();
        let selector = self.within(selector);
        loop {
            let outcome = self.in_front(async |client| act(client.find(Locator::Css(&selector)).await?).await);
            match outcome {
                Ok(value) => return value,
                Err(error) if start.elapsed() > LONGEST || !is_passing(&error) => {
                    self.browser.keep_evidence();
                    panic!("{selector}: {error}");
                }
                Err(_) => sleep(PAUSE),
            }
        }
    }

    /// Clicks something, and scrolls first if it is out of sight or under something else.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        self.with(selector, async |element| {
            let outcome = element.click().await;
            if outcome.as_ref().is_err_and(is_passing) {
                let to_sight = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
                element.clone().client().execute(to_sight, vec![json!(element)]).await?;
            }
            outcome
        });
    }

    /// Writes as a keyboard or a clipboard does, where the focus is.
    #[track_caller]
    pub(crate) fn write(&self, text: &str) {
        self.cdp("Input.insertText", json!({ "text": text }));
    }

    /// Presses keys together, such as `Alt+ArrowDown`.
    #[track_caller]
    pub(crate) fn press(&self, chord: &str) {
        let keys: Vec<char> = chord.split('+').map(key).collect();
        let down = keys
            .iter()
            .fold(KeyActions::new("keyboard".to_owned()), |keys, &value| keys.then(KeyAction::Down { value }));
        let actions = keys.iter().rev().fold(down, |keys, &value| keys.then(KeyAction::Up { value }));
        self.in_front(async |client| client.perform_actions(actions).await).expect("keys can be pressed");
    }

    #[track_caller]
    pub(crate) fn click_item(&self, title: &str, part: &str) {
        let item = self.item(title);
        self.click(&format!("{item} {part}"));
    }

    /// Waits for an item, and returns its selector.
    #[track_caller]
    pub(crate) fn item(&self, title: &str) -> String {
        let view = self.until(&format!("show {title:?}"), |view| view.item(title).is_some());
        format!("li[data-item=\"{}\"]", view.item(title).expect("it was just seen").id)
    }

    #[track_caller]
    pub(crate) fn add(&self, title: &str) {
        self.click(r#"input[aria-label="New item"]"#);
        self.write(title);
        self.press("Enter");
        self.item(title);
    }

    #[track_caller]
    pub(crate) fn tick(&self, title: &str) {
        self.click_item(title, "input[type=checkbox]");
    }

    /// Starts to edit a title, with all of it selected or not; it is written over then.
    #[track_caller]
    pub(crate) fn edit(&self, title: &str, text: &str) {
        self.click_item(title, "[data-title]");
        self.until("edit the title", |view| view.focus == "Title");
        self.press("Control+a");
        self.write(text);
    }

    #[track_caller]
    pub(crate) fn rename(&self, title: &str, new: &str) {
        self.edit(title, new);
        self.press("Enter");
        self.until("have the new title", |view| view.item(new).is_some_and(|item| !item.edited));
    }

    #[track_caller]
    pub(crate) fn open_details(&self, title: &str) -> String {
        let item = self.item(title);
        let is_open: bool = self.with(&format!("{item} button[aria-expanded]"), async |button| {
            Ok(button.attr("aria-expanded").await?.as_deref() == Some("true"))
        });
        if !is_open {
            self.click(&format!("{item} button[aria-expanded]"));
        }
        item
    }

    #[track_caller]
    pub(crate) fn click_item_button_in_details(&self, title: &str, name: &str) {
        self.open_details(title);
        self.click_item_button(title, name);
    }

    #[track_caller]
    pub(crate) fn delete(&self, title: &str) {
        self.click_item_button_in_details(title, "Delete");
        self.until("have it no more", |view| view.item(title).is_none());
    }

    #[track_caller]
    pub(crate) fn add_list(&self, name: &str) {
        self.click(r#"input[aria-label="New list"]"#);
        self.write(name);
        self.press("Enter");
        self.until("show the new list", |view| view.list.as_deref() == Some(name));
    }

    #[track_caller]
    pub(crate) fn show_list(&self, name: &str) {
        self.click_button(name);
        self.until("show the list", |view| view.list.as_deref() == Some(name));
    }

    /// Gives a field a value as a picker does: a date, for one.
    #[track_caller]
    pub(crate) fn set_field(&self, selector: &str, value: &str) {
        self.click(selector);
        let set = "const field = document.querySelector(arguments[0]);
            field.value = arguments[1];
            for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, { bubbles: true }));";
        self.run::<()>(set, &[json!(self.within(selector)), json!(value)]);
    }

    #[track_caller]
    pub(crate) fn until_field(&self, selector: &str, value: &str) {
        self.until(&format!("have {value:?} in {selector}"), |_| {
            let read = "return document.querySelector(arguments[0])?.value ?? null";
            self.run::<Option<String>>(read, &[json!(self.within(selector))]).as_deref() == Some(value)
        });
    }

    /// Takes an option of a menu.
    #[track_caller]
    pub(crate) fn choose(&self, selector: &str, option: &str) {
        self.with(selector, async |menu| menu.select_by_label(option).await);
    }

    /// Clicks a button of the device, by its accessible name.
    #[track_caller]
    pub(crate) fn click_button(&self, name: &str) {
        self.click_named("", name);
    }

    /// Clicks a button of an item, by its accessible name.
    #[track_caller]
    pub(crate) fn click_item_button(&self, title: &str, name: &str) {
        let item = self.item(title);
        self.click_named(&item, name);
    }

    #[track_caller]
    fn click_named(&self, place: &str, name: &str) {
        let mark =
            "for (const button of document.querySelectorAll('[data-named]')) button.removeAttribute('data-named');
            const buttons = [...document.querySelectorAll(arguments[0])].filter((button) => button.checkVisibility());
            const nameOf = (button) => button.getAttribute('aria-label') ?? button.textContent.trim();
            for (const button of buttons) button.toggleAttribute('data-named', nameOf(button) === arguments[1]);
            return buttons.map(nameOf);";
        let buttons: Vec<String> = self.run(mark, &[json!(self.within(&format!("{place} button"))), json!(name)]);
        assert!(buttons.iter().any(|button| button == name), "{name:?} is none of {buttons:?}");
        let button = format!("{place} button[data-named]");
        // Some show themselves only when the mouse comes near.
        let Place { x, y, .. } = self.place(&button);
        let hover = MouseActions::new("mouse".to_owned()).then(PointerAction::MoveTo {
            duration: None,
            x: x.round(),
            y: y.round(),
        });
        self.in_front(async |client| client.perform_actions(hover).await).expect("the mouse can be moved");
        self.click(&button);
    }

    /// Moves an item by its handle onto the upper or the lower half of another.
    #[track_caller]
    pub(crate) fn drag(&self, pointer: Pointer, title: &str, side: Side, other: &str) {
        let target = self.place(&self.item(other));
        let inset = target.height / 2.0 - 3.0;
        let y = target.y + if matches!(side, Side::Above) { -inset } else { inset };
        self.move_handle(pointer, title, |from| (from.x, y), true);
    }

    /// Drops an item onto the button of a list.
    #[track_caller]
    pub(crate) fn drag_onto_list(&self, title: &str, list: &str) {
        let ids = "return [...document.querySelectorAll(arguments[0])].find((tab) => tab.textContent === arguments[1])?.dataset.list";
        let id: String = self.run(ids, &[json!(self.within("button[data-list]")), json!(list)]);
        let target = self.place(&format!("button[data-list=\"{id}\"]"));
        self.move_handle(Pointer::Mouse, title, |_| (target.x, target.y), true);
    }

    /// Drags an item onto another, and thinks better of it.
    #[track_caller]
    pub(crate) fn drag_and_escape(&self, title: &str, other: &str) {
        let target = self.place(&self.item(other));
        self.move_handle(Pointer::Mouse, title, |from| (from.x, target.y - target.height / 2.0 + 3.0), false);
        self.press("Escape");
        self.in_front(async |client| client.release_actions().await).expect("the mouse can be let go");
    }

    fn move_handle(&self, pointer: Pointer, title: &str, to: impl Fn(Place) -> (f64, f64), let_go: bool) {
        let from = self.place(&format!("{} [data-handle]", self.item(title)));
        let (x, y) = to(from);
        let step = |share: f64| PointerAction::MoveTo {
            duration: Some(Duration::from_millis(20)),
            x: (from.x + (x - from.x) * share).round(),
            y: (from.y + (y - from.y) * share).round(),
        };
        let mut way = vec![
            PointerAction::MoveTo { duration: None, x: from.x.round(), y: from.y.round() },
            PointerAction::Down { button: MOUSE_BUTTON_LEFT },
        ];
        way.extend([0.1, 0.4, 0.8, 1.0].map(step));
        if let_go {
            way.push(PointerAction::Up { button: MOUSE_BUTTON_LEFT });
        }
        let outcome = self.in_front(async |client| match pointer {
            Pointer::Mouse => {
                let mouse = MouseActions::new("mouse".to_owned());
                client.perform_actions(way.into_iter().fold(mouse, MouseActions::then)).await
            }
            Pointer::Finger => {
                let finger = TouchActions::new("finger".to_owned());
                client.perform_actions(way.into_iter().fold(finger, TouchActions::then)).await
            }
        });
        outcome.expect("the pointer can be moved");
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

    /// Switches between the bright and the dark scheme of colours.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Returns where an element's middle is in the window, once it is in sight.
    #[track_caller]
    pub(crate) fn place(&self, selector: &str) -> Place {
        let script = "const node = document.querySelector(arguments[0]);
            node.scrollIntoView({ block: 'nearest' });
            const { x, y, width, height } = node.getBoundingClientRect();
            return { x: x + width / 2, y: y + height / 2, height };";
        self.run(script, &[json!(self.within(selector))])
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Above,
    Below,
}

/// The middle and the height of an element, in CSS pixels.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) height: f64,
}

/// Says whether the next try may do better.
fn is_passing(error: &CmdError) -> bool {
    use ErrorStatus::{ElementClickIntercepted, ElementNotInteractable, NoSuchElement, StaleElementReference};
    let CmdError::Standard(error) = error else { return false };
    matches!(error.error, NoSuchElement | StaleElementReference | ElementNotInteractable | ElementClickIntercepted)
}

fn key(name: &str) -> char {
    match name {
        "Control" => Key::Control.into(),
        "Alt" => Key::Alt.into(),
        "Shift" => Key::Shift.into(),
        "Meta" => Key::Meta.into(),
        "Enter" => Key::Enter.into(),
        "Escape" => Key::Escape.into(),
        "Tab" => Key::Tab.into(),
        "Space" => ' ',
        "Delete" => Key::Delete.into(),
        "F2" => Key::F2.into(),
        "End" => Key::End.into(),
        "Home" => Key::Home.into(),
        "ArrowUp" => Key::Up.into(),
        "ArrowDown" => Key::Down.into(),
        "ArrowLeft" => Key::Left.into(),
        "ArrowRight" => Key::Right.into(),
        letter => letter.chars().next().filter(|_| letter.chars().count() == 1).expect("a key that the tests know"),
    }
}
