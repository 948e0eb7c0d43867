//! Taking back.

use crate::support::browser::in_browser;
use crate::support::chores::Side;
use crate::support::device::Device;
use crate::support::hand::Pointer;
use crate::support::pair::Pair;

#[test]
fn each_kind_of_change_can_be_taken_back_in_turn() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add("Milk");
        page.add("Bread");
        page.tick("Milk");
        page.rename("Bread", "Rye bread");
        page.drag(Pointer::Mouse, "Rye bread", Side::Above, "Milk");
        page.shows(["Rye bread", "✓ Milk"]);
        page.click_item_button("Milk", "Archive");
        page.shows(["Rye bread"]);
        page.delete("Rye bread");
        page.shows([]);

        page.click_button("Undo");
        page.shows(["Rye bread"]);
        page.click_button("Undo");
        page.shows(["Rye bread", "✓ Milk"]);
        page.click_button("Undo");
        page.shows(["✓ Milk", "Rye bread"]);
        page.click_button("Undo");
        page.shows(["✓ Milk", "Bread"]);
        page.click_button("Undo");
        page.shows(["Milk", "Bread"]);
        page.click_button("Undo");
        page.shows(["Milk"]);
        page.click_button("Undo");
        page.shows([]);
        page.click_button("Undo");
        page.complains_of("nothing to undo");
        page.until("have said it", |view| view.alert.is_empty());
    });
}

#[test]
fn a_deleted_item_comes_back_whole_on_every_device() {
    in_browser(|browser| {
        let pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        phone.add("Report");
        phone.note("Report", "three pages");
        phone.set_due("Report", "2031-05-17");
        phone.tick("Report");
        laptop.shows(["✓ Report"]);
        phone.delete("Report");
        laptop.shows([]);
        phone.click_button("Undo");
        laptop.shows(["✓ Report"]);
        laptop.shows_notes("Report", "three pages");
        laptop.shows_due("Report", "2031-05-17");
    });
}

#[test]
fn undo_leaves_what_the_other_device_did() {
    in_browser(|browser| {
        let pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        phone.add("Milk");
        laptop.shows(["Milk"]);
        laptop.add("Bread");
        phone.shows(["Milk", "Bread"]);
        phone.click_button("Undo");
        laptop.shows(["Bread"]);
        phone.click_button("Undo");
        phone.complains_of("nothing to undo");
        laptop.shows(["Bread"]);
    });
}

#[test]
fn a_deleted_list_comes_back_with_its_items() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add_list("Work");
        page.add("Write to Ada");
        page.click_button("Delete list");
        page.until("have no such list", |view| view.lists == ["Inbox", "No list"]);
        page.click_button("Undo");
        page.until("have the list again", |view| view.lists == ["Inbox", "Work"]);
        page.show_list("Work");
        page.shows(["Write to Ada"]);
    });
}
