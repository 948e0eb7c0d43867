//! Two devices of one person.

use crate::support::browser::in_browser;
use crate::support::device::Device;
use crate::support::pair::{Pair, both_show};

#[test]
fn what_one_device_does_the_other_shows() {
    in_browser(|browser| {
        let pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        phone.add("Bread");
        phone.add("Milk");
        laptop.shows(["Bread", "Milk"]);
        laptop.tick("Bread");
        phone.shows(["✓ Bread", "Milk"]);
        phone.rename("Milk", "Oat milk");
        laptop.shows(["✓ Bread", "Oat milk"]);
        laptop.delete("Bread");
        phone.shows(["Oat milk"]);
        phone.add_list("Work");
        phone.add("Write to Ada");
        laptop.until("have the list", |view| view.lists == ["Inbox", "Work"]);
        laptop.show_list("Work");
        laptop.shows(["Write to Ada"]);
    });
}

#[test]
fn notes_a_day_and_another_list_reach_the_other_device() {
    in_browser(|browser| {
        let pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        phone.add_list("Work");
        phone.show_list("Inbox");
        phone.add("Report");
        phone.note("Report", "three pages\nat most");
        phone.set_due("Report", "2031-05-17");
        laptop.shows_notes("Report", "three pages\nat most");
        laptop.shows_due("Report", "2031-05-17");
        laptop.move_to_list("Report", "Work");
        phone.shows([]);
        phone.show_list("Work");
        phone.shows(["Report"]);
    });
}

#[test]
fn changes_made_apart_are_both_kept() {
    in_browser(|browser| {
        let mut pair = Pair::start();
        let pages = pair.open(browser);
        let [phone, laptop] = &pages;
        phone.add("Milk");
        laptop.shows(["Milk"]);
        pair.go_offline(&pages);
        phone.rename("Milk", "Oat milk");
        phone.add("Bread");
        phone.until("say that two changes wait", |view| {
            view.pending == Some(2) && view.status.contains("2 changes wait")
        });
        laptop.tick("Milk");
        laptop.until("say that one change waits", |view| {
            view.pending == Some(1) && view.status.contains("1 change waits")
        });
        laptop.shows(["✓ Milk"]);
        pair.go_online(&pages);
        both_show(&pages, ["✓ Oat milk", "Bread"]);
    });
}

#[test]
fn a_delete_against_an_edit_ends_the_same_on_both() {
    in_browser(|browser| {
        let mut pair = Pair::start();
        let pages = pair.open(browser);
        let [phone, laptop] = &pages;
        phone.add("Milk");
        phone.add("Bread");
        laptop.shows(["Milk", "Bread"]);
        pair.go_offline(&pages);
        phone.delete("Milk");
        laptop.rename("Milk", "Oat milk");
        laptop.delete("Bread");
        phone.rename("Bread", "Rye bread");
        pair.go_online(&pages);
        // A delete is final: what was edited elsewhere meanwhile does not bring the thing back.
        both_show(&pages, []);
    });
}

#[test]
fn items_of_a_list_that_another_device_deletes_are_not_lost() {
    in_browser(|browser| {
        let mut pair = Pair::start();
        let pages = pair.open(browser);
        let [phone, laptop] = &pages;
        phone.add_list("Work");
        phone.add("Write to Ada");
        laptop.until("have the list", |view| view.lists == ["Inbox", "Work"]);
        pair.go_offline(&pages);
        laptop.show_list("Work");
        laptop.click_button("Delete list");
        phone.add("Answer Bob");
        pair.go_online(&pages);
        for page in &pages {
            page.until("list what has no list", |view| view.lists == ["Inbox", "No list"]);
            page.show_list("No list");
            page.shows(["Write to Ada", "Answer Bob"]);
        }
    });
}

#[test]
fn two_tabs_of_one_device_agree() {
    in_browser(|browser| {
        let device = Device::start(None);
        let first = browser.open(device.address(), "this");
        let second = browser.open(device.address(), "this");
        first.until("say that there is no host", |view| view.status.starts_with("No host"));
        first.add("Milk");
        second.shows(["Milk"]);
        second.tick("Milk");
        second.add("Bread");
        first.shows(["✓ Milk", "Bread"]);
        second.click_button("Hide done");
        first.shows(["Bread"]);
        first.click_button("Undo");
        second.shows(["✓ Milk", "Bread"]);
    });
}

#[test]
fn what_is_half_written_survives_what_the_other_device_does() {
    in_browser(|browser| {
        let pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        phone.add("Milk");
        laptop.shows(["Milk"]);
        laptop.edit("Milk", "Oat milk, two litres");
        for _ in 0..7 {
            laptop.press("ArrowLeft");
        }
        phone.tick("Milk");
        phone.rename("Milk", "Soy milk");
        phone.add("Bread");
        laptop.shows(["✓ ✎ Oat milk, two litres", "Bread"]);
        laptop.write(" or three");
        let view = laptop.shows(["✓ ✎ Oat milk, two or three litres", "Bread"]);
        assert_eq!(view.focus, "Title");
        laptop.press("Enter");
        phone.shows(["✓ Oat milk, two or three litres", "Bread"]);
    });
}
