//! All of it without a pointer.

use crate::support::browser::in_browser;
use crate::support::device::Device;
use crate::support::page::Page;
use crate::support::pair::Pair;

#[test]
fn a_keyboard_is_enough() {
    in_browser(|browser| {
        let pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        phone.press("n");
        phone.focuses("New item");
        for title in ["Milk", "Bread", "Eggs"] {
            phone.write(title);
            phone.press("Enter");
            phone.item(title);
            phone.focuses("New item");
        }
        tab_to(&phone, "Milk", "Shift+Tab");
        phone.press("Space");
        laptop.shows(["✓ Milk", "Bread", "Eggs"]);
        phone.press("ArrowDown");
        phone.focuses("Bread");
        phone.press("Enter");
        phone.focuses("Title");
        phone.press("Control+a");
        phone.write("Rye bread");
        phone.press("Enter");
        phone.focuses("Rye bread");
        laptop.shows(["✓ Milk", "Rye bread", "Eggs"]);

        phone.press("F2");
        phone.write("something else");
        phone.press("Escape");
        phone.focuses("Rye bread");
        phone.shows(["✓ Milk", "Rye bread", "Eggs"]);

        phone.press("Alt+ArrowDown");
        laptop.shows(["✓ Milk", "Eggs", "Rye bread"]);
        phone.focuses("Rye bread");
        phone.press("Alt+ArrowUp");
        phone.shows(["✓ Milk", "Rye bread", "Eggs"]);
        phone.press("Alt+ArrowUp");
        laptop.shows(["Rye bread", "✓ Milk", "Eggs"]);
        phone.focuses("Rye bread");
        phone.press("ArrowDown");
        phone.focuses("Milk");
        phone.press("Delete");
        laptop.shows(["Rye bread", "Eggs"]);
        phone.focuses("Eggs");
        phone.press("Control+z");
        laptop.shows(["Rye bread", "✓ Milk", "Eggs"]);
        phone.focuses("Eggs");
        phone.press("ArrowUp");
        phone.focuses("Milk");
        phone.press("Space");
        laptop.shows(["Rye bread", "Milk", "Eggs"]);
    });
}

#[test]
fn the_tab_key_reaches_every_control_of_an_item() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add("Milk");
        page.add("Bread");
        tab_to(&page, "Milk", "Shift+Tab");
        page.press("Tab");
        page.focuses("Done");
        page.press("Space");
        page.shows(["✓ Milk", "Bread"]);
        page.press("Tab");
        page.focuses("Details");
        page.press("Enter");
        page.press("Tab");
        page.focuses("Notes");
        page.press("Escape");
        page.focuses("Milk");
        tab_to(&page, "Delete", "Tab");
        page.press("Enter");
        page.shows(["Bread"]);
        page.focuses("Bread");
        page.press("Delete");
        page.shows([]);
        page.focuses("New item");
    });
}

#[test]
fn letters_are_no_commands_while_one_types() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add("Milk");
        page.press("n");
        page.press("Space");
        page.press("Delete");
        page.press("o");
        page.press("Enter");
        page.shows(["Milk", "n o"]);
        page.press("x");
        page.press("Control+z");
        page.shows(["Milk", "n o"]);
        let item = page.open_details("Milk");
        page.click(&format!(r#"{item} textarea[aria-label="Notes"]"#));
        page.press("n");
        page.press("Delete");
        page.press("ArrowDown");
        page.focuses("Notes");
        page.shows(["Milk", "n o"]);
    });
}

/// Presses a key until something has the focus, as a person does who cannot see the page.
#[track_caller]
fn tab_to(page: &Page<'_>, name: &str, chord: &str) {
    for _ in 0..30 {
        if page.look().is_some_and(|view| view.focus == name) {
            return;
        }
        page.press(chord);
    }
    panic!("{chord} does not reach {name:?}: {:#?}", page.look());
}
