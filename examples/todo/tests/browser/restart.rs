//! What outlasts the page, and the program.

use crate::support::browser::in_browser;
use crate::support::device::Device;
use crate::support::pair::Pair;

#[test]
fn a_reload_keeps_all() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.add("Milk");
        page.add_list("Work");
        page.add("Write to Ada");
        page.add("Answer Bob");
        page.tick("Answer Bob");
        page.click_button("Hide done");
        page.shows(["Write to Ada"]);
        page.reload();
        let view = page.shows(["Write to Ada"]);
        assert_eq!((view.list.as_deref(), view.lists), (Some("Work"), vec!["Inbox".to_owned(), "Work".to_owned()]));
        page.click_button("Hide done");
        page.shows(["Write to Ada", "✓ Answer Bob"]);
        page.show_list("Inbox");
        page.shows(["Milk"]);
    });
}

#[test]
fn a_killed_program_keeps_all_and_the_page_comes_back_by_itself() {
    in_browser(|browser| {
        // The browser itself says so on the console, each time that the page finds nobody there.
        browser.expect_on_console("ERR_CONNECTION_REFUSED");
        let mut pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        phone.add("Milk");
        phone.add("Bread");
        phone.tick("Milk");
        laptop.shows(["✓ Milk", "Bread"]);
        pair.phone.kill();
        let view = phone.until("see that the program is gone", |view| view.live == "closed");
        assert_eq!(view.status, "The program is not running");
        assert_eq!(view.lines(), ["✓ Milk", "Bread"]);
        phone.tick("Bread");
        phone.complains_of("start it again");
        phone.shows(["✓ Milk", "Bread"]);
        laptop.add("Eggs");
        pair.phone.start_again();
        phone.shows(["✓ Milk", "Bread", "Eggs"]);
        phone.tick("Bread");
        laptop.shows(["✓ Milk", "✓ Bread", "Eggs"]);
    });
}

#[test]
fn what_waits_for_the_host_still_waits_after_a_kill() {
    in_browser(|browser| {
        browser.expect_on_console("ERR_CONNECTION_REFUSED");
        let mut pair = Pair::start();
        let pages = pair.open(browser);
        let [phone, laptop] = &pages;
        pair.go_offline(&pages);
        phone.add("Milk");
        phone.tick("Milk");
        pair.phone.kill();
        pair.phone.start_again();
        phone.until("come back with two changes", |view| view.live == "open" && view.pending == Some(2));
        phone.shows(["✓ Milk"]);
        pair.go_online(&pages);
        laptop.shows(["✓ Milk"]);
    });
}
