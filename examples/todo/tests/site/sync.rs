//! The browser as one device, and the program as the other.

use crate::built::in_site;
use crate::support::browser::Browser;
use crate::support::device::Device;
use crate::support::host::{Cable, RunningHost};
use crate::support::page::Page;

/// Opens the site and the page of the program, for one account.
fn meet<'a>(browser: &'a Browser, address: &str, cables: &[Cable; 2], laptop: &Device) -> [Page<'a>; 2] {
    let page = browser.open(address, "this");
    page.start_with(&cables[0].url());
    let laptop_page = browser.open(laptop.address(), "this");
    for page in [&page, &laptop_page] {
        page.is_in_sync();
    }
    [page, laptop_page]
}

#[test]
fn what_the_browser_does_the_program_shows_and_the_other_way_round() {
    in_site(|browser, site| {
        let host = RunningHost::start();
        let cables = [host.cable(), host.cable()];
        let laptop = Device::start(cables[1].url());
        let [page, laptop_page] = meet(browser, &site.address(), &cables, &laptop);
        page.add("Milk");
        laptop_page.shows(["Milk"]);
        laptop_page.tick("Milk");
        page.shows(["✓ Milk"]);
        page.add_list("Work");
        page.add("Report");
        page.note("Report", "three pages");
        page.set_due("Report", "2031-05-17");
        laptop_page.show_list("Work");
        laptop_page.shows(["Report"]);
        laptop_page.shows_notes("Report", "three pages");
        laptop_page.shows_due("Report", "2031-05-17");
        page.delete("Report");
        laptop_page.shows([]);
        page.click_button("Undo");
        laptop_page.shows(["Report"]);
    });
}

#[test]
fn what_both_do_offline_is_merged() {
    in_site(|browser, site| {
        browser.expect_on_console("ERR_CONNECTION_REFUSED");
        browser.expect_on_console("ERR_CONNECTION_RESET");
        browser.expect_on_console("ERR_EMPTY_RESPONSE");
        browser.expect_on_console("WebSocket connection to");
        let host = RunningHost::start();
        let mut cables = [host.cable(), host.cable()];
        let laptop = Device::start(cables[1].url());
        let [page, laptop_page] = meet(browser, &site.address(), &cables, &laptop);
        page.add("Milk");
        laptop_page.shows(["Milk"]);
        cables.iter_mut().for_each(Cable::pull_out);
        for page in [&page, &laptop_page] {
            page.until("notice that the host is gone", |view| view.status.starts_with("No sync"));
        }
        page.rename("Milk", "Oat milk");
        page.add("Bread");
        laptop_page.tick("Milk");
        page.reload();
        let view = page.until("still have them", |view| view.pending == Some(2));
        assert_eq!(view.lines(), ["Oat milk", "Bread"]);
        cables.iter_mut().for_each(Cable::plug_in);
        page.shows(["✓ Oat milk", "Bread"]);
        laptop_page.shows(["✓ Oat milk", "Bread"]);
        page.is_in_sync();
    });
}

#[test]
fn a_killed_renderer_keeps_everything_that_was_answered() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.start_alone();
        for title in ["Milk", "Bread", "Eggs"] {
            page.add(title);
        }
        page.tick("Bread");
        page.crash();
        let page = browser.open(&site.address(), "this");
        page.shows(["Milk", "✓ Bread", "Eggs"]);
        page.add("Flour");
        page.shows(["Milk", "✓ Bread", "Eggs", "Flour"]);
    });
}

#[test]
fn another_host_can_be_chosen_later() {
    in_site(|browser, site| {
        let host = RunningHost::start();
        let cables = [host.cable(), host.cable()];
        let laptop = Device::start(cables[1].url());
        let laptop_page = browser.open(laptop.address(), "this");
        let page = browser.open(&site.address(), "this");
        page.start_with("");
        page.until("have no host", |view| view.status == "No host");
        page.add("Milk");
        page.click_button("Account");
        page.fill("host", &cables[0].url());
        page.click_button("Save the address");
        page.is_in_sync();
        laptop_page.shows(["Milk"]);
        page.reload();
        page.is_in_sync();
    });
}

#[test]
fn a_wrong_clock_is_told() {
    in_site(|browser, site| {
        let files = crate::built::files().expect("in_site has them");
        let fast = "const Now = Date.now.bind(Date); Date.now = () => Now() + 3 * 3_600_000;\n";
        site.put(crate::built::changed(files, "worker.js", |script| format!("{fast}{script}")));
        let host = RunningHost::start();
        let cable = host.cable();
        let page = browser.open(&site.address(), "this");
        page.start_with(&cable.url());
        page.until_so("tell of the clock", || page.warnings().contains("clock"));
    });
}
