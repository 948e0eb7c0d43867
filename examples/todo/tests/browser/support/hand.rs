//! A person's hands: keyboard, mouse and finger. Whatever they do, they wait for the answer to it, as a person would who
//! then pulls the plug.

use std::thread::sleep;
use std::time::{Duration, Instant};

use fantoccini::actions::{
    InputSource, KeyAction, KeyActions, MOUSE_BUTTON_LEFT, MouseActions, PointerAction, TouchActions,
};
use fantoccini::elements::Element;
use fantoccini::error::{CmdError, ErrorStatus, WebDriver};
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{LONGEST, PAUSE, Page};

/// How a person moves a thing on the screen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pointer {
    Mouse,
    Finger,
}

/// Where in the window the middle of something is, and how high it is, in CSS pixels.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Place {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) height: f64,
}

impl Page<'_> {
    /// Clicks something, and scrolls first if it is out of sight or under something else.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        self.with(selector, click);
    }

    /// Clicks a button within something, by its accessible name.
    #[track_caller]
    pub(crate) fn click_button_in(&self, selector: &str, name: &str) {
        let find = "const nameOf = (button) => button.getAttribute('aria-label') ?? button.textContent.trim();
            const buttons = [...document.querySelectorAll(arguments[0])];
            return buttons.find((button) => button.checkVisibility() && nameOf(button) === arguments[1]) ?? null;";
        let arguments = [json!(self.within(&format!("{selector} button"))), json!(name)];
        let find = async |client: &Client| element_of(client, client.execute(find, arguments.to_vec()).await?);
        self.until_done(&format!("the button {name:?}"), find, click);
    }

    /// Uses an element of the device, once it is there and lets itself be used so.
    #[track_caller]
    pub(crate) fn with<T>(&self, selector: &str, act: impl AsyncFn(Element) -> Result<T, CmdError>) -> T {
        let selector = self.within(selector);
        self.until_done(&selector, async |client| client.find(Locator::Css(&selector)).await, act)
    }

    /// Tries until it goes well: the element may be about to be drawn.
    #[track_caller]
    fn until_done<T>(
        &self,
        what: &str,
        find: impl AsyncFn(&Client) -> Result<Element, CmdError>,
        act: impl AsyncFn(Element) -> Result<T, CmdError>,
    ) -> T {
        let start = Instant::now();
        loop {
            match self.in_front(async |client| act(find(client).await?).await) {
                Ok(value) => {
                    self.is_answered();
                    return value;
                }
                Err(error) if start.elapsed() > LONGEST || !is_passing(&error) => {
                    self.keep_evidence();
                    panic!("{what}: {error}");
                }
                Err(_) => sleep(PAUSE),
            }
        }
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
        let down = keys.iter().map(|&value| KeyAction::Down { value });
        let up = keys.iter().rev().map(|&value| KeyAction::Up { value });
        let actions = down.chain(up).fold(KeyActions::new("keyboard".to_owned()), KeyActions::then);
        self.in_front(async |client| client.perform_actions(actions).await).expect("keys can be pressed");
        self.is_answered();
    }

    /// Moves the pointer from one place to another with the button down, or the finger on the glass.
    #[track_caller]
    pub(crate) fn drag_from(&self, pointer: Pointer, from: Place, to: Place) {
        self.take_from(pointer, from, to, &[PointerAction::Up { button: MOUSE_BUTTON_LEFT }]);
    }

    /// The same, but thinks better of it on the way.
    #[track_caller]
    pub(crate) fn drag_and_escape(&self, from: Place, to: Place) {
        self.take_from(Pointer::Mouse, from, to, &[]);
        self.press("Escape");
        self.in_front(async |client| client.release_actions().await).expect("the mouse can be let go");
    }

    #[track_caller]
    fn take_from(&self, pointer: Pointer, from: Place, to: Place, end: &[PointerAction]) {
        let at = |share: f64, time: u64| PointerAction::MoveTo {
            duration: Some(Duration::from_millis(time)),
            x: (from.x + (to.x - from.x) * share).round(),
            y: (from.y + (to.y - from.y) * share).round(),
        };
        let mut way = vec![at(0.0, 0), PointerAction::Down { button: MOUSE_BUTTON_LEFT }];
        way.extend([0.1, 0.4, 0.8, 1.0].map(|share| at(share, 20)));
        way.extend_from_slice(end);
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
        self.is_answered();
    }

    /// Returns where something is, once it is in sight and rows that move have come to rest.
    #[track_caller]
    pub(crate) fn place(&self, selector: &str) -> Place {
        let script = "for (const animation of document.getAnimations()) {
                if (Number.isFinite(animation.effect.getComputedTiming().endTime)) animation.finish();
            }
            const node = document.querySelector(arguments[0]);
            node.scrollIntoView({ block: 'nearest' });
            const { x, y, width, height } = node.getBoundingClientRect();
            return { x: x + width / 2, y: y + height / 2, height };";
        self.run(script, &[json!(self.within(selector))])
    }
}

async fn click(element: Element) -> Result<(), CmdError> {
    let outcome = element.click().await;
    if outcome.as_ref().is_err_and(is_passing) {
        let to_sight = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
        element.clone().client().execute(to_sight, vec![json!(element)]).await?;
    }
    outcome
}

/// Makes an element of what a script returned.
fn element_of(client: &Client, found: Value) -> Result<Element, CmdError> {
    let id = found.as_object().and_then(|reference| reference.values().next()).and_then(Value::as_str);
    let id = id.ok_or_else(|| CmdError::Standard(WebDriver::new(ErrorStatus::NoSuchElement, "there is none")))?;
    Ok(Element::from_element_id(client.clone(), id.to_owned().into()))
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
