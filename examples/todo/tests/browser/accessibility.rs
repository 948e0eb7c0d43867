//! What a screen reader and a keyboard find.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::browser::in_browser;
use crate::support::device::{Device, Program};
use crate::support::page::Page;

const CONTROLS: [&str; 9] =
    ["button", "checkbox", "combobox", "Date", "link", "listbox", "switch", "textbox", "ToggleButton"];

#[test]
fn every_control_has_a_name() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add_list("Work");
        page.add("Report");
        page.add("Answer");
        page.open_details("Report");
        page.edit("Answer", "Answers");
        assert_named(&page);
        page.press("Escape");
        page.click_button("Archived");
        assert_named(&page);
        let demo = Program::demo();
        let phone = browser.open(&demo.address, "phone");
        phone.is_in_sync();
        assert_named(&phone);
    });
}

#[test]
fn the_parts_of_the_page_can_be_jumped_to() {
    in_browser(|browser| {
        let demo = Program::demo();
        let phone = browser.open(&demo.address, "phone");
        phone.is_in_sync();
        let tree = tree(&phone);
        let named: BTreeSet<(&str, &str)> = tree.iter().map(|node| (role(node), name(node))).collect();
        for part in [
            ("main", ""),
            ("region", "phone"),
            ("region", "laptop"),
            ("navigation", "Lists"),
            ("list", "Items"),
            ("list", "Event log"),
        ] {
            assert!(named.contains(&part), "{part:?} is none of {named:#?}");
        }
        // Its name holds the words of what the device has.
        assert!(named.iter().any(|(role, _)| *role == "status"), "{named:#?}");
        assert!(named.iter().any(|(role, name)| *role == "heading" && *name == "Inbox"), "{named:#?}");
        assert_eq!(phone.run::<String>("return document.documentElement.lang", &[]), "en");
        assert_eq!(phone.run::<usize>("return document.querySelectorAll('h1:not([hidden])').length", &[]), 1);
    });
}

#[test]
fn what_has_the_focus_can_be_seen() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add("Report");
        page.open_details("Report");
        page.prefer("light");
        page.run::<()>(NOTE_LOOKS, &[]);
        let mut seen = BTreeSet::new();
        for _ in 0..25 {
            page.press("Tab");
            let (name, differs): (String, bool) = page.run(FOCUS_LOOKS, &[]);
            assert!(differs || name == "BODY", "{name} looks no other with the focus than without");
            seen.insert(name);
        }
        for name in ["Report", "Done", "Details", "Notes", "Due", "List", "Delete", "New item", "New list", "Undo"] {
            assert!(seen.contains(name), "the tab key does not reach {name:?}, but {seen:?}");
        }
    });
}

/// Notes how everything looks while nothing has the focus.
const NOTE_LOOKS: &str = "document.activeElement.blur();
    window.looks = (node) => JSON.stringify([node, node.parentElement].map((node) => {
        const { outlineStyle, outlineWidth, outlineColor, borderColor, boxShadow } = getComputedStyle(node);
        return [outlineStyle === 'none' ? '' : outlineWidth + outlineColor, borderColor, boxShadow];
    }));
    window.before = new Map([...document.querySelectorAll('main *')].map((node) => [node, looks(node)]));";

/// Returns the name of what has the focus, and whether it looks other than without.
const FOCUS_LOOKS: &str = "const node = document.activeElement;
    const name = node.getAttribute('aria-label') ?? node.querySelector('[data-title]')?.textContent ?? node.textContent.trim();
    return node === document.body ? ['BODY', false] : [name, before.get(node) !== looks(node)];";

#[track_caller]
fn assert_named(page: &Page<'_>) {
    let tree = tree(page);
    let controls: Vec<&Value> = tree.iter().filter(|node| CONTROLS.contains(&role(node))).collect();
    assert!(controls.len() > 5, "a page without controls: {tree:#?}");
    let nameless: Vec<&&Value> = controls.iter().filter(|node| name(node).trim().is_empty()).collect();
    assert!(nameless.is_empty(), "{nameless:#?}");
}

/// Returns what the browser tells a screen reader.
fn tree(page: &Page<'_>) -> Vec<Value> {
    let tree = page.cdp("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
    nodes.into_iter().filter(|node| node["ignored"] != json!(true)).collect()
}

fn role(node: &Value) -> &str {
    node["role"]["value"].as_str().unwrap_or_default()
}

fn name(node: &Value) -> &str {
    node["name"]["value"].as_str().unwrap_or_default()
}
